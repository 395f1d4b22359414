"""Who answers beside production, by the bot's file and by what the record says of it."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from nightschool.echo import EchoEngine
from nightschool.errors import EngineError
from nightschool.records import Adapter, BotName, Stage
from serve.duels import view_side_by_side
from serve.opponents import PAUSE_S, Opponents
from serve.parts import Parts

Register = Callable[..., Awaitable[Adapter]]
BOT = BotName("support")


def ask_of_half(parts: Parts, wanted: str) -> None:
    file = parts.settings.bots / "support.toml"
    order = file.read_text().partition("[feedback]")[0]
    file.write_text(f"{order}[feedback]\nside_by_side_share = 0.5\nside_by_side_with = {wanted}\n")
    parts.shelf.look()


async def found(parts: Parts) -> tuple[str, str]:
    """Who would answer, and what an operator is told."""
    bot = parts.shelf.find("support")
    route = await parts.opponents.find(bot)
    return str(route.name) if route else "", await parts.opponents.problem(bot)


@pytest.fixture
async def two_versions(parts: Parts, register: Register) -> Register:
    """Version 2 is production, and 1 was before."""
    for version in (1, 2):
        await register("support", version=version)
        await parts.rollout.promote(BOT, version=version, actor="ada", reason="better")
    return register


@pytest.mark.usefixtures("two_versions")
@pytest.mark.parametrize(
    ("wanted", "who", "problem"),
    [
        ('"base"', "support@base", ""),
        ('"previous"', "support@1", ""),
        ("1", "support@1", ""),
        ("2", "", "support@2 is production itself"),
        ("7", "", "support@7: does not exist"),
    ],
)
async def test_the_file_says_who(parts: Parts, wanted: str, who: str, problem: str) -> None:
    ask_of_half(parts, wanted)
    name, told = await found(parts)
    assert name == who
    assert told.startswith(problem)
    assert bool(told) == bool(problem)
    assert (await view_side_by_side(parts.store, parts.opponents, parts.shelf.find("support"))).problem == told


async def test_a_bot_that_the_base_model_answers_for_has_nobody_beside_it(parts: Parts) -> None:
    for wanted in ('"base"', '"previous"'):
        ask_of_half(parts, wanted)
        assert await found(parts) == ("", "support@base is production itself")


@pytest.mark.usefixtures("two_versions")
async def test_what_was_rolled_back_answers_nobody_this_way_either(parts: Parts) -> None:
    ask_of_half(parts, "2")
    await parts.rollout.rollback(BOT, actor="ada", reason="it invents prices")
    name, told = await found(parts)
    assert name == ""
    assert "support@2: was rolled back. Name another in feedback.side_by_side_with." in told
    # Behind version 1 stands the base model.
    ask_of_half(parts, '"previous"')
    assert (await found(parts))[0] == "support@base"


@pytest.mark.usefixtures("two_versions")
async def test_what_had_learnt_what_was_erased_answers_nobody(parts: Parts, two_versions: Register) -> None:
    adapter = await two_versions("support", version=3)
    await parts.rollout.taint(adapter, actor="ada", reason="erased")
    ask_of_half(parts, "3")
    name, told = await found(parts)
    assert (name, "is tainted" in told) == ("", True)


@pytest.mark.usefixtures("two_versions")
async def test_a_version_that_cannot_be_loaded_is_told_and_not_tried_at_every_turn(
    parts: Parts, two_versions: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    await two_versions("support", version=3, stage=Stage.RETIRED)
    tried: list[str] = []

    async def refuse(_: EchoEngine, name: str, __: Path) -> None:
        tried.append(name)
        raise EngineError("has no room", subject=name, remedy="Raise engine.max_adapters.")

    monkeypatch.setattr(EchoEngine, "load_adapter", refuse)
    ask_of_half(parts, "3")
    now_s = [0.0]
    opponents, bot = Opponents(parts.store, parts.rollout, clock=lambda: now_s[0]), parts.shelf.find("support")
    for _ in range(3):
        assert await opponents.find(bot) is None
    assert "has no room" in await opponents.problem(bot)
    assert tried == ["support@3"]
    monkeypatch.undo()
    now_s[0] = PAUSE_S + 1
    route = await opponents.find(bot)
    assert route is not None
    assert (str(route.name), await opponents.problem(bot)) == ("support@3", "")
    await opponents.close()
