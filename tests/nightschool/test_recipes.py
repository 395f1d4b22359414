"""The recipes in the docs are bots' files and settings that a server takes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from nightschool.bots import Bot, load_bot
from nightschool.settings import Settings, load_settings

PAGE = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text()


class Taken(NamedTuple):
    bot: Bot
    settings: Settings


@pytest.fixture
def recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Taken]:
    monkeypatch.chdir(tmp_path)
    return list(_take(tmp_path))


def _take(folder: Path) -> Iterator[Taken]:
    """Each section's two files, written where their first lines say and read as the server does."""
    for section in PAGE.split("\n## ")[1:]:
        blocks = dict(re.findall(r"```toml\n# (\S+)\n(.*?)```", section, re.DOTALL))
        assert blocks.keys() == {"nightschool.toml", "bots/support.toml"}
        for name, text in blocks.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        yield Taken(load_bot(folder / "bots" / "support.toml"), load_settings().settings)


def test_each_is_taken_and_the_engine_can_serve_what_it_trains(recipes: list[Taken]) -> None:
    models = [recipe.settings.engine.model for recipe in recipes]
    assert models == [None, "Qwen/Qwen3-0.6B", "Qwen/Qwen3-4B", "Qwen/Qwen3-8B"]
    assert all(recipe.bot.recipe.rank <= recipe.settings.engine.max_lora_rank for recipe in recipes)
    assert [recipe.bot.recipe.adapter for recipe in recipes] == ["lora", "lora", "lora", "qlora"]
    assert all(recipe.bot.recipe.micro_batch_size == 0 for recipe in recipes), "planned from memory"


def test_what_we_did_not_run_is_marked(recipes: list[Taken]) -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(recipes)
    assert [row.split("|")[4].split(":")[0].strip() for row in rows] == ["yes", "no", "no", "no"]
