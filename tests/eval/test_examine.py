import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from eval.answers import Contestant
from eval.examine import examine
from eval.findings import read_findings
from eval.gate import Verdict
from eval.judge import JudgeOrder
from eval.page import draw_page
from eval.reward import Answered, RewardOrder
from eval.rules import GateRules
from eval.shown import GuardOrder
from eval.suite.registry import SuiteOrder
from eval.suite.results import read_suites
from eval.verdict import decide_again, main, read_verdict
from nightschool.echo import EchoEngine
from nightschool.engine import ChatRequest, Delta
from nightschool.errors import EngineError, EvaluationFailed, InvalidInput
from nightschool.files import publish, verify
from nightschool.knowledge import Found
from nightschool.knowledge_part import KnowledgePart
from nightschool.records import Outcome, Sampling

from ..pupils import REFERENCE, Pupils, Speaker
from ..tables import write_table

RULES = GateRules(draws=1_000, min_conversations=10)
SAMPLING = Sampling(temperature=0.3, seed=17)
CONTESTANTS = {
    "base": Contestant("base", "base", "hash-0"),
    "production": Contestant("production", "support@1", "hash-1"),
    "candidate": Contestant("candidate", "support@2", "hash-2"),
}


def make_dataset(folder: Path, *, conversations: int = 15) -> Path:
    folder.mkdir(parents=True)
    rows = []
    for number in range(conversations):
        messages = [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": f"how do refunds work {number}"},
            {"role": "assistant", "content": f"{REFERENCE} {number}"},
            {"role": "user", "content": f"really {number + 1}"},
            {"role": "assistant", "content": f"{REFERENCE} yes {number}"},
        ]
        row = {"item_id": f"i{number}", "conversation_id": f"c{number}", "group": f"g{number}", "messages": messages}
        rows.append(row)
    write_table(folder / "sft_held_out.parquet", rows)
    write_table(folder / "sft_train.parquet", [])
    publish(folder, kind="dataset")
    return folder


async def run(
    engine: EchoEngine,
    root: Path,
    *,
    contestants: dict[str, Contestant] | None = None,
    folder: str = "evaluation",
    steps: list[tuple[float, str]] | None = None,
    conversations: int = 15,
    **options: Any,
) -> Verdict:
    asked = contestants or CONTESTANTS
    live = asked.get("production", asked.get("base"))
    dataset = root / f"dataset-{conversations}"
    if not dataset.exists():
        make_dataset(dataset, conversations=conversations)
    return await examine(
        engine,
        dataset=dataset,
        contestants=asked,
        sampling=SAMPLING,
        folder=root / folder,
        on_step=lambda share, words: steps.append((share, words)) if steps is not None else None,
        **{"production_hash": live.content_hash if live else "", "gate": RULES, **options},
    )


async def test_a_better_candidate_is_promoted_and_everything_is_written_down(tmp_path: Path) -> None:
    steps: list[tuple[float, str]] = []
    engine = Pupils()
    verdict = await run(engine, tmp_path, steps=steps)
    assert verdict.outcome == Outcome.PROMOTE
    # One contestant after the other, each row once.
    assert engine.asked == ["base"] * 30 + ["support@1"] * 30 + ["support@2"] * 30
    # Versions 0, 1, 2 give their references -2, -1.5 and -1 nats a token.
    assert verdict.figures["base_perplexity"] == pytest.approx(2.71828**2, rel=1e-4)
    assert verdict.figures["candidate_perplexity"] == pytest.approx(2.71828, rel=1e-4)
    assert verdict.figures["base_token_f1"] < verdict.figures["production_token_f1"]
    assert [share for share, _ in steps] == pytest.approx([(i + 1) / 90 for i in range(90)])
    assert steps[-1][1] == "candidate: 30 of 30 rows"
    manifest = verify(tmp_path / "evaluation")
    assert manifest.kind == "evaluation"
    names = {entry.name for entry in manifest.files}
    assert names == {"answers.parquet", "scores.parquet", "votes.parquet", "verdict.json", "report.md", "report.png"}
    table = pq.read_table(tmp_path / "evaluation" / "answers.parquet")
    assert table.num_rows == 90


async def test_where_nothing_is_live_base_is_asked_once_and_is_the_rival(tmp_path: Path) -> None:
    engine = Pupils()
    first_night = CONTESTANTS | {"production": Contestant("production", "base", "hash-0")}
    verdict = await run(engine, tmp_path, contestants=first_night)
    assert engine.asked == ["base"] * 30 + ["support@2"] * 30
    assert "nothing is live yet" in verdict.reasons[0]
    without = {label: c for label, c in CONTESTANTS.items() if label != "production"}
    assert await run(Pupils(), tmp_path, contestants=without, folder="other") == verdict


async def test_a_candidate_equal_to_production_shares_its_answers_and_is_rejected(tmp_path: Path) -> None:
    engine = Pupils()
    same = CONTESTANTS | {"candidate": Contestant("candidate", "support@2", "hash-1")}
    verdict = await run(engine, tmp_path, contestants=same)
    assert len(engine.asked) == 60
    assert verdict.outcome == Outcome.REJECT
    assert verdict.figures["gain_mean"] == 0


async def test_the_verdict_is_rebuilt_bit_for_bit_from_the_scores_and_forgery_is_noticed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verdict = await run(Pupils(), tmp_path)
    scores = tmp_path / "evaluation" / "scores.parquet"
    assert decide_again(scores) == verdict
    assert main([str(scores)]) == 0
    assert json.loads(capsys.readouterr().out)["outcome"] == "promote"
    stored = scores.with_name("verdict.json")
    stored.write_text(stored.read_text().replace('"outcome": "promote"', '"outcome": "reject"'))
    assert main([str(scores)]) == 1
    assert "differs" in capsys.readouterr().err


def test_deciding_again_without_a_file_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "scores.parquet")]) == 3
    assert "does not exist" in capsys.readouterr().err


async def test_the_command_decides_again(tmp_path: Path) -> None:
    verdict = await run(Pupils(), tmp_path)
    command = [sys.executable, "-W", "error", "-m", "eval.verdict", str(tmp_path / "evaluation" / "scores.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert json.loads(done.stdout)["outcome"] == verdict.outcome.value


async def test_an_evaluation_done_twice_changes_no_byte(tmp_path: Path) -> None:
    first = await run(Pupils(), tmp_path)
    hash_before = verify(tmp_path / "evaluation").content_hash
    engine = Pupils()
    assert await run(engine, tmp_path) == first
    assert engine.asked == []
    await run(Pupils(), tmp_path, folder="elsewhere")
    assert verify(tmp_path / "elsewhere").content_hash == hash_before


async def test_an_interrupted_evaluation_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    with pytest.raises(EngineError):
        await run(Pupils(dies_after=40), tmp_path)
    engine = Pupils()
    await run(engine, tmp_path)
    assert len(engine.asked) == 50
    await run(Pupils(), tmp_path, folder="uninterrupted")
    assert verify(tmp_path / "evaluation").content_hash == verify(tmp_path / "uninterrupted").content_hash


async def test_cut_off_before_the_manifest_nobody_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Pupils()

    def full(*_: Any, **__: Any) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("eval.examine.publish", full)
        with pytest.raises(OSError, match="No space"):
            await run(engine, tmp_path)
    asked = len(engine.asked)
    await run(engine, tmp_path)
    assert len(engine.asked) == asked
    assert not (tmp_path / "evaluation" / ".answers").exists()


@pytest.mark.parametrize("conversations", [0, 1, 9])
async def test_too_few_held_out_conversations_are_said(tmp_path: Path, conversations: int) -> None:
    verdict = await run(Pupils(), tmp_path, conversations=conversations)
    assert verdict.outcome == Outcome.INSUFFICIENT_DATA
    assert read_verdict(tmp_path / "evaluation").outcome == Outcome.INSUFFICIENT_DATA
    assert "insufficient-data" in (tmp_path / "evaluation" / "report.md").read_text()
    assert decide_again(tmp_path / "evaluation" / "scores.parquet") == verdict


async def test_a_folder_answers_one_question_only(tmp_path: Path) -> None:
    await run(Pupils(), tmp_path)
    other = CONTESTANTS | {"candidate": Contestant("candidate", "support@3", "hash-3")}
    with pytest.raises(InvalidInput, match="another question"):
        await run(Pupils(), tmp_path, contestants=other)


async def test_contestants_and_dataset_are_checked_first(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="base and candidate"):
        await run(Pupils(), tmp_path, contestants={"base": CONTESTANTS["base"]})
    with pytest.raises(InvalidInput, match="labelled"):
        await run(Pupils(), tmp_path, contestants=CONTESTANTS | {"candidate": CONTESTANTS["production"]})
    (tmp_path / "dataset-15" / "manifest.json").unlink()
    with pytest.raises(InvalidInput, match="never finished"):
        await run(Pupils(), tmp_path)


async def test_a_production_that_could_not_be_loaded_does_not_lower_the_bar(tmp_path: Path) -> None:
    engine = Pupils()
    fallen_back = CONTESTANTS | {"production": Contestant("production", "base", "hash-0")}
    with pytest.raises(EvaluationFailed, match="the record has hash-1 in production"):
        await run(engine, tmp_path, contestants=fallen_back, production_hash="hash-1")
    assert engine.asked == []


async def test_what_a_person_promoted_last_is_asked_too_unless_it_is_live(tmp_path: Path) -> None:
    anchor = Contestant("anchor", "support@3", "hash-3")
    engine = Pupils()
    verdict = await run(engine, tmp_path, contestants=CONTESTANTS | {"anchor": anchor})
    assert engine.asked.count("support@3") == 30
    assert [c.label for c in read_verdict(tmp_path / "evaluation").question.contestants] == [
        "base",
        "anchor",
        "production",
        "candidate",
    ]
    assert decide_again(tmp_path / "evaluation" / "scores.parquet") == verdict
    for same in ("hash-0", "hash-1"):
        engine = Pupils()
        anchor = Contestant("anchor", "support@3", same)
        await run(engine, tmp_path, contestants=CONTESTANTS | {"anchor": anchor}, folder=f"no-{same}")
        assert "support@3" not in engine.asked


async def test_production_that_learnt_the_exam_by_heart_fails_the_verdict(tmp_path: Path) -> None:
    verdict = await run(Pupils(), tmp_path, production_trained=frozenset({"c3", "elsewhere"}))
    assert verdict.outcome == Outcome.REJECT
    assert verdict.figures["production_overlap"] == 1
    [reason] = [reason for reason in verdict.reasons if reason.startswith("failed")]
    assert "trained on 1 conversation of the exam" in reason
    assert decide_again(tmp_path / "evaluation" / "scores.parquet") == verdict


class Forgetful(Pupils):
    """Its candidate finds one reference impossible."""

    async def token_logprobs(self, model: str, token_ids: Sequence[int]) -> tuple[float, ...]:
        logprobs = await super().token_logprobs(model, token_ids)
        return (*logprobs[:-1], float("-inf")) if model == "support@2" else logprobs


async def test_an_infinite_figure_rejects_and_the_report_is_still_written(tmp_path: Path) -> None:
    verdict = await run(Forgetful(), tmp_path)
    assert verdict.outcome == Outcome.REJECT
    assert "candidate_perplexity" in verdict.reasons[-1]
    assert decide_again(tmp_path / "evaluation" / "scores.parquet") == verdict
    assert verify(tmp_path / "evaluation")


class ShortMemory(Pupils):
    """Refuses the second turn of conversation 3."""

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        if request.messages[-1]["content"] == "really 4":
            raise InvalidInput("is longer than the context", subject="the prompt", remedy="Shorten it.")
        async for delta in super().stream(request):
            yield delta


async def test_rows_beyond_the_context_are_left_out_for_everyone(tmp_path: Path) -> None:
    verdict = await run(ShortMemory(), tmp_path)
    assert verdict.figures["held_out_rows"] == 29
    assert len(read_verdict(tmp_path / "evaluation").skipped_rows) == 1
    assert "exceed the engine's context: 1 of the rows" in (tmp_path / "evaluation" / "report.md").read_text()


def golden_order(tmp_path: Path, *, says: str, cases: int = 1) -> SuiteOrder:
    golden = tmp_path / "golden.yaml"
    golden.write_text("cases:\n" + "".join(f"- {{id: a{n}, ask: who {n}, must_say: [{says}]}}\n" for n in range(cases)))
    return SuiteOrder(("golden", "regression", "oops"), "Be kind.", tmp_path / "dataset-15", (golden,))


async def test_with_a_guard_answers_are_compared_as_people_would_be_shown_them(tmp_path: Path) -> None:
    class Inventing(Pupils):
        async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
            async for delta in super().stream(request):
                yield replace(delta, text="Yes." if request.model == "support@1" else "It is 77 euro.")

    order = GuardOrder(KnowledgePart(hand_over="A person knows.", quote_score=0.6), lambda _said: Found())
    heard: set[str] = set()

    async def score(texts: Sequence[Answered]) -> list[float | None]:
        heard.update(text.answer for text in texts)
        return [0.0 for _ in texts]

    judged = RewardOrder("model-1", 100, 95, score)
    verdict = await run(Inventing(), tmp_path, guard=order, reward=judged, cache=tmp_path / "kept")
    # A reward model too compares what people would read.
    assert heard == {"Yes.", "A person knows."}
    assert verdict.figures["candidate_held_share"] == verdict.figures["base_held_share"] == 1
    assert "production_held_share" not in verdict.figures
    table = pq.read_table(tmp_path / "evaluation" / "answers.parquet").to_pylist()
    told = {(row["contestant"], row["text"] == row["shown"], row["shown"]) for row in table}
    assert ("candidate", False, "A person knows.") in told
    assert all(is_same for who, is_same, _ in told if who == "production")
    # What was not shown is what the contestant would say all the same.
    assert verdict.figures["candidate_fact_support"] == 0
    report = (tmp_path / "evaluation" / "report.md").read_text()
    assert "| held back by the guard | 1.000 | - | 1.000 |" in report
    assert "A person knows." in report
    assert decide_again(tmp_path / "evaluation" / "scores.parquet") == verdict


async def test_suites_are_asked_of_everybody_and_told_beside_the_verdict(tmp_path: Path) -> None:
    order = golden_order(tmp_path, says="support@2")
    engine = Speaker()
    engine.is_dying = True
    with pytest.raises(EngineError):
        await run(engine, tmp_path, suites=order)
    engine = Speaker()
    await run(engine, tmp_path, suites=order)
    assert engine.asked.count("suite") == 3
    told = read_suites(tmp_path / "evaluation")
    assert [(r.contestant, r.passed, r.total) for r in told.results] == [
        ("base", 0, 1),
        ("production", 0, 1),
        ("candidate", 1, 1),
    ]
    assert "oops: is no suite here" in told.problems[0]
    assert "suites.json" in {entry.name for entry in verify(tmp_path / "evaluation").files}


async def test_a_better_candidate_that_lost_what_production_can_is_rejected_and_so_again(tmp_path: Path) -> None:
    verdict = await run(Speaker(), tmp_path, suites=golden_order(tmp_path, says="support@1", cases=12))
    assert verdict.outcome == Outcome.REJECT
    [reason] = [reason for reason in verdict.reasons if reason.startswith("failed")]
    assert "suite golden the candidate passes 0 where production passes 12" in reason
    assert decide_again(tmp_path / "evaluation" / "scores.parquet") == verdict


async def test_another_night_asks_the_candidate_alone_and_says_what_was_read(tmp_path: Path) -> None:
    await run(Pupils(), tmp_path, folder="monday", cache=tmp_path / "kept")
    engine = Pupils()
    tuesday = CONTESTANTS | {"candidate": Contestant("candidate", "support@3", "hash-3")}
    verdict = await run(engine, tmp_path, contestants=tuesday, folder="tuesday", cache=tmp_path / "kept")
    assert engine.asked == ["support@3"] * 30
    about = verify(tmp_path / "tuesday").about
    assert (about["asked"], about["read"]) == (30, 60)
    assert verdict == await run(Pupils(), tmp_path, contestants=tuesday, folder="fresh")
    assert verify(tmp_path / "fresh").content_hash == verify(tmp_path / "tuesday").content_hash


class Jittery(Pupils):
    """Answers in another order each time; whoever has the same weights says the same."""

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        for _ in range(hash((request.request_id, request.model)) % 5):
            await asyncio.sleep(0)
        same = replace(request, model="support@1") if request.model == "support@2" else request
        async for delta in super().stream(same):
            yield delta

    async def token_logprobs(self, model: str, token_ids: Sequence[int]) -> tuple[float, ...]:
        return await super().token_logprobs("support@1" if model == "support@2" else model, token_ids)


@pytest.mark.parametrize("in_flight", [1, 16])
@pytest.mark.parametrize("hash_of_candidate", ["hash-1", "hash-of-a-copy"])
async def test_an_adapter_against_itself_is_never_promoted(
    tmp_path: Path, hash_of_candidate: str, in_flight: int
) -> None:
    """Registered twice, with the same bytes or as a copy with other ones (another card, other metadata)."""
    twice = CONTESTANTS | {"candidate": Contestant("candidate", "support@2", hash_of_candidate)}
    for night in range(3):
        verdict = await run(
            Jittery(), tmp_path, contestants=twice, folder=f"night-{night}", rotation=str(night), in_flight=in_flight
        )
        assert verdict.outcome == Outcome.REJECT
        figures = verdict.figures
        assert (figures["gain_mean"], figures["perplexity_ratio"]) == (0, 1)
        for name, value in figures.items():
            if name.startswith("production_") and name != "production_overlap":
                assert figures[name.replace("production_", "candidate_")] == pytest.approx(value, abs=1e-12)


async def test_a_judge_that_is_down_ends_no_exam_and_moves_no_verdict(tmp_path: Path) -> None:
    without = await run(Pupils(), tmp_path, folder="without")
    order = JudgeOrder("http://127.0.0.1:9/v1", "big-one", "", 5, 1, 5)
    assert await run(Pupils(), tmp_path, judge=order) == without
    found = read_findings(tmp_path / "evaluation").judge
    assert found is not None
    assert "cannot be reached" in found.problem
    told = "The judge could not be asked: the endpoint cannot be reached"
    assert told in (tmp_path / "evaluation" / "report.md").read_text()
    assert told in draw_page(read_findings(tmp_path / "evaluation"))
    assert decide_again(tmp_path / "evaluation" / "scores.parquet") == without


async def test_a_reward_model_that_is_believed_stops_a_candidate_and_every_report_says_so(tmp_path: Path) -> None:
    """It likes answers the better the more of them is guessed, which the candidate does least."""

    async def score(texts: Sequence[Answered]) -> list[float | None]:
        return [float(text.answer.count("guess")) for text in texts]

    rules = replace(RULES, reward_model=True)
    for right, outcome in (60, Outcome.PROMOTE), (95, Outcome.REJECT):
        name = f"evaluation-{right}"
        order = RewardOrder("model-1", 100, right, score)
        verdict = await run(Pupils(), tmp_path, folder=name, gate=rules, reward=order)
        assert verdict.outcome == outcome
        assert verdict.figures["reward_win_rate"] == 0.0
        findings = read_findings(tmp_path / name)
        told = "the gate goes by it" if right == 95 else "it decides nothing"
        for words in (" ".join(findings.reward_told), draw_page(findings), (tmp_path / name / "report.md").read_text()):
            assert told in " ".join(words.split())
        # The verdict's file rebuilds the decision.
        assert decide_again(tmp_path / name / "scores.parquet") == verdict
    assert any("failed: by the reward model" in reason for reason in verdict.reasons)
