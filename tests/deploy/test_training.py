"""The trainer as a child: how its end is told, what its time counts, and that it does not starve. Real processes."""

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.known import Order, keep_order, read_order
from deploy.orders import recipe_of, training_ends
from deploy.patience import HELD_UP_SHARE, NICENESS, STARVED_SHARE, Patience, Sample, Windows, has_waited, read_sample
from deploy.plan import NightFolder
from deploy.training import SPENT, TIMED_OUT, Means, train
from deploy.unfinished import give_time, take_over
from nightschool.bots import Bot
from nightschool.errors import NotEnoughRows, TrainingFailed
from nightschool.files import MANIFEST, publish
from nightschool.run_files import DONE
from nightschool.timetable import SchedulePart
from tune.dataset import DatasetSummary
from tune.progress import TrainingProgress
from tune.recipe import write_recipe


def trainer(script: str) -> list[str]:
    """Stands in for `python -m tune.train`: gets the run folder as $1."""
    return ["bash", "-c", f'cd "$1"; {script}', "trainer"]


async def run(
    folder: Path,
    script: str,
    *,
    timeout_s: float = 20,
    windows: Windows = Windows(),
    steps: list[TrainingProgress] | None = None,
) -> None:
    folder.mkdir(exist_ok=True)
    seen = steps if steps is not None else []
    await train(folder, timeout_s=timeout_s, on_progress=seen.append, command=trainer(script), windows=windows)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo no rows >&2; exit 2", "ended with code 2:\nno rows"),
        ("exit 200", "ended with code 200"),
        ("echo bye; kill -9 $$", "was killed (signal 9):\nbye"),
        ("kill -15 $$", "was killed (signal 15)"),
        ("true", "ended with code 0"),
    ],
)
async def test_how_it_ended_is_told(tmp_path: Path, script: str, expected: str) -> None:
    with pytest.raises(TrainingFailed) as caught:
        await run(tmp_path / "run", script)
    assert expected in str(caught.value)
    assert "memory" not in str(caught.value)


async def test_a_finished_run_is_not_started_again(tmp_path: Path) -> None:
    await run(tmp_path / "run", "touch DONE; echo started >> starts")
    await run(tmp_path / "run", "exit 1")
    assert (tmp_path / "run" / "starts").read_text() == "started\n"


async def test_its_threads_hardly_spin_and_it_comes_last(tmp_path: Path) -> None:
    await run(tmp_path / "run", "echo $GOMP_SPINCOUNT $(nice) > seen; touch DONE")
    assert (tmp_path / "run" / "seen").read_text() == "1000 19\n"


async def test_time_counts_over_starts_and_what_ran_out_of_it_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / SPENT).write_text("59.9\n")
    with pytest.raises(TrainingFailed, match=r"took longer than 60 s.*checkpoints are kept.*next night goes on"):
        await run(folder, "echo step > checkpoint; sleep 100", timeout_s=60)
    assert (folder / TIMED_OUT).exists()
    assert float((folder / SPENT).read_text()) > 60


async def test_a_kill_in_the_middle_does_not_forget_the_time(tmp_path: Path) -> None:
    task = asyncio.create_task(run(tmp_path / "run", "sleep 100"))
    while not (tmp_path / "run" / "train.pid").exists():
        await asyncio.sleep(0.02)
    # The child's mark stands a moment before its time is counted.
    await asyncio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert float((tmp_path / "run" / SPENT).read_text()) > 0


@pytest.mark.parametrize(
    ("ran_s", "waited_s", "expected"),
    [
        (300, 0, False),  # alone
        (300, 300, False),  # beside an engine that answers
        (100, 500, True),
        (10, 590, True),  # nice 19 beside busy loops
        (0, 600, True),
        (5, 40, False),  # waits for its disk
        (0, 0, False),
        (1000, 3800, False),  # at a fifth it gets on
    ],
)
def test_who_starves(ran_s: float, waited_s: float, expected: bool) -> None:
    first = Sample(at_s=1_000, ran_s=50, waited_s=70)
    assert has_waited(first, Sample(1_600, 50 + ran_s, 70 + waited_s), share=STARVED_SHARE) is expected


@pytest.mark.parametrize(
    ("cut_steps", "waited_s", "ended_at"),
    [
        (0, 0.9, 1800),  # starves
        (0, 0.5, None),  # gets on, with time enough
        (7, 0.5, 120),  # gives up steps for want of a processor
        (7, 0.1, None),  # gives up steps, and nobody is in its way
    ],
)
def test_with_a_deadline_it_is_helped_sooner(cut_steps: int, waited_s: float, ended_at: int | None) -> None:
    """`waited_s` of each second were spent waiting; the clock is ours."""
    patience = Patience(Windows())
    ends = [
        at_s
        for at_s in range(0, 4000, 30)
        if patience.ends_with(Sample(at_s, at_s * (1 - waited_s), at_s * waited_s), cut_steps=cut_steps)
    ]
    assert ends[:1] == ([ended_at] if ended_at else [])


def test_the_nearer_the_deadline_the_sooner_it_is_looked_at() -> None:
    assert Windows().within(24 * 3600).starving_s == 1800
    assert Windows().within(3600).starving_s == 540
    assert Windows().within(-5).starving_s == Windows().late_s
    assert 0 < HELD_UP_SHARE < STARVED_SHARE


async def test_a_trainer_that_starves_is_started_again_with_a_better_place(tmp_path: Path) -> None:
    """Beside busy loops on its one core, so many that it starves among equals too, as where these tests run nicely.
    It is done at its third start."""
    core = min(os.sched_getaffinity(0))
    script = f"""taskset -pc {core} $$ > /dev/null; nice >> places
        [ $(wc -l < places) = {len(NICENESS)} ] && touch DONE && exit; while :; do :; done"""
    busy = [
        await asyncio.create_subprocess_exec("taskset", "-c", str(core), "bash", "-c", "while :; do :; done")
        for _ in "abcdefgh"
    ]
    try:
        await run(tmp_path / "run", script, timeout_s=90, windows=Windows(starving_s=3))
    finally:
        for process in busy:
            process.kill()
            await process.wait()
    places = (tmp_path / "run" / "places").read_text().split()
    assert places == [str(max(niceness, os.nice(0))) for niceness in NICENESS]


def test_the_kernel_counts_for_us() -> None:
    sample = read_sample(os.getpid(), at_s=1)
    assert sample is not None
    assert sample.ran_s > 0
    assert read_sample(2**22 + 1, at_s=1) is None


def test_what_a_launcher_started_counts_for_it() -> None:
    busy = "print(sum(range(3_000_000)), flush=True); input()"
    launcher = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"
    with subprocess.Popen([sys.executable, "-c", launcher], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        [child] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        alone, both = read_sample(int(child), at_s=1), read_sample(process.pid, at_s=1)
        process.communicate(b"\n")
    assert alone is not None
    assert both is not None
    assert both.ran_s > alone.ran_s > 0.02


def test_a_process_is_launched_for_each_card() -> None:
    assert Means().command() == Means(cards=("3",)).command() == [sys.executable, "-m", "tune.train"]
    assert Means(cards=("3",)).environment()["CUDA_VISIBLE_DEVICES"] == "3"
    several = Means(12, ("1", "3", "4"))
    assert several.command()[1:3] == ["-m", "accelerate.commands.launch"]
    assert several.command()[-4:] == ["--num_processes", "3", "-m", "tune.train"]
    assert several.environment()["CUDA_VISIBLE_DEVICES"] == "1,3,4"
    assert (several.memory_bytes(), Means(12).memory_bytes(), Means().memory_bytes()) == (4 * 2**30, 12 * 2**30, None)


async def test_the_trainer_s_own_words_are_told_and_not_the_log_of_its_launcher(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "FAILED").write_text("of the start before\n")
    with pytest.raises(TrainingFailed, match=r"ended with code 1:\nit: has no rows\. Add some\.\n") as caught:
        await run(folder, "[ -e FAILED ] || echo 'it: has no rows. Add some.' > FAILED; echo Traceback; exit 1")
    assert "Traceback" not in str(caught.value)


DATA = DatasetSummary.model_validate(
    {
        name: "abc" if name == "content_hash" else 1
        for name, field in DatasetSummary.model_fields.items()
        if field.is_required()
    }
)
BOT = Bot(name="support", title="Fern", system_prompt="Help.")
ORDER = Order.of(BOT, base_model="base")


def night_out_of_time(folder: Path) -> NightFolder:
    dataset = folder.parents[1] / "dataset"
    dataset.mkdir()
    publish(dataset, kind="dataset")
    night = NightFolder(folder)
    write_recipe(night.run, recipe_of(BOT, base_model="base", dataset=dataset))
    night.write_dataset(DATA)
    keep_order(night.root, ORDER)
    (night.run / "checkpoint").write_text("step 40")
    (night.run / SPENT).write_text("61\n")
    (night.run / TIMED_OUT).touch()
    return night


def test_the_next_night_goes_on_where_time_ran_out(tmp_path: Path) -> None:
    old = night_out_of_time(tmp_path / "nights" / "one")
    new = NightFolder(tmp_path / "nights" / "two")
    assert take_over(tmp_path / "nights", into=new, order=ORDER)
    assert (new.run / "checkpoint").read_text() == "step 40"
    assert (new.read_dataset(), read_order(new.root)) == (DATA, ORDER)
    assert not old.run.exists()
    assert not (new.run / SPENT).exists()
    assert not take_over(tmp_path / "nights", into=NightFolder(tmp_path / "nights" / "three"), order=ORDER)


def test_a_kill_in_the_middle_of_taking_over_is_mended(tmp_path: Path) -> None:
    old = night_out_of_time(tmp_path / "nights" / "one")
    new = NightFolder(tmp_path / "nights" / "two")
    new.write_dataset(DATA)
    assert take_over(tmp_path / "nights", into=new, order=ORDER)
    (new.run / SPENT).write_text("61\n")
    (new.run / TIMED_OUT).touch()  # killed between the move and its last touch
    give_time(new.run)
    assert not (new.run / TIMED_OUT).exists()
    assert not (new.run / SPENT).exists()
    assert not old.run.exists()


def failed_behind_training(folder: Path) -> NightFolder:
    night = night_out_of_time(folder)
    (night.run / TIMED_OUT).unlink()
    (night.run / DONE).touch()
    return night


def test_a_trained_run_is_taken_over_until_it_was_examined_or_live(tmp_path: Path) -> None:
    nights = tmp_path / "nights"
    old = failed_behind_training(nights / "one")
    assert not take_over(nights, into=NightFolder(nights / "two"), order=ORDER, went_live={"one"})
    evaluation = old.evaluation
    evaluation.mkdir()
    publish(evaluation, kind="evaluation")
    assert not take_over(nights, into=NightFolder(nights / "two"), order=ORDER)
    (evaluation / MANIFEST).unlink()
    new = NightFolder(nights / "two")
    assert take_over(nights, into=new, order=ORDER)
    assert (new.run / DONE).exists()
    assert not old.run.exists()


def test_a_trained_run_with_which_every_night_fails_is_given_up(tmp_path: Path) -> None:
    nights = tmp_path / "nights"
    failed_behind_training(nights / "0")
    taken = [take_over(nights, into=NightFolder(nights / str(number)), order=ORDER) for number in range(1, 6)]
    assert taken == [True, True, False, False, False]


def test_another_order_or_a_lost_dataset_begins_anew(tmp_path: Path) -> None:
    night_out_of_time(tmp_path / "nights" / "one")
    new = NightFolder(tmp_path / "nights" / "two")
    changed = BOT.model_copy(update={"system_prompt": "Help well."})
    assert not take_over(tmp_path / "nights", into=new, order=Order.of(changed, base_model="base"))
    (tmp_path / "dataset" / MANIFEST).unlink()
    assert not take_over(tmp_path / "nights", into=new, order=ORDER)
    assert not new.run.exists()


async def test_a_trainer_that_gives_up_steps_gets_a_better_place_before_it_starves(tmp_path: Path) -> None:
    """Beside one busy loop on its core it has half of it, which is no starving; its deadline is told by a file."""
    core = min(os.sched_getaffinity(0))
    bend = '{"phase": "sft", "step": 3, "share": 0.1, "steps": 9, "planned": 30}'
    script = f"""taskset -pc {core} $$ > /dev/null; nice >> places; cp deadline seen; echo '{bend}' > pace.jsonl
        [ $(wc -l < places) = 2 ] && touch DONE && exit; while :; do :; done"""
    busy = await asyncio.create_subprocess_exec(
        "taskset", "-c", str(core), "nice", "-n", "19", "bash", "-c", "while :; do :; done"
    )
    folder = tmp_path / "run"
    folder.mkdir()
    due = datetime.fromtimestamp(2_000_000_000, UTC)
    try:
        await train(
            folder, timeout_s=60, on_progress=lambda _: None, command=trainer(script), done_by=due,
            windows=Windows(late_s=2),
        )  # fmt: skip
    finally:
        busy.kill()
        await busy.wait()
    assert (folder / "places").read_text().split() == ["19", str(max(10, os.nice(0)))]
    assert (folder / "seen").read_text() == "2000000000\n"


async def test_a_cap_on_memory_is_the_trainers_own(tmp_path: Path) -> None:
    """What asks for more is told so, and nothing is killed."""
    script = f"ulimit -d > cap; {sys.executable} -c 'bytearray(3 * 2**30)' 2> words; touch DONE"
    (tmp_path / "run").mkdir()
    await train(tmp_path / "run", timeout_s=60, on_progress=lambda _: None, command=trainer(script), means=Means(1))
    assert (tmp_path / "run" / "cap").read_text() == f"{2**20}\n"
    assert "MemoryError" in (tmp_path / "run" / "words").read_text()


@pytest.mark.parametrize(
    ("done_by", "zone", "expected"),
    [
        ("", "UTC", None),
        ("06:00", "UTC", "05:24"),  # of three hours the last fifth is the exam's
        ("06:00", "Europe/Berlin", "04:36"),
        ("02:30", "UTC", "21:48"),  # tomorrow's
    ],
)
def test_a_training_ends_before_the_night_is_to(done_by: str, zone: str, expected: str | None) -> None:
    schedule = SchedulePart(done_by=done_by, time_zone=zone)
    began = datetime(2026, 1, 10, 3, tzinfo=UTC)
    ends = training_ends(schedule, began=began, now=began + timedelta(minutes=9))
    assert (ends.strftime("%H:%M") if ends else None) == expected


def test_a_night_that_goes_on_behind_its_hour_has_time_until_the_next_one() -> None:
    began, now = datetime(2026, 1, 10, 3, tzinfo=UTC), datetime(2026, 1, 10, 12, tzinfo=UTC)
    ends = training_ends(SchedulePart(done_by="06:00"), began=began, now=now)
    assert ends == datetime(2026, 1, 11, 2, 24, tzinfo=UTC)


async def test_a_run_that_finds_too_few_rows_says_so_and_is_no_failure_of_its_own(tmp_path: Path) -> None:
    said = "41 of 60 training rows are left within recipe.max_tokens = 32; recipe.min_examples asks for 50"
    with pytest.raises(NotEnoughRows) as caught:
        await run(tmp_path / "run", f"echo '{said}' > INSUFFICIENT; exit 1")
    assert caught.value.problem == said
