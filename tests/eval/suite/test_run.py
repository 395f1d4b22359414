"""A suite is asked once, judged case by case, and no answer of an engine's can end it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from eval.answers import Contestant
from eval.shown import GuardOrder
from eval.suite.case import Check, Reply, Suite, SuiteCase, SuiteResult
from eval.suite.results import SuitesFile, read_suites, write_suites
from eval.suite.run import run_suite
from nightschool.echo import EchoEngine
from nightschool.engine import ChatRequest, Delta
from nightschool.errors import EngineError, InvalidInput, UnknownModel
from nightschool.knowledge import Found
from nightschool.knowledge_part import KnowledgePart
from nightschool.records import ChatMessage, Finish, Sampling

BASE = Contestant("base", "base", "hash-0")
SAMPLING = Sampling(temperature=0.3, seed=17)


def says(text: str) -> Check:
    return Check(f"says {text}", lambda reply: text in reply.text)


def case(
    name: str, question: str, *checks: Check, then: tuple[str, ...] = (), reference: str | None = None
) -> SuiteCase:
    return SuiteCase(name, (ChatMessage(role="user", content=question),), checks, then=then, reference=reference)


class Oracle(EchoEngine):
    """Answers by `answer`, and counts what it is asked."""

    def __init__(self, answer: Callable[[str], str | None] = lambda question: question, *, is_up: bool = True) -> None:
        super().__init__()
        self.asked: list[ChatRequest] = []
        self._answer = answer
        self._is_up = is_up

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        self.asked.append(request)
        text = self._answer(request.messages[-1]["content"])
        if text is None:
            raise EngineError("did not answer in time", subject="engine", remedy="Restart it.")
        yield Delta(text, finish=Finish.STOP, completion_tokens=len(text.split()))

    async def check_ready(self) -> None:
        if not self._is_up:
            raise EngineError("is down", subject="engine", remedy="Restart it.")


async def run(suite: Suite, engine: EchoEngine, cache: Path, contestant: Contestant = BASE) -> SuiteResult:
    return await run_suite(suite, engine, contestant, sampling=SAMPLING, cache=cache, slots=asyncio.Semaphore(16))


async def test_every_case_is_asked_once_and_its_checks_are_named(tmp_path: Path) -> None:
    engine = Oracle()
    suite = Suite("golden", (case("a", "red", says("red")), case("b", "blue", says("blue"), says("red"))))
    result = await run(suite, engine, tmp_path)
    assert (result.name, result.contestant, result.passed, result.total, result.void) == ("golden", "base", 1, 2, 0)
    assert [(c.case_id, c.status, c.failed_checks) for c in result.cases] == [
        ("a", "passed", ()),
        ("b", "failed", ("says red",)),
    ]
    assert result.figures["ends_by_itself"] == 1.0
    # Asked again, nothing is; with other checks the same answers are judged anew.
    other = Suite("golden", (case("a", "red", says("blue")), case("b", "blue", says("blue"))))
    again = await run(other, engine, tmp_path)
    assert [c.status for c in again.cases] == ["failed", "passed"]
    assert len(engine.asked) == 2
    # How fast the first answers came says nothing of today.
    assert again.figures == {name: value for name, value in result.figures.items() if name != "latency_s"}
    assert "latency_s" in result.figures


async def test_seeds_differ_by_question_and_not_by_contestant(tmp_path: Path) -> None:
    engine = Oracle()
    suite = Suite("golden", (case("a", "red"), case("b", "blue")))
    await run(suite, engine, tmp_path)
    await run(suite, engine, tmp_path, Contestant("candidate", "support@1", "hash-1"))
    seeds = [request.sampling.seed for request in engine.asked]
    assert seeds[:2] == seeds[2:]
    assert seeds[0] != seeds[1]


async def test_a_case_that_alone_gets_no_answer_is_void_and_asked_again_another_time(tmp_path: Path) -> None:
    suite = Suite("golden", (case("a", "red", says("red")), case("b", "never", says("never"))))
    result = await run(suite, Oracle(lambda q: None if q == "never" else q), tmp_path)
    assert [(c.status, c.note) for c in result.cases] == [("passed", ""), ("void", "did not answer in time")]
    assert (result.passed, result.total, result.void) == (1, 1, 1)
    mended = Oracle()
    assert (await run(suite, mended, tmp_path)).passed == 2
    assert len(mended.asked) == 1


async def test_an_engine_that_is_down_is_raised_and_what_was_answered_is_kept(tmp_path: Path) -> None:
    suite = Suite("golden", (case("a", "red"), case("b", "never")))
    with pytest.raises(EngineError):
        await run(suite, Oracle(lambda q: None if q == "never" else q, is_up=False), tmp_path)
    with pytest.raises(UnknownModel):
        await run(suite, EchoEngine(), tmp_path, Contestant("candidate", "support@9", "hash-9"))


@pytest.mark.parametrize("text", ["", "\ud800 half a pair", "\x00\u202e", "x" * 100_000])
async def test_nonsense_is_an_answer_like_any_other(text: str, tmp_path: Path) -> None:
    result = await run(Suite("golden", (case("a", "q", says("red")),)), Oracle(lambda _: text), tmp_path)
    assert result.cases[0].status == "failed"
    write_suites(tmp_path, SuitesFile(results=(result,)))
    assert read_suites(tmp_path).results == (result,)


async def test_a_refusal_of_the_engine_and_a_broken_check_are_told(tmp_path: Path) -> None:
    class Strict(Oracle):
        async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
            if "long" in request.messages[-1]["content"]:
                raise InvalidInput("exceeds the context", subject="engine", remedy="Say less.")
            yield Delta("cut", finish=Finish.ERROR)

    def breaks(_: Reply) -> bool:
        raise ZeroDivisionError("oh")

    result = await run(Suite("golden", (case("a", "long"), case("b", "short"))), Strict(), tmp_path)
    assert [c.note for c in result.cases] == ["exceeds the context", "the answer ended early (error)"]
    broken = await run(Suite("own", (case("c", "red", Check("odd", breaks)),)), Oracle(), tmp_path)
    assert (broken.cases[0].status, broken.cases[0].text) == ("void", "red")
    assert "odd broke" in broken.cases[0].note


async def test_a_conversation_goes_on_behind_the_contestants_own_answers(tmp_path: Path) -> None:
    engine = Oracle(lambda q: f"<{q}>")
    result = await run(Suite("two", (case("a", "first", says("<second>"), then=("second",)),)), engine, tmp_path)
    assert [m["content"] for m in engine.asked[1].messages] == ["first", "<first>", "second"]
    assert (result.cases[0].status, result.cases[0].question) == ("passed", "second")


async def test_references_are_scored_and_no_answer_is_asked_where_none_is_wanted(tmp_path: Path) -> None:
    engine = Oracle()
    suite = Suite("text", (case("a", "q", reference="two words"),), max_tokens=0, scores_references=True)
    result = await run(suite, engine, tmp_path)
    assert engine.asked == []
    assert result.cases[0].status == "measured"
    assert result.total == 0
    chat = await engine.tokenize(suite.cases[0].messages, answer="two words")
    logprobs = await engine.token_logprobs("base", (*chat.prompt_ids, *chat.answer_ids))
    expected = 2.718281828 ** (-sum(logprobs[-3:]) / 3)
    assert result.figures["perplexity"] == pytest.approx(expected)
    assert "words" not in result.figures


def test_an_evaluation_without_suites_has_none_and_a_damaged_file_is_told(tmp_path: Path) -> None:
    assert read_suites(tmp_path) == SuitesFile()
    (tmp_path / "suites.json").write_text("{}}")
    with pytest.raises(InvalidInput, match="holds no results"):
        read_suites(tmp_path)


async def test_with_a_guard_single_answers_are_looked_at_as_people_would_be_shown_them(tmp_path: Path) -> None:
    order = GuardOrder(KnowledgePart(hand_over="A person knows.", quote_score=0.6), lambda _said: Found())
    invents = Oracle(lambda _question: "It costs 7 euro.")
    cases = (case("a", "what does it cost?", says("7 euro")), case("b", "and?", says("7 euro"), then=("really?",)))
    suite = Suite("golden", cases, guard=order)
    for _ in range(2):
        result = await run(suite, invents, tmp_path)
        # A conversation goes on behind the contestant's own words, and its last answer is looked at as it stands.
        assert [(c.status, c.text) for c in result.cases] == [
            ("failed", "A person knows."),
            ("passed", "It costs 7 euro."),
        ]
    assert (await run(replace(suite, guard=None), invents, tmp_path)).passed == 2
