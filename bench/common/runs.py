"""Start real trainings for a benchmark, each a process of its own whose words are in a file."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from nightschool.run_files import DONE
from tune.recipe import Recipe, write_recipe

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Spent(NamedTuple):
    """Of a process that came to its end."""

    peak_mib: float
    cpu_s: float
    """On all cores together: what others do on a machine lengthens it less than time on the clock."""


def train(run: Path, recipe: Recipe) -> Path:
    """The adapter of a run by `tune.train`; one that is there already is taken."""
    if not (run / DONE).exists():
        write_recipe(run, recipe)
        call("-m", "tune.train", str(run), log=run.with_suffix(".log"))
    return run / "adapter"


def call(*arguments: str, log: Path, python: Path = Path(sys.executable)) -> float:
    """As `spend`; its peak memory in MiB."""
    return spend(*arguments, log=log, python=python).peak_mib


def spend(
    *arguments: str, log: Path, python: Path = Path(sys.executable), environment: Mapping[str, str] = NOTHING
) -> Spent:
    """Python with `arguments`, and `environment` beside its own, to its end, which must be a good one and is told."""
    began = time.monotonic()
    with log.open("wb") as output:
        given = {**os.environ, **environment}
        process = subprocess.Popen([str(python), *arguments], stdout=output, stderr=output, env=given)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments} ended with {process.returncode}:\n{log.read_text()[-4000:]}")
    print(f"{log.stem}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return Spent(usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime)
