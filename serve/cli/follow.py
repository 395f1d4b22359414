"""Follow a night from afar: a bar on stderr for the step it is at, until it ends."""

import time
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from nightschool.errors import NightschoolError, TrainingFailed
from serve.cli.client import Server
from serve.cli.talk import err, say

POLL_S = 1.0
WORDS = {
    "snapshot": "taking a snapshot",
    "dataset": "building the dataset",
    "train": "training",
    "register": "registering the adapter",
    "load": "loading and proving it",
    "evaluate": "comparing base, production and candidate",
    "decide": "deciding",
    "report": "writing the report",
    "finished": "finished",
}


def follow_night(server: Server, cycle_id: str) -> dict[str, Any]:
    """The cycle once it has ended. Raises TrainingFailed with its reason where it failed."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    try:
        with Progress(*columns, console=err, transient=True) as progress:
            task = progress.add_task("starting", total=1.0)
            while True:
                cycle: dict[str, Any] = server.get(f"/ops/cycles/{cycle_id}")
                step = cycle["step"]
                progress.update(task, description=WORDS.get(step, step), completed=cycle["progress"])
                if cycle["state"] != "running":
                    break
                time.sleep(POLL_S)
    except KeyboardInterrupt:
        say("the night goes on without you; `nightschool status` shows it")
        raise
    if cycle["state"] == "failed":
        raise failed(cycle)
    return cycle


def failed(cycle: dict[str, Any]) -> NightschoolError:
    reason = cycle["reasons"][0] if cycle["reasons"] else "for no known reason"
    return TrainingFailed(
        f"failed at step {cycle['step']}: {reason}", subject=f"night of {cycle['bot']}", remedy="Production stays."
    )


def as_verdict(cycle: dict[str, Any]) -> dict[str, Any]:
    """What `nightschool night --json` prints."""
    return {key: cycle[key] for key in ("cycle", "candidate", "verdict", "reasons", "figures")}
