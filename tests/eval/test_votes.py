import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from eval.answers import Contestant
from eval.rules import GateRules
from eval.verdict import decide_again, read_verdict
from eval.vote_scores import Votes, VoteScore, can_judge, margin_gains, pair_votes, read_votes, write_votes
from eval.votes import choose_votes, read_held_votes, score_votes
from nightschool.echo import EchoEngine
from nightschool.engine import TokenizedChat
from nightschool.errors import EvaluationFailed, InvalidInput
from nightschool.records import ChatMessage, Outcome

from ..pupils import Pupils
from ..tables import write_table
from .test_examine import CONTESTANTS, make_dataset, run


def rated(*nats: float, liked: bool, shift: float = 0.0) -> tuple[VoteScore, ...]:
    return tuple(
        VoteScore("base", f"{liked}{n}", f"p{n}", at + shift if liked else None, None if liked else at + shift)
        for n, at in enumerate(nats)
    )


def votes(*, liked: float, disliked: float, ups: int = 3, downs: int = 6) -> Votes:
    """Each answer found so many nats likelier than -2."""
    return Votes(rated(*[-2.0] * ups, liked=True, shift=liked), rated(*[-2.0] * downs, liked=False, shift=disliked), ())


RIVAL = votes(liked=0, disliked=0)


@pytest.mark.parametrize(
    ("liked", "disliked", "gain"),
    [
        (0.4, 0.0, 0.2),
        (0.0, -0.4, 0.2),
        (0.4, -0.4, 0.4),
        (-0.4, 0.4, -0.4),
        (-3.0, -3.0, 0.0),  # finds everything less likely: a ruined model, though most votes are dislikes
        (1.0, 1.0, 0.0),
    ],
)
def test_the_margin_is_between_the_kinds_whichever_there_is_more_of(liked: float, disliked: float, gain: float) -> None:
    for ups, downs in ((3, 6), (6, 3), (1, 9)):
        own = votes(liked=liked, disliked=disliked, ups=ups, downs=downs)
        other = votes(liked=0, disliked=0, ups=ups, downs=downs)
        assert margin_gains(own, other).values.mean() == pytest.approx(gain)
        assert margin_gains(other, own).values.mean() == pytest.approx(-gain)


def test_one_person_is_one_witness_on_both_sides() -> None:
    assert len(set(margin_gains(RIVAL, RIVAL).witness.tolist())) == 6


def test_preference_accuracy_is_the_share_of_pairs_whose_better_answer_is_likelier() -> None:
    pairs = tuple(VoteScore("base", f"{n}", "p", -1.0, worse) for n, worse in enumerate((-2.0, -0.5, -1.0, -3.0)))
    assert Votes((), (), pairs).preference_accuracy == pytest.approx((1 + 0 + 0.5 + 1) / 4)
    assert RIVAL.preference_accuracy is None


def test_votes_judge_where_enough_people_stand_on_either_side_and_answers_were_looked_at() -> None:
    ups, downs = [f"a{n}" for n in range(15)], [f"b{n}" for n in range(5)]
    assert can_judge(ups, downs, asked=5, least=20)
    assert not can_judge(ups, downs[:4], asked=5, least=10)
    assert not can_judge(ups, downs, asked=4, least=20)
    assert not can_judge(["one"] * 50, ["one"] * 50, asked=50, least=2)


def test_votes_that_were_not_put_to_everyone_are_refused() -> None:
    ours = [VoteScore("base", "r", "p", -1.0, None), VoteScore("candidate", "other", "p", -1.0, None)]
    with pytest.raises(EvaluationFailed, match="alike"):
        pair_votes(ours)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    written = (VoteScore("base", "r", "p", -math.inf, None), VoteScore("base", "s", "p", -1.0, -2.0))
    write_votes(tmp_path / "votes.parquet", written)
    assert read_votes(tmp_path / "votes.parquet") == written
    assert read_votes(tmp_path / "none.parquet") == ()
    (tmp_path / "votes.parquet").write_text("x")
    with pytest.raises(InvalidInput):
        read_votes(tmp_path / "votes.parquet")


def add_votes(dataset: Path, *, ups: int, downs: int) -> None:
    def row(number: int, **body: Any) -> dict[str, Any]:
        prompt = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": f"how {number}"}]
        return {"conversation_id": f"v{number}", "person": f"person {number}", "prompt": prompt, **body}

    rows = [row(n, answer=f"good answer {n}", is_good=True) for n in range(ups)]
    rows += [row(ups + n, answer=f"bad answer {n}", is_good=False) for n in range(downs)]
    write_table(dataset / "votes_held_out.parquet", rows)
    pairs = [row(n, chosen=f"good answer {n}", rejected=f"bad answer {n}") for n in range(3)]
    write_table(dataset / "pairs_held_out.parquet", pairs)


class Taste(Pupils):
    """The further a version, the likelier it finds what is good, and the less likely what is bad."""

    async def tokenize(self, messages: Sequence[ChatMessage], *, answer: str) -> TokenizedChat:
        chat = await super().tokenize(messages, answer=answer)
        mark = {"good": 70_001, "bad": 70_002}.get(answer.split(" ", maxsplit=1)[0], 2)
        return chat._replace(answer_ids=(*chat.answer_ids[:-1], mark))

    async def token_logprobs(self, model: str, token_ids: Sequence[int]) -> tuple[float, ...]:
        sign = {70_001: 1, 70_002: -1}.get(token_ids[-1])
        if sign is None:
            return await super().token_logprobs(model, token_ids)
        version = 0 if model == "base" else int(model.split("@")[1])
        return tuple(-2.0 + 0.5 * sign * version for _ in token_ids[1:])


@pytest.mark.parametrize("ups", [30, 3])
async def test_a_bot_with_votes_and_few_references_is_judged_by_votes(tmp_path: Path, ups: int) -> None:
    add_votes(make_dataset(tmp_path / "dataset-6", conversations=6), ups=ups, downs=30)
    auto = GateRules(primary="auto", draws=1_000, min_conversations=10)
    engine = Taste()
    verdict = await run(engine, tmp_path, conversations=6, gate=auto, cache=tmp_path / "kept")
    stored = read_verdict(tmp_path / "evaluation")
    figures = verdict.figures
    assert figures["candidate_preference_accuracy"] == 1
    assert figures["vote_margin_gain"] == pytest.approx(0.5)
    if ups == 30:
        assert stored.question.rules.primary == "vote_margin"
        assert verdict.outcome is Outcome.PROMOTE, verdict.reasons
        assert "answers that people rated" in verdict.reasons[0]
        assert "since only 6 people" in verdict.reasons[-1]
        assert figures["gain_mean"] == pytest.approx(0.5)
        assert "vote margin" in (tmp_path / "evaluation" / "report.md").read_text()
    else:  # too few liked anything
        assert stored.question.rules.primary == "token_f1"
        assert verdict.outcome is Outcome.INSUFFICIENT_DATA
    assert decide_again(tmp_path / "evaluation" / "scores.parquet") == verdict
    again = Taste()
    assert await run(again, tmp_path, conversations=6, gate=auto, folder="evaluation") == verdict


async def test_only_unlearning_gains_nothing_by_votes(tmp_path: Path) -> None:
    """Most votes are dislikes, and the candidate finds every answer less likely."""
    add_votes(make_dataset(tmp_path / "dataset-6", conversations=6), ups=8, downs=30)

    class Sour(Taste):
        async def token_logprobs(self, model: str, token_ids: Sequence[int]) -> tuple[float, ...]:
            if token_ids[-1] < 70_000:
                return await super().token_logprobs(model, token_ids)
            return (-5.0 if model == "support@2" else -2.0,) * (len(token_ids) - 1)

    auto = GateRules(primary="auto", draws=1_000, min_conversations=10)
    verdict = await run(Sour(), tmp_path, conversations=6, gate=auto)
    assert verdict.figures["gain_mean"] == pytest.approx(0)
    assert verdict.outcome is Outcome.REJECT


async def test_rated_texts_are_scored_once_and_what_is_too_long_is_left_out_for_all(tmp_path: Path) -> None:
    add_votes(tmp_path, ups=4, downs=4)
    held = choose_votes(read_held_votes(tmp_path), max_rows=100, rotation="")
    assert (len(held.liked), len(held.disliked), len(held.pairs)) == (4, 4, 3)
    base = CONTESTANTS["base"]

    class Narrow(EchoEngine):
        async def token_logprobs(self, model: str, token_ids: Sequence[int]) -> tuple[float, ...]:
            if model != "base" and len(token_ids) % 2 == 0:
                raise InvalidInput("is too long", subject="the prompt", remedy="Shorten it.")
            return await super().token_logprobs(model, token_ids)

    first = await score_votes(Narrow(), held, contestant=base, cache=tmp_path / "kept")
    assert len(first.nats) == first.asked == 11  # what is liked and the better one of a pair is one text
    again = await score_votes(Narrow(), held, contestant=base, cache=tmp_path / "kept")
    assert (again.asked, again.nats) == (0, first.nats)
    tuned = Contestant("candidate", "support@1", "h")
    narrow = await score_votes(Narrow(), held, contestant=tuned, cache=tmp_path / "kept")
    assert narrow.too_long == frozenset(row.row_id for row in held.texts) - narrow.nats.keys()
    assert not {row.row_id for row in held.without(narrow.too_long).texts} & narrow.too_long
