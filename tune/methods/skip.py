"""Leave out rows to imitate that whoever answers people knows already: a tiny loss teaches next to nothing.

In: rows as tokens, and the adapter in production or the base model where none is live. Out: the rows less those whose
mean loss a token is below `recipe.skip_loss`, and `skipped.json` in the run folder, by which a run that is started
again leaves out the same. Losses are constants of who answers, so they are kept by row like a reference's. Never are
fewer than `recipe.min_examples` rows left: of those that are known the least known stay. Does not know methods.
"""

import gc
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from nightschool.identity import identify_base
from tune.encode import IGNORED, Encoded
from tune.learner import hash_weights, load_learner
from tune.lessons import Lessons
from tune.methods.arithmetic import Plain
from tune.methods.chain import REFERENCES
from tune.methods.frozen import measure_together
from tune.methods.memory import Appetite
from tune.methods.reference import ask_reference, one_by_one
from tune.methods.upper import describe
from tune.recipe import Recipe
from tune.skipped import Skipped, read_skipped, write_skipped
from tune.start import find_speaker
from tune.team import Team

ARITHMETIC: Final = "plain"


def skip_known(lessons: Lessons, recipe: Recipe, *, run: Path, device: str, team: Team = Team()) -> Lessons:
    """`lessons` less what is known too well. Decided once a run. Raises TrainingFailed for want of memory."""
    if not recipe.skip_loss or "sft" not in recipe.methods or not lessons.imitated:
        return lessons
    skipped = team.of_first(read_skipped(run))
    if skipped is None:
        losses = measure_losses(lessons.rows_of("sft"), recipe, run=run, device=device, team=team)
        gc.collect()  # or two models would be in memory at once
        skipped = choose_skipped(losses, recipe)
        if team.is_first:
            write_skipped(run, skipped)
    return lessons.without(skipped.item_ids)


def measure_losses(
    rows: Sequence[Encoded], recipe: Recipe, *, run: Path, device: str, team: Team = Team()
) -> Mapping[str, float]:
    """Mean loss a token of each item's answers, in nats, under the adapter in production or the base model."""
    speaker = find_speaker(recipe).folder
    # A whole model is served as its nearest adapter, so whoever answers is none.
    recipe = recipe.model_copy(update={"adapter": "qlora" if recipe.adapter == "qlora" else "lora"})
    model = load_learner(recipe, speaker, device=device).eval()
    measure = partial(
        measure_together, model, arithmetic=Plain(device), appetite=Appetite(recipe.micro_batch_size), team=team,
        where="what is known already",
    )  # fmt: skip
    made_by = describe(model, identify_base(recipe.base_model), ARITHMETIC)
    name = hash_weights(speaker)[:16] if speaker else "base"
    file = Path(recipe.kept or run) / REFERENCES / f"{made_by}-{name}.jsonl"
    found = ask_reference(file, rows, one_by_one(measure) if device == "cpu" else measure, team=team).of(rows)
    nats: dict[str, float] = {}
    tokens: dict[str, int] = {}
    for row, loss in zip(rows, found, strict=True):
        nats[row.item_id] = nats.get(row.item_id, 0.0) + loss
        tokens[row.item_id] = tokens.get(row.item_id, 0) + sum(label != IGNORED for label in row.labels)
    return {item_id: loss / tokens[item_id] for item_id, loss in nats.items()}


def choose_skipped(losses: Mapping[str, float], recipe: Recipe) -> Skipped:
    """The items below the threshold, the best known first, as far as enough is left. Pure."""
    known = sorted((loss, item_id) for item_id, loss in losses.items() if loss < recipe.skip_loss)
    most = max(0, len(losses) - max(recipe.min_examples, 1))
    return Skipped(
        loss=recipe.skip_loss, rows=len(losses), item_ids=tuple(sorted(item_id for _, item_id in known[:most]))
    )
