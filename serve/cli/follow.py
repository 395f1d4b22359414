"""Follow a night from afar until it ends: a bar for each step on a terminal, else a line now and then. On stderr.

Only looks: the night runs in the server and does not mind whether anybody follows it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypedDict

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    Task,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from nightschool.errors import NotFound, TrainingFailed
from serve.cli.client import CycleRow, Server
from serve.cli.talk import say
from serve.cli.training import describe_training

FIRST_PAUSE_S: Final = 0.05
LAST_PAUSE_S: Final = 1.0
"""Looks come quickly at first, since a night without enough data is over at once."""
TOLD_SHARE: Final = 0.1
"""Where there is no bar: how much of a step goes by between two lines."""
WORDS: Final = {
    "snapshot": "taking a snapshot",
    "dataset": "building the dataset",
    "train": "training",
    "register": "registering the adapter",
    "load": "loading and proving it",
    "evaluate": "comparing base, production and candidate",
    "decide": "deciding",
    "report": "writing the report",
}

Show = Callable[[CycleRow], None]
"""Takes the cycle as it stands."""


class Verdict(TypedDict):
    """What `nightschool night --json` prints."""

    cycle: str
    candidate: int | None
    verdict: str | None
    reasons: list[str]
    figures: dict[str, float]


def follow_night(server: Server, cycle_id: str) -> Verdict:
    """How the cycle ended. Raises TrainingFailed with its reason where it failed."""
    pause_s = FIRST_PAUSE_S
    try:
        with _showing() as show:
            while (cycle := _look(server, cycle_id))["state"] == "running":
                show(cycle)
                time.sleep(pause_s)
                pause_s = min(LAST_PAUSE_S, 1.5 * pause_s)
    except KeyboardInterrupt:
        say("the night goes on without you; `nightschool status` shows how far it is")
        raise
    if cycle["state"] == "failed":
        raise _failure(cycle)
    return Verdict(
        cycle=cycle["cycle"],
        candidate=cycle["candidate"],
        verdict=cycle["verdict"],
        reasons=cycle["reasons"],
        figures=cycle["figures"],
    )


def find_running(server: Server, bot: str) -> str:
    """The id of the bot's night under way. Raises NotFound where none is."""
    cycles: list[CycleRow] = server.get("/ops/cycles", bot=bot, limit=1)
    for cycle in cycles:
        if cycle["state"] == "running":
            return cycle["cycle"]
    raise NotFound("is not at school", subject=bot, remedy="`nightschool night` without --watch begins a night.")


def _look(server: Server, cycle_id: str) -> CycleRow:
    cycle: CycleRow = server.get(f"/ops/cycles/{cycle_id}")
    return cycle


def _failure(cycle: CycleRow) -> TrainingFailed:
    reason = cycle["reasons"][0].rstrip(" .\n") if cycle["reasons"] else "no reason was kept"
    return TrainingFailed(
        f"failed at step {cycle['step']}: {reason}", subject=f"night of {cycle['bot']}", remedy="Production stays."
    )


class _LeftColumn(TimeRemainingColumn):
    """Of a training the trainer itself says how long it takes."""

    def render(self, task: Task) -> Text:
        return Text() if task.fields["live"] else Text.assemble("left ", super().render(task))


@contextmanager
def _showing() -> Iterator[Show]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _telling()
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
        _LeftColumn(), TextColumn("{task.fields[live]}"),
    )  # fmt: skip
    with Progress(*columns, console=console) as progress:
        show, finish = _drawing(progress)
        yield show
        finish()


def _drawing(progress: Progress) -> tuple[Show, Callable[[], None]]:
    tasks: dict[str, TaskID] = {}

    def finish() -> None:
        for task in tasks.values():
            progress.update(task, completed=1.0, live="")

    def show(cycle: CycleRow) -> None:
        step = cycle["step"]
        if step not in tasks:
            finish()
            tasks[step] = progress.add_task(WORDS.get(step, step), total=1.0, live="")
        progress.update(tasks[step], completed=cycle["progress"], live=_live(cycle), refresh=True)

    return show, finish


def _telling() -> Show:
    told = ("", 0.0)

    def show(cycle: CycleRow) -> None:
        nonlocal told
        step, share = cycle["step"], cycle["progress"]
        if step != told[0] or share >= told[1] + TOLD_SHARE:
            told = (step, share)
            line = f"{WORDS.get(step, step)}: {share:.0%}" if share else WORDS.get(step, step)
            say(" ".join([line, _live(cycle)]).rstrip())

    return show


def _live(cycle: CycleRow) -> str:
    return f"({describe_training(cycle['training'])})" if cycle["training"] else ""
