"""Adapters as they stood after a run's latest passes over its rows, the last one apart: where they lie in its folder.

Each has a folder that is laid out like a run's: adapter and, once the run is done, proof. Imports no torch. Does not
know who keeps them (`tune.methods.passes`), nor what for.
"""

from pathlib import Path
from typing import Final, NamedTuple

PASSES: Final = "passes"


class Pass(NamedTuple):
    phase: str
    step: int
    """Of the phase, with which the pass was complete."""
    folder: Path


def pass_folder(run: Path, phase: str, step: int) -> Path:
    return run / PASSES / f"{phase}-{step}"


def find_kept(run: Path) -> list[Pass]:
    """In the order of their steps."""
    found = []
    for folder in (run / PASSES).glob("*-*"):
        phase, _, step = folder.name.rpartition("-")
        found.append(Pass(phase, int(step), folder))
    return sorted(found, key=lambda kept: kept.step)
