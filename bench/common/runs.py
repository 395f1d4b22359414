"""Start real trainings for a benchmark, each a process of its own whose words are in a file."""

import os
import subprocess
import sys
import time
from pathlib import Path

from nightschool.run_files import DONE
from tune.recipe import Recipe, write_recipe


def train(run: Path, recipe: Recipe) -> Path:
    """The adapter of a run by `tune.train`; one that is there already is taken."""
    if not (run / DONE).exists():
        write_recipe(run, recipe)
        call("-m", "tune.train", str(run), log=run.with_suffix(".log"))
    return run / "adapter"


def call(*arguments: str, log: Path, python: Path = Path(sys.executable)) -> float:
    """Python with `arguments` to its end, which must be a good one; how long it took is told. Its peak memory in MB."""
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen([str(python), *arguments], stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments} ended with {process.returncode}:\n{log.read_text()[-4000:]}")
    print(f"{log.stem}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return usage.ru_maxrss / 1024
