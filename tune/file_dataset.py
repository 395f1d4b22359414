"""Make a dataset folder of a training file, in the form that a night's has: the file's rows are learnt, all of them.

In: a checked file of JSON Lines, and one to validate with where there is any, whose rows stand on the held-out side.
Out: the folder, published manifest-last; equal files give equal bytes. Does not know who sent the file.
"""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from nightschool.errors import InvalidFile
from nightschool.files import publish, read_manifest
from tune.parts import KINDS
from tune.rows import Heading, Kind, Named, name_row, write_kind
from tune.select import Lesson, Rated
from tune.split import Side
from tune.training_file import REMEDY, Line, read_lines
from tune.training_lines import Taught

SCHEMA: Final = 2


def build_from_files(training: Path, validation: Path | None, folder: Path) -> str:
    """The dataset's content hash; built once. Raises InvalidFile where all labels are the same."""
    if manifest := read_manifest(folder):
        return manifest.content_hash
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows: Mapping[Side, list[Named]] = {
        Side.TRAIN: list(_read(training, Side.TRAIN)),
        Side.HELD_OUT: list(_read(validation, Side.HELD_OUT)) if validation else [],
    }
    _check_labels(rows[Side.TRAIN])
    for side, some in rows.items():
        headings = {named.row.conversation_id: Heading(named.row.conversation_id) for named in some}
        for kind in KINDS:
            write_kind(folder, kind, side, (named for named in some if _kind(named) == kind), headings=headings)
    about = {f"rows.{side.value}": len(some) for side, some in rows.items()}
    return publish(folder, kind="dataset", about={"schema": SCHEMA, **about}).content_hash


def _read(file: Path, side: Side) -> Iterator[Named]:
    with file.open("rb") as lines:
        for _, line in read_lines(lines):
            # It was checked before it was taken in, so every line is one.
            if isinstance(line, Line):
                yield name_row(_of_side(line.taught, side))


def _of_side(taught: Taught, side: Side) -> Taught:
    return replace(taught, conversation_id=f"{side.value}-{taught.conversation_id}")


def _kind(named: Named) -> Kind:
    if isinstance(named.row, Lesson):
        return "sft"
    return "votes" if isinstance(named.row, Rated) else "pairs"


def _check_labels(rows: list[Named]) -> None:
    labels = {named.row.is_good for named in rows if isinstance(named.row, Rated)}
    if len(labels) == 1:
        raise InvalidFile(
            "holds labels of one kind only, from which nothing can be learnt",
            subject="training file",
            remedy=REMEDY,
            param="training_file",
        )
