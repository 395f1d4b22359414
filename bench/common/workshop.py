"""A folder to measure trainings in, and the base model that they begin with."""

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tune.base_model import prepare_base_model


class Workshop(NamedTuple):
    folder: Path
    model: str
    """Folder of the base model."""


@contextmanager
def open_workshop(*, model: Path | None, keep: Path | None = None) -> Iterator[Workshop]:
    """`keep` is worked in and left; without it the folder is gone afterwards. Without `model` the default is made."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    with tempfile.TemporaryDirectory(prefix="ns-bench-") as temp:
        folder = keep or Path(temp)
        folder.mkdir(parents=True, exist_ok=True)
        yield Workshop(folder, str(model or prepare_base_model(folder / "model", say=lambda _: None)))


def run_on_rows(
    about: str | None, *, data: Path, quick: str, measure: Callable[[Path, Path, str, bool], Mapping[str, float]]
) -> None:
    """The command line of a benchmark that trains on public rows: `--data`, `--model`, `--quick` (what that means).

    `measure` is given a folder, the rows' file, the base model and whether it is to be quick; its figures are printed.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=data, help="gzipped JSONL: `group`, `intent`, `messages`")
    parser.add_argument("--model", type=Path, help="folder of the base model; none prepares the default one")
    parser.add_argument("--quick", action="store_true", help=quick)
    given = parser.parse_args()
    with open_workshop(model=given.model) as (folder, model):
        figures = measure(folder, given.data, model, given.quick)
    print(json.dumps({name: round(figure, 4) for name, figure in figures.items()}))
