"""Run the trainer as a child and follow it: `python -m tune.train RUN_DIR` in the background, watched by its files.

The child knows only its run folder, so a killed run goes on from its last checkpoint when it is started again; one that
ran out of time does so in another night (`deploy.unfinished`). Does not know what is trained, nor what becomes of the
adapter.
"""

import asyncio
import logging
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from deploy.courtesy import Courtesy
from deploy.patience import NICENESS, Patience, Windows, read_sample
from nightschool.child import CALM_THREADS, Child, run_child
from nightschool.errors import TrainingFailed
from nightschool.files import write_atomic
from nightschool.records import utc_now
from nightschool.run_files import DONE
from tune.enough import not_enough, read_insufficient
from tune.failure import forget_failure, read_failure
from tune.pace import DEADLINE, count_cut, write_deadline
from tune.progress import StepFollower, TrainingProgress

log = logging.getLogger(__name__)

TRAINER: Final = ("-m", "tune.train")
LAUNCHER: Final = ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines", "1", "--mixed_precision", "no",
                   "--dynamo_backend", "no", "--main_process_port", "0")  # fmt: skip
"""Nothing is left to a person's own settings for it."""
CARDS: Final = "CUDA_VISIBLE_DEVICES"
POLL_S: Final = 1.0
SPENT: Final = "spent_s"
SPENT_PERIOD_S: Final = 10.0
"""So much of the time spent is forgotten at most, when a kill takes the server."""
TIMED_OUT: Final = "TIMED-OUT"
GIB: Final = 2**30


class Means(NamedTuple):
    """What a training may take of the machine."""

    memory_gib: float | None = None
    """None: what there is."""
    cards: tuple[str, ...] = ()
    """GPUs, as CUDA numbers them, a process for each; none names no card, and one process takes the first."""
    courtesy: Courtesy | None = None
    """Whom it stands still for; None: for nobody."""

    def command(self) -> list[str]:
        count = len(self.cards)
        launched = (*LAUNCHER, "--num_processes", str(count)) if count > 1 else ()
        return [sys.executable, *launched, *TRAINER]

    def memory_bytes(self) -> int | None:
        """Of each process."""
        return int(self.memory_gib * GIB / max(len(self.cards), 1)) if self.memory_gib else None

    def environment(self) -> dict[str, str]:
        cards = {CARDS: ",".join(self.cards)} if self.cards else {}
        return {**CALM_THREADS, **os.environ, **cards}


async def train(
    run: Path,
    *,
    timeout_s: float,
    on_progress: Callable[[TrainingProgress], None],
    done_by: datetime | None = None,
    means: Means = Means(),
    command: Sequence[str] | None = None,
    windows: Windows = Windows(),
) -> None:
    """Returns once `run/DONE` stands. Raises TrainingFailed, which quotes the log's last lines, or
    NotEnoughRows where the trainer found too few.

    `timeout_s` counts over every start of the run. By `done_by` the trainer itself ends with the steps that fit.
    `command` is started instead of the trainer.
    """
    if (run / DONE).exists():
        return
    _tell_deadline(run, done_by)
    forget_failure(run)
    if done_by is not None:
        windows = windows.within((done_by - utc_now()).total_seconds())
    for niceness in NICENESS:
        patience = Patience(windows if niceness else Windows(math.inf, math.inf))
        async with run_child(
            [*(command or means.command()), str(run)],
            log=run / "train.log",
            environment=means.environment(),
            niceness=niceness,
            memory_bytes=means.memory_bytes(),
        ) as child:
            with means.courtesy.shown_by(child) if means.courtesy else nullcontext():
                is_over = await _follow(child, run, timeout_s=timeout_s, on_progress=on_progress, patience=patience)
            if is_over:
                _check_end(child, await child.wait(), run)
                return
        log.warning("run=%s was held up at niceness %d and is started again at a better one", run, niceness)
    raise AssertionError("at the last niceness nobody starves")


async def _follow(
    child: Child, run: Path, *, timeout_s: float, on_progress: Callable[[TrainingProgress], None], patience: Patience
) -> bool:
    """True once it has ended, False where it wants a better place. Raises TrainingFailed out of time."""
    before_s, started_s = _read_spent(run), time.monotonic()
    kept_s, steps = before_s, StepFollower(run)
    try:
        while child.is_running:
            now_s = time.monotonic()
            spent_s = before_s + now_s - started_s
            if spent_s > timeout_s:
                raise _out_of_time(run, timeout_s)
            if spent_s - kept_s > SPENT_PERIOD_S:
                kept_s = spent_s
                _write_spent(run, kept_s)
            if progress := steps.progress():
                on_progress(progress)
            sample = read_sample(child.pid, at_s=now_s) if child.pid else None
            if sample and patience.ends_with(sample, cut_steps=count_cut(run)):
                return False
            await asyncio.sleep(POLL_S)
    finally:
        _write_spent(run, before_s + time.monotonic() - started_s)
    return True


def _tell_deadline(run: Path, done_by: datetime | None) -> None:
    if done_by is None:
        (run / DEADLINE).unlink(missing_ok=True)
    else:
        write_deadline(run, done_by.timestamp())


def _read_spent(run: Path) -> float:
    return float((run / SPENT).read_text(encoding="utf-8")) if (run / SPENT).exists() else 0.0


def _write_spent(run: Path, spent_s: float) -> None:
    write_atomic(run / SPENT, f"{spent_s:.3f}\n")


def _out_of_time(run: Path, timeout_s: float) -> TrainingFailed:
    write_atomic(run / TIMED_OUT, "")
    return TrainingFailed(
        f"took longer than {timeout_s:.0f} s",
        subject=run.name,
        remedy="Its checkpoints are kept and the bot's next night goes on with them; raise night.training_timeout_s "
        "to have it done in one.",
    )


def _check_end(child: Child, code: int, run: Path) -> None:
    """Raises TrainingFailed unless the run is done."""
    if code == 0 and (run / DONE).exists():
        return
    if why := read_insufficient(run):
        raise not_enough(run, why)
    if child.was_killed_for_memory():
        raise TrainingFailed(
            "was killed by the kernel for want of memory",
            subject=run.name,
            remedy="Lower recipe.micro_batch_size or recipe.max_tokens in the bot's file.",
        )
    how = f"was killed (signal {-code})" if code < 0 else f"ended with code {code}"
    words = read_failure(run) or child.log_tail()
    raise TrainingFailed(f"{how}:\n{words}\n", subject=run.name, remedy=f"The whole log is {child.log}.")
