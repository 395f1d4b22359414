"""A night ends as if nothing had happened: killed at any step, with an engine that fails, beside another night."""

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bench.common.nightlab import AFTERCARE, SUPPORT, KnowingEngine, Trainer, end_state, fill, server_of
from collect import cycles, registry
from collect.store import Store, open_store
from deploy import cycle as walk
from deploy import night as night_steps
from deploy.night import STEPS, Night, NightStep
from deploy.plan import NightFolder, Step
from deploy.proof import files_of
from deploy.rollout import Rollout
from nightschool.errors import Busy, EngineError, RecordError, Unavailable
from nightschool.home import Home
from nightschool.records import BotName, Cycle, CycleState, Outcome, Stage

from .test_rollout import register


class Killed(BaseException):
    """Like kill -9 nothing of ours catches it."""


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Trainer:
    trainer = Trainer()
    monkeypatch.setattr(night_steps, "train", trainer)
    return trainer


@pytest.fixture
def knowing() -> KnowingEngine:
    return KnowingEngine()


def kill_at(name: Step, *, is_done: bool) -> tuple[NightStep, ...]:
    """The table, deadly before or after the doing of one step."""

    def deadly(step: NightStep) -> NightStep:
        async def do(night: Night) -> None:
            if is_done:
                await step.do(night)
            raise Killed

        return step._replace(do=do) if step.name is name else step

    return tuple(map(deadly, STEPS))


@asynccontextmanager
async def started(store: Store, home: Home, engine: KnowingEngine) -> AsyncIterator[Rollout]:
    """A start that goes on with what it finds."""
    runner, rollout = server_of(store, engine, home)
    await rollout.restore()
    for cycle in await runner.interrupted():
        await runner.run(cycle)
    yield rollout


async def test_killed_before_and_after_every_step_it_ends_as_undisturbed(
    tmp_path: Path, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = []
    async with open_store(tmp_path / "full.duckdb", temp=tmp_path / "temp", memory_gib=0.5, threads=1) as store:
        await fill(store, Home(tmp_path), SUPPORT)
    for name, kills in (
        ("calm", []),
        ("killed", [(step.name, is_done) for step in STEPS for is_done in (False, True)]),
    ):
        home = Home(tmp_path / name)
        shutil.copytree(tmp_path / "bots", home.root / "bots")
        shutil.copy(tmp_path / "full.duckdb", home.store)
        async with open_store(home.store, temp=home.temp, memory_gib=0.5, threads=1) as store:
            runner, _ = server_of(store, KnowingEngine(), home)
            await runner.claim(SUPPORT, trigger="operator", actor="ada")
            for step, is_done in kills:
                monkeypatch.setattr(walk, "STEPS", kill_at(step, is_done=is_done))
                with pytest.raises(Killed):
                    async with started(store, home, KnowingEngine()):
                        pass
            monkeypatch.setattr(walk, "STEPS", STEPS)
            async with started(store, home, KnowingEngine()) as rollout:
                ends.append(await end_state(store, home, rollout))
    assert ends[0]["cycles"][0][:5] == [CycleState.DONE, Step.FINISHED, 1.0, Outcome.PROMOTE, 1]
    assert ends[1] == ends[0]
    assert trainer.trained == 2


@pytest.fixture(scope="module")
def examined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a server that was killed when the exam was over and nothing was decided."""
    root = tmp_path_factory.mktemp("examined")

    async def prepare() -> None:
        home = Home(root)
        async with open_store(home.store, temp=home.temp, memory_gib=0.5, threads=1) as store:
            await fill(store, home, SUPPORT)
            runner, _ = server_of(store, KnowingEngine(), home)
            cycle = await runner.claim(SUPPORT, trigger="operator", actor="ada")
            with pytest.raises(Killed):
                await runner.run(cycle)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(night_steps, "train", Trainer())
        patch.setattr(walk, "STEPS", kill_at(Step.EVALUATE, is_done=True))
        asyncio.run(prepare())
    return root


@pytest.fixture
async def cut_off(examined: Path, tmp_path: Path) -> AsyncIterator[tuple[Store, Home]]:
    home = Home(tmp_path / "data")
    shutil.copytree(examined, home.root)
    async with open_store(home.store, temp=home.temp, memory_gib=0.5, threads=1) as store:
        yield store, home


async def last(store: Store, bot: BotName = SUPPORT) -> Cycle:
    return (await store.read(partial(cycles.list_cycles, bot=bot)))[0]


async def test_a_gate_edited_after_the_exam_is_the_next_nights(
    cut_off: tuple[Store, Home], knowing: KnowingEngine
) -> None:
    store, home = cut_off
    file = home.root / "bots" / "support.toml"
    file.write_text(
        file.read_text().replace("max_repetition = 0.9", "max_repetition = 0.0").replace("= 10\n", "= 90\n")
    )
    async with started(store, home, knowing):
        assert (await last(store)).outcome is Outcome.PROMOTE
    assert knowing.asked == 0


async def test_a_move_between_exam_and_resume_is_seen_although_it_was_taken_back(
    cut_off: tuple[Store, Home], knowing: KnowingEngine
) -> None:
    store, home = cut_off
    _, rollout = server_of(store, knowing, home)
    await register(store, 7)
    await rollout.promote(SUPPORT, version=7, actor="ada", reason="meanwhile")
    await rollout.rollback(SUPPORT, actor="ada", reason="no")
    await rollout.release(SUPPORT, actor="ada", reason="as before")
    async with started(store, home, knowing) as rollout:
        ended = await last(store)
        assert (ended.state, ended.outcome) == (CycleState.DONE, Outcome.HOLD)
        assert "was moved by an operator after the examination began" in ended.reasons[0]
        assert str(rollout.route(SUPPORT).name) == "support@base"


async def test_a_hold_armed_between_exam_and_resume_holds(cut_off: tuple[Store, Home], knowing: KnowingEngine) -> None:
    store, home = cut_off
    _, rollout = server_of(store, knowing, home)
    await rollout.hold(SUPPORT, actor="ada", reason="wait for the lawyers")
    async with started(store, home, knowing):
        ended = await last(store)
    assert ended.outcome is Outcome.HOLD
    assert "wait for the lawyers" in (home.cycle(SUPPORT, ended.cycle_id) / "morning.md").read_text()


async def test_a_night_that_goes_on_under_another_base_model_mixes_nothing(
    cut_off: tuple[Store, Home], knowing: KnowingEngine, trainer: Trainer
) -> None:
    store, home = cut_off
    runner, rollout = server_of(store, knowing, home, base_model="another")
    await rollout.restore()
    [cycle] = await runner.interrupted()
    ended = await runner.run(cycle)
    assert (ended.state, ended.outcome, knowing.asked) == (CycleState.FAILED, None, 0)
    assert "was begun on another base model than another" in ended.reasons[0]
    assert "another base model" in (home.cycle(SUPPORT, ended.cycle_id) / "morning.md").read_text()
    assert str(rollout.route(SUPPORT).name) == "support@base"
    done = await runner.run(await runner.claim(SUPPORT, trigger="operator", actor="ada"))
    assert (done.outcome, done.candidate, trainer.trained) == (Outcome.PROMOTE, 2, 1)
    one, two = reversed(await store.read(partial(registry.adapters, bot=SUPPORT)))
    assert (one.stage, two.stage) == (Stage.RETIRED, Stage.PRODUCTION)
    assert one.content_hash != two.content_hash


async def test_a_closing_write_that_fails_is_tried_until_the_record_takes_it(
    cut_off: tuple[Store, Home], knowing: KnowingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, home = cut_off
    update, failed = cycles.update_cycle, 0

    def full(cursor: Any, *, cycle: Cycle) -> None:
        nonlocal failed
        if cycle.state is not CycleState.RUNNING and failed < 5:
            failed += 1
            raise RecordError("could not do that", subject="record", remedy="Free disk space.")
        update(cursor, cycle=cycle)

    monkeypatch.setattr(cycles, "update_cycle", full)
    async with started(store, home, knowing):
        ended = await last(store)
    assert (failed, ended.state, ended.outcome) == (5, CycleState.DONE, Outcome.PROMOTE)
    runner, _ = server_of(store, knowing, home)
    assert await runner.claim(SUPPORT, trigger="operator", actor="ada"), "the bot may go to school again"


@pytest.fixture
async def full(store: Store, home: Home) -> Store:
    await fill(store, home, SUPPORT)
    return store


async def test_force_outlives_a_kill(
    full: Store, home: Home, knowing: KnowingEngine, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home.root / "bots" / "support.toml"
    file.write_text(file.read_text().replace("[gate]", "min_new_examples = 90000\n[gate]"))
    monkeypatch.setattr(walk, "STEPS", kill_at(Step.REGISTER, is_done=False))
    runner, _ = server_of(full, knowing, home)
    done = await runner.run(await runner.claim(SUPPORT, trigger="operator", actor="ada"))
    assert (done.outcome, trainer.trained) == (Outcome.INSUFFICIENT_DATA, 0)
    await runner.claim(SUPPORT, trigger="operator", actor="ada", force=True)
    with pytest.raises(Killed):
        async with started(full, home, knowing):
            pass
    assert trainer.trained == 1


async def killed_before(
    step: Step, store: Store, knowing: KnowingEngine, home: Home, monkeypatch: pytest.MonkeyPatch
) -> NightFolder:
    """The folder of a night that ended with its server before that step."""
    monkeypatch.setattr(walk, "STEPS", kill_at(step, is_done=False))
    runner, _ = server_of(store, knowing, home)
    cycle = await runner.claim(SUPPORT, trigger="operator", actor="ada")
    with pytest.raises(Killed):
        await runner.run(cycle)
    return NightFolder(home.cycle(SUPPORT, cycle.cycle_id))


async def test_a_night_that_an_upgrade_interrupts_builds_its_dataset_anew_and_trains_on_that(
    full: Store, home: Home, knowing: KnowingEngine, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = await killed_before(Step.REGISTER, full, knowing, home, monkeypatch)
    data = night.read_dataset()
    assert data is not None
    older = home.dataset(SUPPORT, "0" * 64)
    home.dataset(SUPPORT, data.content_hash).rename(older)
    (older / "sft_train.parquet").rename(older / "sft_train.jsonl")
    night.write_dataset(data.model_copy(update={"content_hash": "0" * 64}))
    monkeypatch.setattr(walk, "STEPS", STEPS)
    async with started(full, home, knowing):
        ended = await last(full)
    assert (ended.state, ended.outcome, trainer.trained) == (CycleState.DONE, Outcome.PROMOTE, 2)
    assert night.read_dataset() == data


async def test_a_summary_that_another_nightschool_wrote_has_the_dataset_built_anew(
    full: Store, home: Home, knowing: KnowingEngine, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = await killed_before(Step.TRAIN, full, knowing, home, monkeypatch)
    data = night.read_dataset()
    night.dataset_file.write_text(night.dataset_file.read_text().replace('"votes"', '"thumbs"'))
    monkeypatch.setattr(walk, "STEPS", STEPS)
    async with started(full, home, knowing):
        ended = await last(full)
    assert (ended.state, ended.outcome, trainer.trained) == (CycleState.DONE, Outcome.PROMOTE, 1)
    assert night.read_dataset() == data


def hiccup() -> EngineError:
    return EngineError("RemoteProtocolError", subject="engine", remedy="Look at its log.")


async def test_an_engine_that_fails_and_starts_anew_in_the_exam_costs_no_night(
    full: Store, home: Home, knowing: KnowingEngine, trainer: Trainer
) -> None:
    knowing.failures = [hiccup(), Unavailable("is starting", subject="engine", remedy="Wait.")]

    async def restart(asked: int) -> None:
        if asked == 40:
            await knowing.restart()

    knowing.before_answer = restart
    runner, rollout = server_of(full, knowing, home)
    done = await runner.run(await runner.claim(SUPPORT, trigger="operator", actor="ada"))
    assert (done.state, done.outcome, done.reasons[0][:6]) == (CycleState.DONE, Outcome.PROMOTE, "passed")
    assert str(rollout.route(SUPPORT).name) == "support@1"
    assert (knowing.asked > 40, trainer.trained) == (True, 1)


async def test_a_night_that_failed_after_training_is_taken_up_by_the_next(
    full: Store, home: Home, knowing: KnowingEngine, trainer: Trainer
) -> None:
    runner, _ = server_of(full, knowing, home)
    knowing.failures = [hiccup() for _ in range(999)]
    failed = await runner.run(await runner.claim(SUPPORT, trigger="operator", actor="ada"))
    assert (failed.state, failed.step, failed.candidate) == (CycleState.FAILED, Step.EVALUATE, 1)
    assert "The night failed at step evaluate" in (home.cycle(SUPPORT, failed.cycle_id) / "morning.md").read_text()
    knowing.failures = []
    done = await runner.run(await runner.claim(SUPPORT, trigger="operator", actor="ada"))
    assert (done.outcome, done.candidate, trainer.trained) == (Outcome.PROMOTE, 2, 1)
    one, two = reversed(await full.read(partial(registry.adapters, bot=SUPPORT)))
    assert (one.stage, two.stage) == (Stage.RETIRED, Stage.PRODUCTION)
    assert (one.content_hash, one.dataset_hash) == (two.content_hash, two.dataset_hash)
    for adapter in (one, two):
        files = files_of(adapter, home=home)
        assert {file.name for file in files.folder.iterdir()} == {"adapter_model.safetensors", "manifest.json"}
        assert files.proof.read_text() == '{"texts": []}'
    # Judged now, so the night after has nothing to go on with and nothing to learn.
    assert (await runner.run(await runner.claim(SUPPORT, trigger="operator", actor="ada"))).outcome is (
        Outcome.INSUFFICIENT_DATA
    )


async def test_what_a_person_put_live_meanwhile_is_not_examined_against_itself(
    full: Store, home: Home, knowing: KnowingEngine, trainer: Trainer
) -> None:
    runner, rollout = server_of(full, knowing, home)
    knowing.failures = [hiccup() for _ in range(999)]
    await runner.run(await runner.claim(SUPPORT, trigger="operator", actor="ada"))
    knowing.failures = []
    await rollout.promote(SUPPORT, actor="ada", reason="I looked at it myself")
    done = await runner.run(await runner.claim(SUPPORT, trigger="operator", actor="ada"))
    assert (done.outcome, trainer.trained) == (Outcome.INSUFFICIENT_DATA, 1)
    assert str(rollout.route(SUPPORT).name) == "support@1"


async def test_the_nights_of_two_bots_leave_one_another_their_places(
    store: Store, home: Home, knowing: KnowingEngine, trainer: Trainer
) -> None:
    await fill(store, home, SUPPORT, AFTERCARE)
    runner, rollout = server_of(store, knowing, home, max_adapters=3)
    for version in (5, 6, 7):
        await register(store, version, bot=SUPPORT)
    await rollout.promote(SUPPORT, version=5, actor="ada", reason="live")
    others = itertools.cycle((6, 7))

    async def disturb(asked: int) -> None:
        """All the while an operator has other versions loaded, for which a candidate would make room."""
        if asked % 7 == 0:
            with suppress(Busy):
                await rollout.route_to(SUPPORT, next(others))

    knowing.before_answer = disturb
    both = [await runner.claim(bot, trigger="operator", actor="ada") for bot in (AFTERCARE, SUPPORT)]
    ended = await asyncio.gather(*map(runner.run, both))
    assert [night.state for night in ended] == [CycleState.DONE] * 2
    assert [night.outcome for night in ended] == [Outcome.PROMOTE, Outcome.REJECT], "support@8 is no better than 5"
    assert knowing.forgotten == 0, "whoever is examined stays loaded"
    assert (str(rollout.route(SUPPORT).name), str(rollout.route(AFTERCARE).name)) == ("support@5", "aftercare@1")
