"""Which methods a run uses and what became of each, chosen by what there is to learn from.

In: the recipe's methods and minimums, and how many rows were left once they were tokens. Out: `stages.json` in the run
folder, a line for each method, for the morning page and the console to read. Imports no torch.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict, TypeAdapter

from nightschool.files import write_atomic
from nightschool.methods import METHODS, Method
from tune.recipe import Recipe

STAGES: Final = "stages.json"


class StageLine(BaseModel):
    """What became of one method."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    method: Method
    ran: bool
    """Whether it took its steps; not where it was given up."""
    why: str
    """In a person's words: why it ran or did not, and what went otherwise than ordered."""
    rows: int
    """Rows that it could learn from."""
    steps: int
    """Optimizer steps it took."""
    seconds: float
    """Of these steps."""


class Choice(NamedTuple):
    method: Method
    runs: bool
    why: str
    rows: int


class RowCounts(NamedTuple):
    """Training rows, as they are left after encoding."""

    lessons: int
    pairs: int
    good: int
    bad: int
    questions: int = 0
    """That nobody answered well."""
    made: int = 0
    """Lessons whose answer a machine made."""
    replayed: int = 0
    """Of the lessons, general rows that are none of the bot's."""
    skipped: int = 0
    """Lessons left out, since they are known already."""
    distrust: str = ""
    """Why nothing is to go by the reward model; empty where it may, or where that is not known yet."""


def choose_stages(recipe: Recipe, counts: RowCounts) -> tuple[Choice, ...]:
    """For each method, in their order, whether it is used. Pure."""
    found = {
        "sft": _choose_sft(counts),
        "dpo": _choose_by_pairs(recipe, counts, "dpo"),
        "kto": _choose_kto(recipe, counts),
        "reward": _choose_by_pairs(recipe, counts, "reward"),
        "rejection": _choose_by_questions(counts, "rejection"),
        "distill": _choose_by_questions(counts, "distill"),
        "grpo": _choose_grpo(recipe, counts),
    }
    return tuple(
        found[method]
        if method in recipe.methods
        else Choice(method, runs=False, why="recipe.methods leaves it out", rows=found[method].rows)
        for method in METHODS
    )


def _choose_sft(counts: RowCounts) -> Choice:
    if not counts.lessons:
        return Choice("sft", runs=False, why="no row", rows=0)
    why = f"{counts.lessons} rows with answers to imitate"
    made = f", {counts.made} of them made by a machine" if counts.made else ""
    replayed = f", {counts.replayed} of them replay" if counts.replayed else ""
    skipped = f"; {counts.skipped} more are known already (recipe.skip_loss)" if counts.skipped else ""
    return Choice("sft", runs=True, why=why + made + replayed + skipped, rows=counts.lessons)


def _choose_by_pairs(recipe: Recipe, counts: RowCounts, method: Method) -> Choice:
    why = f"{counts.pairs} pairs; recipe.min_pairs asks for {recipe.min_pairs}"
    return Choice(method, counts.pairs >= recipe.min_pairs, why, counts.pairs)


def _choose_kto(recipe: Recipe, counts: RowCounts) -> Choice:
    votes = counts.good + counts.bad
    why = f"{votes} votes; recipe.min_votes asks for {recipe.min_votes}"
    runs = votes >= recipe.min_votes
    if runs:
        # Votes of one kind alone say nothing about what is better than what.
        why = (
            f"{counts.good} votes up and {counts.bad} down; "
            f"recipe.min_votes_each asks for {recipe.min_votes_each} of either kind"
        )
        runs = min(counts.good, counts.bad) >= recipe.min_votes_each
    return Choice("kto", runs, why, votes)


def _choose_by_questions(counts: RowCounts, method: Method) -> Choice:
    return Choice(method, counts.questions > 0, f"{counts.questions} questions without a good answer", counts.questions)


def _choose_grpo(recipe: Recipe, counts: RowCounts) -> Choice:
    why = f"{counts.questions} questions without a good answer; recipe.min_questions asks for {recipe.min_questions}"
    no_adapter = "it learns by an adapter only, and recipe.adapter is full" if recipe.adapter == "full" else ""
    against = [words for words in (no_adapter, counts.distrust) if words]
    runs = counts.questions >= recipe.min_questions and not against
    return Choice("grpo", runs, "; ".join((why, *against)), counts.questions)


_LINES: Final = TypeAdapter(list[StageLine])


def write_stages(run: Path, lines: Sequence[StageLine]) -> None:
    write_atomic(run / STAGES, json.dumps([line.model_dump() for line in lines], indent=2) + "\n")


def read_stages(run: Path) -> list[StageLine]:
    """What is known so far, in the order of the chain; nothing of a run that has not encoded its rows yet."""
    file = run / STAGES
    return _LINES.validate_json(file.read_bytes()) if file.exists() else []


def tell(run: Path, line: StageLine) -> None:
    """Put the line in its place among those that stand there; one of the same method stays as it is."""
    told = {line.method: line, **{known.method: known for known in read_stages(run)}}
    write_stages(run, [told[method] for method in METHODS if method in told])
