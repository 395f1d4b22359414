"""`report` and `eval` against a real server: the engine is one of which each version knows more of the references."""

import json
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from collect import registry
from collect.registry import Evaluation
from eval.suites import read_held_out
from nightschool.files import publish
from nightschool.records import Adapter, BotName, Outcome, utc_now
from serve.parts import Parts

from ...fake_endpoint import Endpoint, completion
from ...pupils import REFERENCE, Pupils, Speaker
from ...tables import write_table

Nightschool = Callable[..., Awaitable[Any]]
Register = Callable[..., Awaitable[Adapter]]
SUPPORT = BotName("support")
ROWS = ("--suite", "held-out")
"""No suite besides."""


@pytest.fixture
def engine() -> Pupils:
    return Pupils()


@pytest.fixture
async def versions(register: Register) -> tuple[Adapter, Adapter]:
    return await register("support", version=1), await register("support", version=2)


def hold_out(parts: Parts, *, conversations: int) -> Path:
    """The dataset of every version that `register` makes."""
    folder = parts.home.dataset(SUPPORT, "0" * 64)
    folder.mkdir(parents=True)
    rows = [
        {
            "conversation_id": f"c{number}",
            "group": f"g{number}",
            "messages": [
                {"role": "user", "content": f"how do refunds work {number}"},
                {"role": "assistant", "content": f"{REFERENCE} {number}"},
            ],
        }
        for number in range(conversations)
    ]
    write_table(folder / "sft_held_out.parquet", rows)
    write_table(folder / "sft_train.parquet", [])
    publish(folder, kind="dataset")
    return folder


@pytest.mark.usefixtures("versions")
async def test_the_exit_code_says_what_the_exam_found(nightschool: Nightschool, parts: Parts) -> None:
    hold_out(parts, conversations=24)
    better = await nightschool("eval", "--adapter", "support@2", "--against", "support@1", *ROWS)
    assert (better.code, better.out.splitlines()[0]) == (0, "support@2 against support@1: promote")
    assert "gain over production, token F1" in better.out
    assert "held-out, by hand; 24 rows of 24 conversations" in better.out
    worse = await nightschool("eval", "--bot", "support", "--adapter", "1", "--against", "2", *ROWS, "--json")
    assert (worse.code, json.loads(worse.out)["verdict"]) == (7, "reject")
    page = Path(better.out.splitlines()[-1].removeprefix("page: "))
    assert page.read_text().startswith("<!doctype html>")
    against_base = await nightschool("eval", "--adapter", "support@1", "--against", "support@base", *ROWS, "--json")
    assert json.loads(against_base.out)["against"] == "support@base"


@pytest.mark.usefixtures("versions")
async def test_an_exam_of_too_few_has_an_exit_code_of_its_own(nightschool: Nightschool, parts: Parts) -> None:
    hold_out(parts, conversations=3)
    said = await nightschool("eval", "--adapter", "support@2", "--against", "support@1", *ROWS)
    assert (said.code, said.out.splitlines()[0]) == (8, "support@2 against support@1: insufficient-data")


@pytest.mark.usefixtures("versions")
async def test_an_exam_by_hand_moves_nothing_and_is_not_asked_twice(
    nightschool: Nightschool, parts: Parts, engine: Pupils
) -> None:
    hold_out(parts, conversations=24)
    asked = ("eval", "--adapter", "support@2", "--against", "support@1", *ROWS, "--json")
    engine.dies_after = 30
    broken = await nightschool(*asked)
    assert (broken.code, broken.out) == (6, "")
    assert "went away" in broken.err
    engine.dies_after = None
    first = await nightschool(*asked)
    count = len(engine.asked)
    assert count < 31 + 24 * 3  # it went on where it broke off
    assert (await nightschool(*asked)).out == first.out
    assert len(engine.asked) == count
    adapters = (await nightschool("adapters", "--json")).json
    assert {(row["stage"], row["has_passing_verdict"]) for row in adapters} == {("candidate", False)}
    assert await parts.store.read(registry.evaluations) == []


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--adapter", "support@2", "--against", "support@9"), 3, "support@9: does not exist"),
        (("--adapter", "nobody@1", "--against", "nobody@2"), 3, "'nobody': is not a bot here"),
        (("--adapter", "two", "--against", "support@1", *ROWS), 2, "'two': is not the name of a version"),
        (("--adapter", "2", "--against", "1"), 2, "name the bot and write the version alone"),
        (("--adapter", "support@2", "--against", "reviewer@1"), 2, "is not of the same bot as support@2"),
        (("--adapter", "support@2", "--against", "1", "--bot", "reviewer"), 2, "Two versions of one bot"),
        (("--adapter", "support@base", "--against", "support@base"), 2, "Name at least one adapter"),
        (("--adapter", "support@2", "--against", "support@1"), 3, "has no dataset any more"),
    ],
)
@pytest.mark.usefixtures("versions")
async def test_what_cannot_be_examined_is_named(
    nightschool: Nightschool, options: tuple[str, ...], code: int, said: str
) -> None:
    refused = await nightschool("eval", *options)
    assert (refused.code, refused.out) == (code, "")
    assert said in refused.err
    assert "Traceback" not in refused.err


@pytest.fixture
def suites(parts: Parts, bots_folder: Path, tmp_path: Path) -> Path:
    """The bot's own: of its golden cases version 1 passes twelve and version 2 one; its other suite is nowhere."""
    golden = tmp_path / "golden.yaml"
    cases = [f"- {{id: a{n}, ask: who {n}, must_say: [support@1]}}\n" for n in range(12)]
    golden.write_text("cases:\n" + "".join(cases) + "- {id: b, ask: who else, must_say: [support@2]}\n")
    own = f'\n[suites]\nrun = ["golden", "general", "ifeval"]\ngolden = "{golden}"\nfolder = "{tmp_path / "public"}"\n'
    with (bots_folder / "support.toml").open("a") as file:
        file.write(own)
    parts.shelf.look()
    return tmp_path / "public"


@pytest.mark.usefixtures("versions", "suites")
class TestSuites:
    @pytest.fixture
    def engine(self) -> Speaker:
        return Speaker()

    async def test_whoever_lost_the_bots_suites_is_rejected_and_the_table_says_which(
        self, nightschool: Nightschool, parts: Parts, engine: Speaker
    ) -> None:
        hold_out(parts, conversations=24)
        asked = ("eval", "--adapter", "support@2", "--against", "support@1")
        done = await nightschool(*asked)
        assert done.code == 7
        lines = done.out.splitlines()
        assert "suite\tbase\tproduction\tcandidate" in lines
        assert "golden\t0 of 13\t12 of 13\t1 of 13" in lines
        assert any(line.startswith("general\tperplexity ") and line.count("perplexity") == 3 for line in lines)
        assert any(line.startswith("  not asked: ifeval: ") and "holds no question" in line for line in lines)
        assert any("failed: of 13 cases of the suite golden" in line for line in lines)
        # Everything that was asked is kept for nights and for other exams by hand.
        count = len(engine.asked)
        other = await nightschool("eval", "--adapter", "support@1", "--against", "support@2", "--json")
        assert (other.code, len(engine.asked)) == (7, count)
        assert (await nightschool(*asked, *ROWS)).code == 0
        assert len(engine.asked) == count

    async def test_a_suite_that_is_named_is_asked_or_it_is_an_error(
        self, nightschool: Nightschool, parts: Parts, suites: Path
    ) -> None:
        hold_out(parts, conversations=24)
        asked = ("eval", "--adapter", "support@2", "--against", "support@1", "--json", "--suite", "ifeval")
        for names, said in ((), "holds no question"), (("--suite", "oops"), "oops: is no suite here"):
            refused = await nightschool(*asked, *names)
            assert (refused.code, refused.out) == (2, "")
            assert said in refused.err
        (suites / "ifeval").mkdir(parents=True)
        row = {"key": 7, "prompt": "Who?", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
        (suites / "ifeval" / "a.jsonl").write_text(json.dumps(row))
        done = (await nightschool(*asked)).json
        assert [line["name"] for line in done["findings"]["suites"]] == ["ifeval"]
        assert done["figures"]["candidate_ifeval_passed"] == 1.0
        # Another question is another exam.
        row["instruction_id_list"] = ["startend:quotation"]
        (suites / "ifeval" / "a.jsonl").write_text(json.dumps(row))
        assert (await nightschool(*asked)).json["figures"]["candidate_ifeval_passed"] == 0.0

    async def test_the_bots_frozen_core_is_asked_and_stays_as_it_is(
        self, nightschool: Nightschool, parts: Parts
    ) -> None:
        dataset = hold_out(parts, conversations=24)
        rows = [row.row_id for row in read_held_out(dataset).rows]
        core = parts.home.exam_core(SUPPORT)
        core.parent.mkdir(parents=True)
        core.write_text(json.dumps({"schema_version": 1, "row_ids": [*rows[:5], "of another night"]}))
        before = core.read_bytes()
        done = await nightschool("eval", "--adapter", "support@2", "--against", "support@1", *ROWS, "--json")
        assert done.json["figures"]["core_rows"] == 5
        told = await nightschool("eval", "--adapter", "support@2", "--against", "support@1", *ROWS)
        assert "  5 of 24 rows are the core that never changes: the mean gain is +" in told.out
        assert core.read_bytes() == before


@pytest.mark.usefixtures("versions")
class TestJudge:
    """The bot's judge, a little server that prefers whoever guesses less."""

    ASKED = ("eval", "--adapter", "support@2", "--against", "support@1", *ROWS, "--json")

    @pytest.fixture
    def endpoint(self) -> Iterator[Endpoint]:
        found = Endpoint()

        def prefer_whoever_knows_more(number: int) -> Any:
            asked = json.loads(found.asked[number]["body"]["messages"][-1]["content"])
            first, second = (asked[name].count("guess") for name in ("answer_a", "answer_b"))
            return completion("A" if first < second else "B")

        found.replies = prefer_whoever_knows_more
        yield found
        found.close()

    @pytest.fixture
    def name_judge(self, parts: Parts, bots_folder: Path) -> Callable[..., None]:
        file = bots_folder / "support.toml"
        before = file.read_text()

        def name(url: str, model: str = "big-one") -> None:
            file.write_text(f'{before}\n[judge]\nurl = "{url}"\nmodel = "{model}"\nmax_pairs = 4\n')
            parts.shelf.look()

        return name

    async def test_it_is_asked_and_table_json_and_page_say_what_it_thinks(
        self, nightschool: Nightschool, parts: Parts, endpoint: Endpoint, name_judge: Callable[..., None]
    ) -> None:
        dataset = hold_out(parts, conversations=24)
        prompt = [{"role": "user", "content": "how do refunds work 1"}]
        pair = {"conversation_id": "p", "prompt": prompt, "chosen": "no guess", "rejected": "guess guess"}
        write_table(dataset / "pairs_held_out.parquet", [pair])
        name_judge(endpoint.url)
        found = (await nightschool(*self.ASKED)).json
        judge = found["findings"]["judge"]
        assert (judge["model"], judge["url"], judge["prompt_version"]) == ("big-one", endpoint.url, 1)
        assert (judge["wins"]["rival"], judge["wins"]["wins"], judge["agreement"]["agreed"]) == ("production", 4, 1)
        shown = (await nightschool(*self.ASKED[:-1])).out
        assert any(line.startswith("judge: win rate over production\t") and "[" in line for line in shown.splitlines())
        assert any(line.startswith("judge: agrees with people\t") for line in shown.splitlines())
        assert "The judge is big-one; the gate does not go by it." in (parts.home.root / found["html"]).read_text()
        # Four answers and a pair in both orders, asked once.
        assert len(endpoint.asked) == 2 * 4 + 2

    async def test_another_judge_is_another_exam_and_none_moves_the_verdict(
        self, nightschool: Nightschool, parts: Parts, endpoint: Endpoint, name_judge: Callable[..., None]
    ) -> None:
        hold_out(parts, conversations=24)
        name_judge(endpoint.url)
        first = (await nightschool(*self.ASKED)).json
        name_judge(endpoint.url, "bigger-one")
        second = (await nightschool(*self.ASKED)).json
        assert first["folder"] != second["folder"]
        assert first["reasons"] == second["reasons"]
        assert first["figures"] == second["figures"]

    async def test_one_that_was_down_is_asked_by_the_next_exam(
        self,
        nightschool: Nightschool,
        parts: Parts,
        endpoint: Endpoint,
        engine: Pupils,
        name_judge: Callable[..., None],
    ) -> None:
        hold_out(parts, conversations=24)
        name_judge(endpoint.url)
        answering, endpoint.replies = endpoint.replies, lambda _: (401, {}, "not today")
        broken = (await nightschool(*self.ASKED)).json
        assert "the endpoint answered 401" in broken["findings"]["judge"]["problem"]
        count, endpoint.replies = len(engine.asked), answering
        mended = (await nightschool(*self.ASKED)).json
        assert mended["findings"]["judge"]["wins"]["wins"] == 4
        assert (mended["folder"], mended["reasons"], len(engine.asked)) == (broken["folder"], broken["reasons"], count)

    async def test_no_model_judges_itself(
        self, nightschool: Nightschool, parts: Parts, endpoint: Endpoint, name_judge: Callable[..., None]
    ) -> None:
        hold_out(parts, conversations=24)
        name_judge(endpoint.url, "support@2")
        shown = (await nightschool(*self.ASKED[:-1])).out
        assert "The judge could not be asked: support@2 is among those who are judged" in shown
        assert "judge: win rate" not in shown
        assert endpoint.asked == []


@pytest.mark.usefixtures("versions")
async def test_a_reward_model_that_cannot_be_asked_is_told_and_ends_no_exam(
    nightschool: Nightschool, parts: Parts, bots_folder: Path
) -> None:
    hold_out(parts, conversations=24)
    with (bots_folder / "support.toml").open("a") as file:
        file.write('\n[recipe]\nmethods = ["sft", "reward"]\n[gate]\nreward_model = true\n')
    parts.shelf.look()
    said = await nightschool("eval", "--adapter", "support@2", "--against", "support@1", *ROWS)
    assert said.code == 0
    assert "The reward model was not asked: none that was trained with the candidate is there." in said.out
    assert "reward model: win rate" not in said.out


class TestOfANight:
    @pytest.fixture(autouse=True)
    async def _evaluated(self, nightschool: Nightschool, parts: Parts, versions: tuple[Adapter, Adapter]) -> None:
        """Version 2 was examined by a night, whose files an exam by hand stands for."""
        hold_out(parts, conversations=24)
        done = await nightschool("eval", "--adapter", "support@2", "--against", "support@1", *ROWS, "--json")
        found = json.loads(done.out)
        evaluation = Evaluation(
            "c7", "c7", SUPPORT, 2, Outcome.PROMOTE, tuple(found["reasons"]), json.dumps(found["figures"]),
            found["folder"], utc_now(),
        )  # fmt: skip
        await parts.store.write(partial(registry.record_evaluation, evaluation=evaluation))

    @pytest.mark.parametrize("name", [(), ("support",), ("support@2",), ("c7",)])
    async def test_it_is_found_by_bot_adapter_night_or_nothing(
        self, nightschool: Nightschool, name: tuple[str, ...]
    ) -> None:
        said = await nightschool("report", *name)
        assert said.code == 0, said.err
        first, second, *rest = said.out.splitlines()
        assert first == "support@2 against support@1: promote"
        assert second.startswith("held-out, night c7, 20")
        assert any(line.startswith("token F1\t0.") and line.count("[") == 3 for line in rest)
        assert any("passed: on token F1" in line for line in rest)

    @pytest.mark.parametrize("name", ["nobody", "support@1", "support@base", "c8", "../../secrets.json", ""])
    async def test_what_was_never_examined_is_named(self, nightschool: Nightschool, name: str) -> None:
        said = await nightschool("report", name)
        if name:
            assert (said.code, said.out) == (3, "")
            assert f"{name!r}: has no evaluation" in said.err

    async def test_the_record_is_shown_where_its_files_are_gone(self, nightschool: Nightschool, parts: Parts) -> None:
        before = (await nightschool("report", "--json")).json
        assert before["findings"]["rows"] == 24
        (parts.home.root / before["folder"] / "scores.parquet").unlink()
        after = (await nightschool("report", "--json")).json
        assert (after["findings"], after["verdict"], after["reasons"]) == (None, "promote", before["reasons"])
        assert "support@2 against" in (await nightschool("report")).out


async def test_before_the_first_evaluation_there_is_none(nightschool: Nightschool) -> None:
    said = await nightschool("report")
    assert (said.code, said.out) == (3, "")
    assert "has no evaluation" in said.err
    assert (await nightschool("report", "--page")).code == 2
