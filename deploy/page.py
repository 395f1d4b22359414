"""The page of a night's exam for the browser: what the exam found, and beside it what only the night knows.

Reads the night's folder and the record's evaluations. Does not draw (`eval.page`) and decides nothing.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from pydantic import ValidationError

from collect.registry import Evaluation
from deploy.morning import date_of
from deploy.plan import NightFolder
from eval.background import Background, Fact, NightPoint
from eval.findings import Measured, read_findings
from eval.page import write_page
from nightschool.errors import InvalidInput, NotFound
from nightschool.files import MANIFEST
from nightschool.records import Cycle
from tune.progress import describe_seconds
from tune.stages import StageLine, read_stages

MOST_NIGHTS: Final = 30
"""That a page tells of."""


def write_exam_page(folder: NightFolder, cycle: Cycle, *, judged: Sequence[Evaluation], headline: str) -> None:
    """Leave report.html and report.json beside the morning page; nothing where the night came to no exam.

    `judged` are the bot's evaluations, newest first.
    """
    if not (folder.evaluation / MANIFEST).exists():
        return
    with suppress(InvalidInput, NotFound):
        findings = read_findings(folder.evaluation)
        background = Background(
            title=f"{cycle.bot}: the night of {date_of(cycle)}",
            asides=(headline,),
            learnt=tuple(_learnt(folder)),
            costs=tuple(_costs(folder, cycle)),
            nights=tuple(_point(evaluation) for evaluation in reversed(judged[:MOST_NIGHTS])),
        )
        write_page(folder.root, findings, background=background)


def _learnt(folder: NightFolder) -> Iterator[Fact]:
    data, terms = folder.read_dataset(), folder.read_terms()
    if data:
        yield Fact(term="Rows to imitate", value=f"{data.train_rows}, {data.new_rows} of them new")
        yield Fact(term="Pairs and votes", value=f"{data.pairs} pairs, {data.votes} votes")
        held_out = f"{data.held_out_rows} rows of {data.held_out_conversations} conversations"
        yield Fact(term="Kept for the exam", value=held_out)
        yield Fact(term="Dataset", value=data.content_hash[:16])
    for stage in _stages(folder):
        said = f"{stage.rows} rows, {stage.steps} steps" if stage.ran else "left out"
        yield Fact(term=stage.method, value=f"{said}: {stage.why}")
    if terms:
        recipe = terms.bot.recipe
        yield Fact(term="Adapter", value=f"{recipe.adapter}, rank {recipe.rank}, from {recipe.start}")


def _costs(folder: NightFolder, cycle: Cycle) -> Iterator[Fact]:
    for stage in _stages(folder):
        if stage.steps:
            yield Fact(term=f"Training by {stage.method}", value=describe_seconds(stage.seconds))
    with suppress(FileNotFoundError):
        # The sitting is written when an exam begins, the manifest when it is over.
        exam = folder.exam
        seconds = (exam.evaluation / MANIFEST).stat().st_mtime - exam.sitting_file.stat().st_mtime
        yield Fact(term="The exam", value=describe_seconds(max(seconds, 0.0)))
    if cycle.finished_at:
        yield Fact(
            term="The whole night", value=describe_seconds((cycle.finished_at - cycle.started_at).total_seconds())
        )


def _stages(folder: NightFolder) -> Sequence[StageLine]:
    with suppress(ValidationError, InvalidInput):
        return read_stages(folder.run)
    return ()


def _point(evaluation: Evaluation) -> NightPoint:
    figures: Mapping[str, float] = json.loads(evaluation.figures_json)
    low, mean, high = (figures.get(f"gain_{end}") for end in ("low", "mean", "high"))
    scores = {label: figures.get(f"{label}_token_f1") for label in ("base", "production", "candidate")}
    return NightPoint(
        night=f"{evaluation.evaluated_at:%Y-%m-%d}",
        candidate=f"{evaluation.bot}@{evaluation.candidate}",
        outcome=evaluation.outcome,
        gain=Measured(value=mean, low=low, high=high),
        scores={label: score for label, score in scores.items() if score is not None},
    )
