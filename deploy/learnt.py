"""What a training says of itself, for the morning page: which methods ran and why, what was cut, what time forbade.

Reads the files that the trainer left in its run folder; of what is not there, or not whole, nothing is said.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from nightschool.errors import InvalidInput
from tune.lessons import ENCODING
from tune.pace import read_bends
from tune.progress import describe_seconds
from tune.run_record import describe_share, read_run_record
from tune.stages import read_stages

WORDS: Final = (
    ("truncated_rows", "lost passages or their oldest turns to recipe.max_tokens"),
    ("too_long_rows", "were too long for it and left out"),
    ("equal_rows", "had answers that are the same to the model and were left out"),
    ("neutralised_rows", "held control tokens of the chat template, which were broken up"),
)


class _Cut(BaseModel):
    """What became of the rows of one kind when they were made tokens; `tune.lessons` writes more than is told."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    truncated_rows: int = 0
    too_long_rows: int = 0
    equal_rows: int = 0
    neutralised_rows: int = 0


class _Encoding(_Cut):
    pairs: _Cut = _Cut()
    votes: _Cut = _Cut()


def describe_run(run: Path) -> list[str]:
    """Lines of Markdown; none of a run that never began."""
    lines: list[str] = []
    for describe in (_stages, _share, _cuts, _time):
        with suppress(ValidationError, InvalidInput):
            lines += list(describe(run))
    return lines


def _stages(run: Path) -> Iterator[str]:
    stages = read_stages(run)
    if not stages:
        return
    yield from ("## What it learnt by", "", "| method | | rows | steps | time | why |", "|---|---|---|---|---|---|")
    for stage in stages:
        ran = "ran" if stage.ran else "given up" if stage.steps else "left out"
        time = describe_seconds(stage.seconds) if stage.steps else ""
        why = stage.why.replace("|", "\\|").replace("\n", " ")
        yield f"| {stage.method} | {ran} | {stage.rows} | {stage.steps} | {time} | {why} |"
    yield ""


def _share(run: Path) -> Iterator[str]:
    record = read_run_record(run)
    if record is not None and record.share_held is not None:
        yield from (describe_share(record.share_held), "")


def _cuts(run: Path) -> Iterator[str]:
    if not (run / ENCODING).exists():
        return
    encoding = _Encoding.model_validate_json((run / ENCODING).read_bytes())
    kinds = {"rows to imitate": encoding, "pairs": encoding.pairs, "votes": encoding.votes}
    told = [
        f"- {count} {kind} {words}."
        for kind, cut in kinds.items()
        for name, words in WORDS
        if (count := getattr(cut, name))
    ]
    if told:
        yield from ("## What was cut", "", *told, "")


def _time(run: Path) -> Iterator[str]:
    newest = {bend.phase: bend for bend in read_bends(run)}
    for phase, bend in newest.items():
        if bend.steps < bend.planned:
            yield f"The time until the deadline did for {bend.steps} of the {bend.planned} steps that {phase} planned."
            yield ""
