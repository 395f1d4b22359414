"""What a bot's file orders: a recipe for `tune`, rules for `eval`, and how much data a night wants.

The rooms below know no bots; here their own words are filled in from the bot's. Pure.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from deploy.rollout import Route
from eval.answers import Contestant
from eval.rules import GateRules
from nightschool.bots import Bot
from nightschool.records import BASE, Adapter, Cycle, Outcome, Sampling
from tune.dataset import DatasetSummary
from tune.recipe import Recipe


def recipe_of(bot: Bot, *, base_model: str, dataset: Path) -> Recipe:
    """How the night trains."""
    wanted = bot.recipe
    return Recipe(
        base_model=base_model,
        dataset=str(dataset),
        epochs=wanted.epochs,
        learning_rate=wanted.learning_rate,
        rank=wanted.rank,
        alpha=wanted.alpha,
        batch_size=wanted.batch_size,
        micro_batch_size=wanted.micro_batch_size,
        max_tokens=wanted.max_tokens,
        seed=wanted.seed,
    )


def rules_of(bot: Bot) -> GateRules:
    """What the candidate must show."""
    return GateRules(**bot.gate.model_dump(), seed=bot.recipe.seed)


def sampling_of(bot: Bot) -> Sampling:
    """How contestants answer: greedily, since their answers are compared."""
    return Sampling(temperature=0.0, top_p=1.0, max_tokens=bot.sampling.max_tokens)


def shortfall(bot: Bot, data: DatasetSummary, *, force: bool = False) -> str | None:
    """Why a night with this dataset would not train; `force` trains also where nothing is new."""
    recipe, gate = bot.recipe, bot.gate
    if data.train_rows < recipe.min_examples:
        return f"{data.train_rows} training rows; recipe.min_examples asks for {recipe.min_examples}"
    if data.held_out_conversations < gate.min_conversations:
        return (
            f"{data.held_out_conversations} held-out conversations; "
            f"gate.min_conversations asks for {gate.min_conversations}"
        )
    if data.new_rows < recipe.min_new_examples and not force:
        return (
            f"{data.new_rows} rows that the newest adapter has not seen; "
            f"recipe.min_new_examples asks for {recipe.min_new_examples}"
        )
    return None


def insufficient(cycle: Cycle, data: DatasetSummary, why: str) -> Cycle:
    """The cycle, decided: production stays."""
    return replace(
        cycle,
        outcome=Outcome.INSUFFICIENT_DATA,
        reasons=(f"Not enough data: {why}. Production stays.",),
        figures_json=json.dumps({key: value for key, value in data.model_dump().items() if isinstance(value, int)}),
    )


def contestants(candidate: Adapter, *, production: Route) -> Mapping[str, Contestant]:
    """Who is compared."""
    return {
        "base": Contestant(label="base", model=BASE, content_hash=""),
        "production": Contestant(label="production", model=production.model, content_hash=production.adapter_hash),
        "candidate": Contestant(label="candidate", model=str(candidate.name), content_hash=candidate.content_hash),
    }
