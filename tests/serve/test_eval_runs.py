"""Runs of evals that are cut off, and engines that go away meanwhile."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest

from collect import eval_outputs, eval_runs, evals
from collect.eval_runs import EvalRun, Generation, RunLimits, RunOrder, RunState
from collect.evals import Eval
from eval.graders.grade import Tools
from eval.graders.rows import EvalRow
from nightschool.echo import EchoEngine
from nightschool.engine import ChatRequest, Delta
from nightschool.errors import EngineError, UnknownModel
from nightschool.knowledge import find_nothing
from nightschool.records import Sampling, new_id, utc_now
from serve.budget import fit_nothing
from serve.eval_answers import Answerers
from serve.eval_rows import Source
from serve.eval_runs import EvalRuns, run_evals
from serve.eval_work import Desk
from serve.parts import Parts

ECHOED = {
    "type": "string_check", "name": "echoed", "operation": "eq",
    "input": "{{sample.output_text}}", "reference": "[echo base] {{item.q}}",
}  # fmt: skip
ROWS = 80


class WaningEngine(EchoEngine):
    """Answers `left` times, then does what `then` says: waits for ever, or raises it once."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 1_000_000
        self.then: Exception | None = None
        self.waits = asyncio.Event()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        self.left -= 1
        if self.left < 0:
            self.left = 1_000_000
            self.waits.set()
            if self.then is None:
                await asyncio.Event().wait()
            else:
                raise self.then
        async for delta in super().stream(request):
            yield delta


@pytest.fixture
def engine() -> WaningEngine:
    return WaningEngine()


@asynccontextmanager
async def runs_of(
    parts: Parts, *, pauses_s: tuple[float, ...] = (), people: Callable[[], bool] = lambda: False, patience_s: float = 9
) -> AsyncIterator[EvalRuns]:
    slots = asyncio.Semaphore(2)
    shelf, tuned, rollout = parts.shelf, parts.tuned, parts.rollout
    answerers = Answerers(parts.engine, rollout, shelf, tuned, find_nothing, fit_nothing, slots, people, patience_s)
    with ThreadPoolExecutor(2) as pool:
        limits = RunLimits(rows=1_000, unfinished=5, size_bytes=1_000_000)
        desk = Desk(parts.store, parts.home, answerers, limits, Tools(), pool, pauses_s=pauses_s)
        async with run_evals(desk) as runs:
            yield runs


async def order(parts: Parts, runs: EvalRuns, *, owner: str = "key:me") -> EvalRun:
    at = utc_now()
    made = Eval(new_id(), owner, "", '{"type": "logs"}', json.dumps([ECHOED]), "{}", at, at)
    await parts.store.write(lambda cursor: evals.add_eval(cursor, made=made))
    asked = json.dumps([{"role": "user", "content": "{{item.q}}"}])
    generation = Generation(model="support", bot="support", version=None, messages_json=asked, sampling=Sampling())
    wanted = RunOrder(name="", source_json="{}", metadata={}, rows=0, generation=generation)
    return await runs.create(made, wanted, rows=[Source(EvalRow({"q": f"row {n}"})) for n in range(ROWS)], schema=None)


async def find(parts: Parts, run: EvalRun) -> EvalRun:
    return await parts.store.read(lambda cursor: eval_runs.find_run(cursor, run_id=run.run_id))


async def until_over(parts: Parts, run: EvalRun) -> EvalRun:
    async with asyncio.timeout(30):
        while not (now := await find(parts, run)).state.is_over:
            await asyncio.sleep(0.01)
    return now


async def until_tidied(parts: Parts) -> None:
    """No rows of runs that are over are left."""
    async with asyncio.timeout(30):
        while any(parts.home.evals.iterdir()):
            await asyncio.sleep(0.01)


async def test_a_run_goes_on_where_it_stopped_under_the_next_server(parts: Parts, engine: WaningEngine) -> None:
    engine.left = 50
    async with runs_of(parts) as runs:
        run = await order(parts, runs)
        await engine.waits.wait()
        runs_before = (await find(parts, run)).tally.passed
    stopped = await find(parts, run)
    assert (stopped.state, stopped.tally.passed) == (RunState.IN_PROGRESS, runs_before)
    assert 0 < runs_before < ROWS
    left = parts.home.eval_rows("evalrun_left")
    left.touch()
    async with runs_of(parts) as runs:
        await runs.go_on()
        assert not left.exists()
        done = await until_over(parts, run)
        await until_tidied(parts)
    assert (done.state, done.tally.passed, done.tally.usage["support"].invocations) == (RunState.COMPLETED, ROWS, ROWS)
    numbers = await parts.store.read(lambda cursor: eval_outputs.done_numbers(cursor, run_id=run.run_id))
    assert numbers == frozenset(range(1, ROWS + 1))


async def test_what_was_erased_before_its_turn_is_an_error(parts: Parts) -> None:
    async with runs_of(parts) as runs:
        at = utc_now()
        made = Eval(new_id(), "key:me", "", '{"type": "logs"}', json.dumps([ECHOED]), "{}", at, at)
        await parts.store.write(lambda cursor: evals.add_eval(cursor, made=made))
        wanted = RunOrder(name="", source_json="{}", metadata={}, rows=0)
        run = await runs.create(made, wanted, rows=[Source(EvalRow({}), "gone"), Source(EvalRow({}))], schema=None)
        done = await until_over(parts, run)
    assert (done.state, done.tally.errored) == (RunState.COMPLETED, 2)


@pytest.mark.parametrize(
    "trouble", [EngineError("died", subject="engine", remedy=""), UnknownModel("?", subject="m", remedy="")]
)
async def test_an_engine_that_comes_back_costs_a_run_nothing(
    parts: Parts, engine: WaningEngine, trouble: Exception
) -> None:
    engine.left, engine.then = 40, trouble
    async with runs_of(parts, pauses_s=(0.0,)) as runs:
        done = await until_over(parts, await order(parts, runs))
    assert (done.state, done.tally.passed) == (RunState.COMPLETED, ROWS)


async def test_people_go_first_and_not_for_ever(parts: Parts, engine: WaningEngine) -> None:
    waiting, looked = True, asyncio.Event()

    def people() -> bool:
        looked.set()
        return waiting

    async with runs_of(parts, people=people) as runs:
        run = await order(parts, runs)
        await looked.wait()
        assert engine.left == 1_000_000
        waiting = False
        assert (await until_over(parts, run)).tally.passed == ROWS
        waiting = True
    async with runs_of(parts, people=people, patience_s=0.0) as runs:
        assert (await until_over(parts, await order(parts, runs))).tally.passed == ROWS


async def test_one_that_stays_away_fails_it_in_words(parts: Parts, engine: WaningEngine) -> None:
    engine.left, engine.then = 40, EngineError("died", subject="engine", remedy="Start it.")
    async with runs_of(parts) as runs:
        failed = await until_over(parts, await order(parts, runs))
    assert failed.state is RunState.FAILED
    assert failed.error is not None
    assert (failed.error.code, failed.error.message) == ("engine_error", "engine: died. Start it.")
    assert failed.tally.passed == 32


async def test_runs_of_one_key_take_turns_and_others_do_not_wait(parts: Parts, engine: WaningEngine) -> None:
    engine.left = 0
    async with runs_of(parts) as runs:
        first = await order(parts, runs)
        await engine.waits.wait()
        second, others = await order(parts, runs), await order(parts, runs, owner="key:other")
        assert (await until_over(parts, others)).state is RunState.COMPLETED
        assert (await find(parts, second)).state is RunState.QUEUED
        await runs.cancel(await find(parts, first))
        assert (await until_over(parts, second)).state is RunState.COMPLETED


async def test_a_run_whose_rows_are_gone_fails_in_words(parts: Parts, engine: WaningEngine) -> None:
    engine.left = 0
    async with runs_of(parts) as runs:
        run = await order(parts, runs)
        await engine.waits.wait()
    parts.home.eval_rows(run.run_id).unlink()
    async with runs_of(parts) as runs:
        await runs.go_on()
        failed = await until_over(parts, run)
    assert failed.state is RunState.FAILED
    assert "has no rows any more" in (failed.error.message if failed.error else "")
