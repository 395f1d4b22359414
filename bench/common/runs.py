"""Start real trainings for a benchmark, each a process of its own whose words are in a file."""

import os
import subprocess
import sys
import time
from pathlib import Path

from tune.recipe import Recipe, write_recipe


def train(run: Path, recipe: Recipe) -> Path:
    """The adapter of a run by `tune.train`; one that is there already is taken."""
    if not (run / "adapter").exists():
        write_recipe(run, recipe)
        call("-m", "tune.train", str(run), log=run.with_suffix(".log"))
    return run / "adapter"


def call(*arguments: str, log: Path) -> None:
    """Python with `arguments` to its end, which must be a good one; how long it took is told."""
    began = time.monotonic()
    with log.open("wb") as output:
        done = subprocess.run([sys.executable, *arguments], stdout=output, stderr=output, check=False, env=os.environ)
    if done.returncode:
        raise SystemExit(f"{arguments} ended with {done.returncode}:\n{log.read_text()[-4000:]}")
    print(f"{log.stem}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
