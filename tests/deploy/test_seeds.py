"""Each draw has a seed of its own: to try another start of training moves neither the exam nor the verdict."""

from pathlib import Path

from deploy.orders import recipe_of, rules_of
from nightschool.bots import Bot


def test_the_seeds_of_first_weights_split_and_bootstrap_are_three() -> None:
    parts = {"recipe": {"seed": 1, "split_seed": 2}, "gate": {"seed": 3}}
    bot = Bot.model_validate({"name": "fern", "title": "Fern", "system_prompt": "Help."} | parts)
    assert recipe_of(bot, base_model="base", dataset=Path("data")).seed == 1
    assert bot.recipe.split_seed == 2
    assert rules_of(bot).seed == 3
