"""What is done before the chain: a judge is trained, and questions are answered whose answers are then imitated.

In: rows as tokens, and the dataset's questions. Out: the rows with those that were made among them, and a line for each
of these methods in `stages.json`. None of them can fail a run: what is not to be had is told, and the chain learns from
what there is. Started again, it takes what is there.
"""

import gc
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from nightschool.errors import TrainingFailed
from nightschool.methods import CHAIN
from tune.lessons import Lessons, Reader
from tune.made import Made
from tune.methods.chain import count_rows, line_of, plan
from tune.methods.rejection import Rejection
from tune.methods.reward import RewardStage, read_agreement
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
    """`lessons` with the rows that were made. Raises InvalidInput where there is nothing to train on."""
    asked = reader.questions(dataset, max_tokens=recipe.max_tokens - ROOM)
    choices = choose_stages(recipe, count_rows(lessons, questions=len(asked)))
    courses = plan(choices, lessons, recipe)
    before = {choice.method: choice for choice in choices if choice.method not in CHAIN}
    for choice in before.values():
        if not choice.runs:
            _tell(team, run, line_of(choice, run, ran=False, remarks=()))
    if before["reward"].runs and not any(line.method == "reward" for line in team.of_first(read_stages(run))):
        judge = RewardStage(lessons, recipe, courses["reward"], run=run, device=device, team=team)
        _attempt(run, before["reward"], lambda: judge.train(None), remarks=lambda _: judge.remarks, team=team)
    if before["rejection"].runs and (why_not := distrust(run, recipe)):
        _tell(team, run, line_of(before["rejection"], run, ran=False, remarks=(why_not,)))
    elif before["rejection"].runs:
        house = House.of(row.messages for row in read_sft_rows(dataset / TRAIN))
        rejection = Rejection(recipe, reader, run=run, device=device, house=house)

        def make() -> Made:
            # Never more than people wrote: what a model made of itself is not to be most of what it learns.
            return rejection.make(asked, by=find_speaker(recipe), most=len(lessons.imitated))

        made = _attempt(
            run, before["rejection"], lambda: team.by_first(make), remarks=lambda made: (made.describe(),), team=team
        )
        return _add(lessons, made, reader, weight=recipe.made_weight)
    return lessons


def distrust(run: Path, recipe: Recipe) -> str:
    """Why nothing is to go by the run's reward model; empty where it may."""
    agreement = read_agreement(run)
    if agreement is None:
        return "no reward model was trained this night"
    if agreement.pairs and agreement.bounds[0] >= recipe.reward_min_agreement:
        return ""
    return (
        f"the reward model {agreement.describe()}; recipe.reward_min_agreement asks for "
        f"{recipe.reward_min_agreement:.0%} as the lower end"
    )


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
