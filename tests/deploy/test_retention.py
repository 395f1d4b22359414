"""What nobody needs goes, what lineage needs stays, and what is in use is not touched. Record and files are real."""

import json
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from collect import cycles, registry
from collect.store import Store
from deploy.learnt import describe_run
from deploy.plan import NightFolder
from deploy.retention import RUN_KEEPS, Keep, Retention
from nightschool.echo import EchoEngine
from nightschool.engine import Engine
from nightschool.errors import EngineError
from nightschool.files import publish, write_atomic
from nightschool.home import Home
from nightschool.records import Adapter, BotName, Cycle, CycleState, Event, Outcome, Stage, new_id
from tune.dataset import DatasetSummary
from tune.pace import Pace

BOT = BotName("support")
NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
DAY = timedelta(days=1)
Tidy = Callable[..., Awaitable[int]]


@pytest.fixture
def tidy(store: Store, engine: EchoEngine, home: Home) -> Tidy:
    async def run(*, nights: int = 2, days: int = 3, with_engine: Engine = engine) -> int:
        keep = Keep(nights=nights, days=days)
        return await Retention(store, with_engine, home=home, keep=keep, now=lambda: NOW).tidy()

    return run


async def night(
    store: Store, home: Home, *, age: int, stage: Stage | None = Stage.RETIRED, state: CycleState = CycleState.DONE
) -> NightFolder:
    """One that began `age` days ago, with all that a night leaves; `stage`: of its adapter, None where it made none."""
    name = f"night-{age}"
    at = NOW - age * DAY
    folder = NightFolder(home.cycle(BOT, name))
    run = ("DONE", "recipe.toml", "metrics.jsonl", "train.log", "adapter/weights", "checkpoints/c")
    kept = ("evaluation/verdict.json", "evaluation/report.md", "morning.md")
    for file in ("snapshot/messages.parquet", *kept, *(f"run/{name}" for name in run)):
        (folder.root / file).parent.mkdir(parents=True, exist_ok=True)
        (folder.root / file).write_text("x" * 100)
    folder.write_dataset(summary(f"data-{age}"))
    published(home.dataset(BOT, f"data-{age}"), at=at)
    cycle = Cycle(name, BOT, "operator", None, CycleState.DONE, "train", 0, at)
    await store.write(partial(cycles.start_cycle, cycle=cycle))
    if state is CycleState.RUNNING:
        await store.write(
            lambda cursor: cursor.execute("update cycles set state = 'running' where cycle_id = ?", [name])
        )
    if stage:
        await register(store, home, age=age, stage=stage)
    return folder


async def register(store: Store, home: Home, *, age: int, stage: Stage) -> Adapter:
    version = await store.read(partial(registry.next_version, bot=BOT))
    folder = home.adapter(BOT, f"weights-{age}")
    published(folder, at=NOW - age * DAY)
    adapter = Adapter(
        BOT, version, f"weights-{age}", str(folder.relative_to(home.root)), stage, f"night-{age}", f"data-{age}",
        NOW - age * DAY,
    )  # fmt: skip
    event = Event(new_id(), NOW, BOT, "ada", "registered", str(adapter.name), "")
    await store.write(partial(registry.register_adapter, adapter=adapter, event=event))
    return adapter


async def test_a_proof_goes_with_its_adapter(store: Store, home: Home, tidy: Tidy) -> None:
    for age, stage in ((40, Stage.RETIRED), (39, Stage.PREVIOUS), (38, Stage.PRODUCTION)):
        await night(store, home, age=age, stage=stage)
        write_atomic(home.proof(BOT, f"weights-{age}"), "words")
    await tidy(nights=0)
    assert left(home.adapters(BOT)) == {"weights-39", "weights-38"}
    assert left(home.proofs(BOT)) == {"weights-39.json", "weights-38.json"}


async def test_what_a_night_says_of_its_training_outlives_the_clearing(store: Store, home: Home, tidy: Tidy) -> None:
    run = (await night(store, home, age=20)).run
    Pace(run, phase="sft", planned=40).see(1, seconds=60.0, left_s=0.0)
    (run / "resources.json").write_text("{}")
    said = describe_run(run)
    assert "40 steps that sft planned" in "".join(said)
    await tidy(nights=0)
    assert describe_run(run) == said
    assert (run / "resources.json").exists()


def published(folder: Path, *, at: datetime) -> None:
    folder.mkdir(parents=True)
    (folder / "rows").write_text("x" * 100)
    publish(folder, kind="test")
    os.utime(folder, (at.timestamp(), at.timestamp()))


def summary(content_hash: str) -> DatasetSummary:
    fields = {name: 1 for name, field in DatasetSummary.model_fields.items() if field.is_required()}
    return DatasetSummary.model_validate(fields | {"content_hash": content_hash})


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*")} if folder.exists() else set()


async def test_old_nights_keep_what_says_how_they_went(store: Store, home: Home, tidy: Tidy) -> None:
    old = await night(store, home, age=20)
    newer = [await night(store, home, age=age) for age in (10, 9)]
    assert await tidy() > 0
    assert left(old.root) == {"evaluation", "morning.md", "run", "dataset.json"}
    assert left(old.evaluation) == {"verdict.json", "report.md"}
    assert left(old.run) == {"recipe.toml", "metrics.jsonl", "train.log"}
    for folder in newer:
        assert {"snapshot", "run"} <= left(folder.root)
        assert {"checkpoints", "adapter", "DONE"} <= left(folder.run)
    assert await tidy() == 0


SAID = "my son Ole, born in Torshavn, broke it"


async def test_what_people_said_goes_with_what_a_night_made_of_it(store: Store, home: Home, tidy: Tidy) -> None:
    """By a search of all bytes. The record, the bot's own dataset and the night's verdict are what people keep."""
    old = await night(store, home, age=20)
    live = await night(store, home, age=1, stage=Stage.PRODUCTION)
    of_run = ("made/distill.json", "made/rejection-drawn.jsonl", "replay.json", "proof.json", "checkpoints/c")
    answers = home.exam_answers(BOT) / "set-up" / "old.jsonl"
    holds = [
        *(old.run / name for name in of_run), old.snapshot / "messages.parquet", answers,
        home.dataset(BOT, "data-20") / "rows", home.proof(BOT, "weights-20"),
    ]  # fmt: skip
    for file in holds:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"content": SAID}))
        for changed in (file, file.parent):
            os.utime(changed, times=((NOW - 20 * DAY).timestamp(),) * 2)
    write_atomic(live.run / "replay.json", "{}")
    await tidy(nights=1)
    files = [file for file in home.root.rglob("*") if file.is_file() and file != home.store]
    assert not [file for file in files if SAID.encode() in file.read_bytes()]
    assert (live.run / "replay.json").exists()


async def test_what_lineage_needs_stays(store: Store, home: Home, tidy: Tidy) -> None:
    stages = {40: Stage.RETIRED, 39: Stage.PREVIOUS, 38: Stage.PRODUCTION, 37: Stage.TAINTED, 36: Stage.CANDIDATE}
    for age, stage in stages.items():
        await night(store, home, age=age, stage=stage)
    for age in (30, 29):
        await night(store, home, age=age, stage=None)
    await tidy()
    assert left(home.adapters(BOT)) == {"weights-39", "weights-38", "weights-36"}
    assert left(home.datasets(BOT)) == {"data-39", "data-38", "data-36", "data-30", "data-29"}


async def test_what_was_judged_or_promoted_by_a_person_last_stays(store: Store, home: Home, tidy: Tidy) -> None:
    for age in (40, 39, 38, 37):
        await night(store, home, age=age)
    verdict = registry.Evaluation("e", "night-39", BOT, 2, Outcome.REJECT, (), "{}", "", NOW)
    judged = partial(registry.record_evaluation, evaluation=verdict)
    await store.write(judged)
    await tidy(nights=0)
    assert left(home.adapters(BOT)) == {"weights-39", "weights-37"}  # the newest one, too: its rows are the known ones
    assert left(home.datasets(BOT)) == {"data-39", "data-37"}


async def test_nothing_young_goes(store: Store, home: Home, tidy: Tidy) -> None:
    folder = await night(store, home, age=2)
    published(home.dataset(BOT, "dry-run"), at=NOW)
    await register(store, home, age=1, stage=Stage.RETIRED)
    assert await tidy(nights=0) == 0
    assert "snapshot" in left(folder.root)


async def test_a_bot_that_is_at_school_is_left_alone(store: Store, home: Home, tidy: Tidy) -> None:
    folder = await night(store, home, age=20)
    await night(store, home, age=19, state=CycleState.RUNNING)
    assert await tidy(nights=0) == 0
    assert "checkpoints" in left(folder.run)


async def test_what_the_engine_has_loaded_stays_and_all_while_it_cannot_say(
    store: Store, home: Home, tidy: Tidy, engine: EchoEngine
) -> None:
    for age in (40, 39, 38):
        await night(store, home, age=age)
    await tidy(nights=0, with_engine=DeadEngine())
    assert len(left(home.adapters(BOT))) == 3
    await engine.load_adapter("support@1", home.adapter(BOT, "weights-40"))
    await tidy(nights=0)
    assert left(home.adapters(BOT)) == {"weights-40", "weights-38"}


class DeadEngine(EchoEngine):
    async def loaded_adapters(self) -> dict[str, Path]:
        raise EngineError("is gone", subject="engine", remedy="Wait.")


async def test_drafts_of_a_kill_go_and_those_in_the_making_stay(store: Store, home: Home, tidy: Tidy) -> None:
    await night(store, home, age=1, stage=Stage.PRODUCTION)
    old, new = NOW - 2 * timedelta(hours=1), NOW
    for parent in (home.datasets(BOT), home.adapters(BOT)):
        published(parent / ".draft-old", at=old)
        published(parent / ".draft-new", at=new)
    published(home.temp / "plan-old", at=old)
    published(home.temp / "plan-new", at=new)
    published(home.temp / "duckdb_temp", at=old)
    assert await tidy() > 0
    assert left(home.temp) == {"plan-new", "duckdb_temp"}
    for parent in (home.datasets(BOT), home.adapters(BOT)):
        assert ".draft-new" in left(parent)
        assert ".draft-old" not in left(parent)


async def test_what_was_half_taken_in_goes_unless_it_is_known_or_loaded_after_all(
    store: Store, home: Home, tidy: Tidy, engine: EchoEngine
) -> None:
    await register(store, home, age=9, stage=Stage.CANDIDATE)
    for name in ("unknown", "loaded", "young"):
        published(home.adapter(BOT, name), at=NOW - DAY)
    await engine.load_adapter("support@2", home.adapter(BOT, "loaded"))
    for name in ("weights-9", "unknown", "loaded", "young"):
        home.newcomer(BOT, name).touch()
        at = (NOW if name == "young" else NOW - DAY).timestamp()
        os.utime(home.newcomer(BOT, name), times=(at, at))
    everything = left(home.adapters(BOT))
    await tidy(with_engine=DeadEngine())
    assert left(home.adapters(BOT)) == everything
    await tidy()
    assert left(home.adapters(BOT)) == {"weights-9", "loaded", "loaded.new", "young", "young.new"}


async def test_what_the_record_does_not_know_is_not_ours_to_judge(store: Store, home: Home, tidy: Tidy) -> None:
    """An older record was put back, or another one."""
    published(home.adapter(BotName("stranger"), "weights-1"), at=NOW - 90 * DAY)
    await night(store, home, age=1, stage=Stage.PRODUCTION)
    published(home.adapter(BOT, "younger"), at=NOW - 90 * DAY)
    await tidy(nights=0)
    assert home.adapter(BOT, "younger").exists()
    assert home.adapter(BotName("stranger"), "weights-1").exists()


async def test_nights_that_could_not_begin_take_nobodys_place(store: Store, home: Home, tidy: Tidy) -> None:
    folder = await night(store, home, age=20, stage=None)
    for age in (10, 9):
        at = NOW - age * DAY
        unbegun = Cycle(f"unbegun-{age}", BOT, "schedule", None, CycleState.FAILED, "begin", 0, at)
        await store.write(partial(cycles.keep_unbegun, cycle=unbegun, local_date=at.date()))
    await tidy(nights=1)
    assert {"snapshot", "run"} <= left(folder.root)


def test_what_stays_of_a_run_stands_in_the_table_of_its_files() -> None:
    told = (Path(__file__).parents[2] / "docs" / "nights.md").read_text()
    assert not [name for name in RUN_KEEPS if f"`{name}`" not in told and f"`{name}/`" not in told]


async def test_answers_of_exams_go_when_no_exam_read_them_for_long(store: Store, home: Home, tidy: Tidy) -> None:
    await night(store, home, age=1)
    kept = home.exam_answers(BOT) / "set-up"
    kept.mkdir(parents=True)
    for name, age in (("old.jsonl", 4), ("young.jsonl", 2)):
        (kept / name).write_text("{}\n")
        os.utime(kept / name, times=((NOW - age * DAY).timestamp(),) * 2)
    assert await tidy() > 0
    assert [file.name for file in kept.iterdir()] == ["young.jsonl"]


async def test_comparisons_by_hand_go_once_nothing_in_them_is_young(store: Store, home: Home, tidy: Tidy) -> None:
    await night(store, home, age=1, stage=Stage.PRODUCTION)
    for name, age in (("old", 9), ("again", 9), ("new", 2)):
        published(home.report(BOT, name) / "evaluation", at=NOW - age * DAY)
        os.utime(home.report(BOT, name), times=((NOW - age * DAY).timestamp(),) * 2)
        for file in (home.report(BOT, name) / "evaluation").iterdir():
            os.utime(file, times=((NOW - age * DAY).timestamp(),) * 2)
    being_written = home.report(BOT, "again") / "evaluation" / "answers.parquet"
    being_written.write_text("x")
    os.utime(being_written, times=(NOW.timestamp(),) * 2)
    assert await tidy() > 0
    assert left(home.reports(BOT)) == {"again", "new"}
