"""What is done before the chain: a judge is trained, and questions are answered whose answers are then imitated.

In: rows as tokens, and the dataset's questions. Out: the rows with those that were made among them, and a line for each
of these methods in `stages.json`. None of them can fail a run: what is not to be had is told, and the chain learns from
what there is. Started again, it takes what is there.
"""

import gc
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from nightschool.errors import TrainingFailed
from nightschool.methods import CHAIN, MAKING, RUNS
from tune.agreement import distrust
from tune.decontaminate import Turn, exam_turns
from tune.distill import Distillation
from tune.lessons import Lessons, Reader
from tune.made import Made, read_made
from tune.methods.chain import count_rows, line_of, plan
from tune.methods.rejection import Rejection
from tune.methods.reward import RewardStage
from tune.recipe import Recipe
from tune.rows import TRAIN, read_sft_rows
from tune.sound import House
from tune.stages import Choice, StageLine, choose_stages, read_stages, tell
from tune.start import find_speaker
from tune.team import Team

log = logging.getLogger(__name__)

T = TypeVar("T")

ROOM: Final = 48
"""Tokens that a question leaves for its answer, at least."""


def prepare(
    lessons: Lessons, recipe: Recipe, reader: Reader, dataset: Path, *, run: Path, device: str, team: Team = Team()
) -> Lessons:
    """`lessons` with the questions, and with the rows that were made. Raises InvalidInput where there is nothing to
    train on."""
    asked = reader.questions(dataset, max_tokens=recipe.max_tokens - ROOM)
    lessons = replace(lessons, asked=tuple(asked))
    choices = choose_stages(recipe, count_rows(lessons))
    courses = plan(choices, lessons, recipe)
    before = {choice.method: choice for choice in choices if choice.method not in CHAIN}
    for choice in before.values():
        if not choice.runs:
            _tell(team, run, line_of(choice, run, ran=False, remarks=()))
    if before["reward"].runs and not any(line.method == "reward" for line in team.of_first(read_stages(run))):
        judge = RewardStage(lessons, recipe, courses["reward"], run=run, device=device, team=team)
        _attempt(run, before["reward"], lambda: judge.train(None), remarks=lambda _: judge.remarks, team=team)
    for method in RUNS:
        if method in MAKING and before[method].runs:
            made = _make(before[method], lessons, recipe, reader, run=run, device=device, team=team)
            lessons = _add(lessons, made, reader, weight=recipe.made_weight)
    return lessons


def _make(
    choice: Choice, lessons: Lessons, recipe: Recipe, reader: Reader, *, run: Path, device: str, team: Team
) -> Made | None:
    """What a method makes of the questions, and a line of it; None where it makes nothing."""
    if choice.method == "rejection" and (why_not := distrust(run, recipe)):
        _tell(team, run, line_of(choice, run, ran=False, remarks=(why_not,)))
        return None

    def exam() -> Iterable[Turn]:
        return exam_turns(Path(recipe.dataset), map(Path, recipe.suites))

    def make() -> Made:
        house = House.of(row.messages for row in read_sft_rows(Path(recipe.dataset) / TRAIN))
        # Never more than people wrote: what machines made is not to be most of what is learnt.
        most = len(lessons.imitated) - 2 * lessons.made
        if choice.method == "distill":
            return Distillation(recipe, reader, run=run, house=house, exam=exam).make(lessons.asked, most=most)
        taught = {row.item_id for row in distilled.rows} if (distilled := read_made(run, "distill")) else set()
        left = [one for one in lessons.asked if one.row.item_id not in taught]
        rejection = Rejection(recipe, reader, run=run, device=device, house=house, exam=exam)
        return rejection.make(left, by=find_speaker(recipe), most=most)

    return _attempt(run, choice, lambda: team.by_first(make), remarks=_describe, team=team)


def _describe(made: Made) -> Sequence[str]:
    return (made.describe(),)


def _attempt(
    run: Path, choice: Choice, do: Callable[[], T], *, remarks: Callable[[T], Sequence[str]], team: Team
) -> T | None:
    """What `do` gives, and a line of it; None where it fails."""
    try:
        done = do()
    except TrainingFailed as error:
        log.warning("phase=%s is given up: %s", choice.method, error.problem)
        _tell(team, run, line_of(choice, run, ran=False, remarks=(f"given up: {error.problem}",)))
        return None
    finally:
        gc.collect()  # or two models would be in memory at once
    _tell(team, run, line_of(choice, run, ran=True, remarks=remarks(done)))
    return done


def _tell(team: Team, run: Path, line: StageLine) -> None:
    if team.is_first:
        tell(run, line)


def _add(lessons: Lessons, made: Made | None, reader: Reader, *, weight: float) -> Lessons:
    rows = [reader.answered(f"made-{row.item_id}", row.prompt, row.answer) for row in (made.rows if made else ())]
    return lessons.with_made([row for row in rows if row is not None], weight=weight)
