import asyncio
import math
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from eval.answers import Answer, Answered, Contestant, answer_suite
from eval.kept import Kept, tidy_kept
from eval.suites import SuiteRow
from nightschool.echo import EchoEngine
from nightschool.engine import ChatRequest, Delta
from nightschool.errors import EngineError, EvaluationFailed, InvalidInput
from nightschool.records import Finish, Sampling

BASE = Contestant("base", "base", "hash-of-base")
GREEDY = Sampling(temperature=0, max_tokens=32)


def make_rows(count: int) -> tuple[SuiteRow, ...]:
    return tuple(
        SuiteRow(f"r{i}", f"c{i}", ({"role": "user", "content": f"question {i}"},), f"answer number {i}")
        for i in range(count)
    )


class Counting(EchoEngine):
    """Echo that remembers what it was asked; fails where told to."""

    def __init__(self, *, fail_on: str = "", error: Exception | None = None) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.at_once = self.most_at_once = 0
        self._fail_on, self._error = fail_on, error

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        question = request.messages[-1]["content"]
        self.asked.append(question)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self._error is not None and question == self._fail_on:
                raise self._error
            async for delta in super().stream(request):
                yield delta
        finally:
            self.at_once -= 1


def only_file(folder: Path) -> Path:
    [file] = folder.iterdir()
    return file


async def answer(
    engine: EchoEngine,
    rows: Sequence[SuiteRow],
    cache: Path,
    *,
    contestant: Contestant = BASE,
    sampling: Sampling = GREEDY,
    in_flight: int = 16,
) -> Answered:
    return await answer_suite(
        engine,
        rows,
        contestant=contestant,
        sampling=sampling,
        cache=cache,
        on_step=lambda done, total: None,
        in_flight=in_flight,
    )


async def test_answers_come_in_the_order_of_rows_with_scores_of_the_references(tmp_path: Path) -> None:
    engine, rows = EchoEngine(), make_rows(5)
    answers, too_long, _ = await answer(engine, rows, tmp_path)
    assert [a.text for a in answers] == [f"[echo base] question {i}" for i in range(5)]
    assert too_long == ()
    for row, given in zip(rows, answers, strict=True):
        prompt_ids, answer_ids = await engine.tokenize(row.messages, answer=row.reference)
        expected = (await engine.token_logprobs("base", prompt_ids + answer_ids))[len(prompt_ids) - 1 :]
        # Three words and the end of the turn.
        assert given.reference_tokens == len(expected) == 4
        assert given.logprob_sum == pytest.approx(sum(expected))


async def test_each_row_is_told_of_as_it_is_done(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    await answer_suite(
        EchoEngine(),
        make_rows(3),
        contestant=BASE,
        sampling=GREEDY,
        cache=tmp_path,
        on_step=lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("in_flight", [1, 4])
async def test_no_more_than_in_flight_are_asked_at_once(tmp_path: Path, in_flight: int) -> None:
    engine = Counting()
    await answer(engine, make_rows(12), tmp_path, in_flight=in_flight)
    assert engine.most_at_once == in_flight


async def test_a_prompt_is_scored_before_it_is_answered_and_base_has_no_part_in_it(tmp_path: Path) -> None:
    """An engine keeps a prompt that it scored, and begins to answer behind it; the other way round it reads nothing."""
    done: list[str] = []

    class Telling(EchoEngine):
        async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
            done.append(f"answered by {request.model}")
            async for delta in super().stream(request):
                yield delta

        async def token_logprobs(self, model: str, token_ids: Sequence[int]) -> tuple[float, ...]:
            done.append(f"scored by {model}")
            return await super().token_logprobs(model, token_ids)

    engine = Telling()
    await engine.load_adapter("support@2", tmp_path)
    await answer(engine, make_rows(1), tmp_path / "kept", contestant=Contestant("candidate", "support@2", "h"))
    assert done == ["scored by support@2", "answered by support@2"]


async def test_an_interrupted_evaluation_asks_only_what_is_left(tmp_path: Path) -> None:
    rows = make_rows(6)
    broken = Counting(fail_on="question 4", error=EngineError("went away", subject="engine", remedy="Restart it."))
    with pytest.raises(EngineError, match="went away"):
        await answer(broken, rows, tmp_path, in_flight=1)
    engine = Counting()
    resumed = await answer(engine, rows, tmp_path)
    assert engine.asked == ["question 4", "question 5"]
    assert resumed.asked == 2
    assert resumed.answers == (await answer(EchoEngine(), rows, tmp_path / "fresh")).answers


async def test_a_torn_last_line_is_asked_again_and_harms_nothing(tmp_path: Path) -> None:
    rows = make_rows(4)
    whole = await answer(Counting(), rows, tmp_path, in_flight=1)
    file = only_file(tmp_path)
    file.write_bytes(file.read_bytes()[:-20])
    engine = Counting()
    assert (await answer(engine, rows, tmp_path)).answers == whole.answers
    assert engine.asked == ["question 3"]
    engine = Counting()
    assert (await answer(engine, rows, tmp_path)).answers == whole.answers
    assert engine.asked == []


async def test_what_is_no_answer_is_asked_again_and_no_night_fails_over_it(tmp_path: Path) -> None:
    whole = await answer(EchoEngine(), make_rows(3), tmp_path, in_flight=1)
    file = only_file(tmp_path)
    first, *others = file.read_bytes().splitlines(keepends=True)
    spoilt = [b"spoilt\n", b"[1]\n", b"\xff\x00\n", b'{"key": 1}\n', first.replace(b'"text"', b'"said"')]
    file.write_bytes(b"".join([*spoilt, *others]))
    engine = Counting()
    again = await answer(engine, make_rows(3), tmp_path)
    assert again.answers == whole.answers
    assert (engine.asked, again.asked) == (["question 0"], 1)


async def test_infinite_scores_and_odd_words_are_kept_as_they_are(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "a.jsonl", Answer)
    odd = Answer("r", "\u2028\x00 \U0001f600 \ud800", Finish.LENGTH, 3, -math.inf, 2, math.inf)
    kept.keep("k", odd, row_id="r")
    assert Kept(tmp_path / "a.jsonl", Answer).find("k") == odd


async def test_what_is_in_no_exam_any_more_is_forgotten(tmp_path: Path) -> None:
    await answer(EchoEngine(), make_rows(4), tmp_path)
    tidy_kept(tmp_path, row_ids={"r1", "r3", "elsewhere"})
    engine = Counting()
    await answer(engine, make_rows(4), tmp_path)
    assert sorted(engine.asked) == ["question 0", "question 2"]
    tidy_kept(tmp_path, row_ids=frozenset())
    assert list(tmp_path.iterdir()) == []


async def test_other_weights_other_sampling_or_other_rows_are_other_answers(tmp_path: Path) -> None:
    rows = make_rows(1)
    await answer(EchoEngine(), rows, tmp_path)
    for contestant, sampling, asked in (
        (replace(BASE, content_hash="other"), GREEDY, rows),
        (BASE, replace(GREEDY, max_tokens=5), rows),
        (BASE, GREEDY, (replace(rows[0], reference="another"),)),
    ):
        engine = Counting()
        await answer(engine, asked, tmp_path, contestant=contestant, sampling=sampling)
        assert len(engine.asked) == 1


async def test_rows_beyond_the_context_are_left_out_and_named(tmp_path: Path) -> None:
    error = InvalidInput("is longer than the context", subject="the prompt", remedy="Shorten it.")
    answers, too_long, _ = await answer(Counting(fail_on="question 1", error=error), make_rows(3), tmp_path)
    assert too_long == ("r1",)
    assert [a.row_id for a in answers] == ["r0", "r2"]


class Refusing(EchoEngine):
    async def token_logprobs(self, model: str, token_ids: Sequence[int]) -> tuple[float, ...]:
        raise InvalidInput("knows no prompt_logprobs", subject="the request", remedy="Update the engine.")


async def test_an_engine_that_refuses_everything_is_a_failure_not_an_empty_suite(tmp_path: Path) -> None:
    with pytest.raises(EvaluationFailed, match="refused every row"):
        await answer(Refusing(), make_rows(3), tmp_path)


class CutOff(EchoEngine):
    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        yield Delta("half an")
        yield Delta("", finish=Finish.ERROR)


class Misaligned(EchoEngine):
    async def token_logprobs(self, model: str, token_ids: Sequence[int]) -> tuple[float, ...]:
        return (-1.0,)


@pytest.mark.parametrize(("engine", "problem"), [(CutOff(), "ended early"), (Misaligned(), "log-probabilities")])
async def test_half_an_answer_or_score_is_never_judged(tmp_path: Path, engine: EchoEngine, problem: str) -> None:
    with pytest.raises(EvaluationFailed, match=problem):
        await answer(engine, make_rows(1), tmp_path)


class Stuck(EchoEngine):
    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        yield Delta("...")
        await asyncio.Event().wait()


async def test_a_cancelled_evaluation_ends_at_once(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await answer(Stuck(), make_rows(3), tmp_path)


class Seeds(EchoEngine):
    def __init__(self) -> None:
        super().__init__()
        self.seeds: dict[str, int | None] = {}

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        self.seeds[request.messages[-1]["content"]] = request.sampling.seed
        async for delta in super().stream(request):
            yield delta


async def test_each_row_is_drawn_by_a_seed_of_its_own_the_same_for_everybody(tmp_path: Path) -> None:
    drawn = Sampling(temperature=0.3, seed=17)
    one, other, unseeded = Seeds(), Seeds(), Seeds()
    await other.load_adapter("support@1", tmp_path)
    await answer(one, make_rows(4), tmp_path / "one", sampling=drawn)
    tuned = Contestant("candidate", "support@1", "hash-1")
    await answer(other, make_rows(4), tmp_path / "other", sampling=drawn, contestant=tuned)
    await answer(unseeded, make_rows(4), tmp_path / "none", sampling=replace(drawn, seed=None))
    assert one.seeds == other.seeds
    assert len(set(one.seeds.values())) == 4
    assert set(unseeded.seeds.values()) == {None}
