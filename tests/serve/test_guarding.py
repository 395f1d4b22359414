"""A turn of a bot with documents: what people get where the engine invents, and what the record keeps of it."""

import json
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from pathlib import Path

import pytest

from collect import conversations
from nightschool.bots import Bot, load_bot
from nightschool.echo import EchoEngine
from nightschool.engine import ChatRequest, Delta
from nightschool.knowledge import Found, Passage
from nightschool.records import BotName, Finish
from serve.console.draw_status import draw_status
from serve.parts import Parts
from serve.status import read_status
from serve.turns import Turns

PLANS = Passage("a" * 16, "Plans", "", "Grove costs 4 euro a month.")
FILE = """
name = "support"
title = "Fern"
system_prompt = "You are Fern."
[knowledge]
folder = "pages"
guard = "{guard}"
"""


class InventingEngine(EchoEngine):
    """Says nine euros; asked again with one passage, what `second` says. Keeps what it was asked."""

    def __init__(self, second: str) -> None:
        super().__init__()
        self.second = second
        self.asked: list[str] = []

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        self.asked.append(request.messages[-1]["content"])
        for word in ("Grove ", "is ", "9 euros ", "a month. ", "Bye."):
            yield Delta(self.second if len(self.asked) > 1 else word)
            if len(self.asked) > 1:
                break
        yield Delta("", Finish.STOP, 11, 5)


def find_plans(_bot: BotName, _said: Sequence[str]) -> Found:
    return Found((PLANS,), (0.9,), "index-1")


def bot_with(guard: str, folder: Path) -> Bot:
    (folder / "support.toml").write_text(FILE.format(guard=guard))
    return load_bot(folder / "support.toml")


@pytest.mark.parametrize(
    ("guard", "second", "shown", "then"),
    [
        ("off", "", "Grove is 9 euros a month. Bye.", []),
        ("mark", "", "Grove is 9 euros a month. Bye.", ["marked"]),
        ("hold", "It is 4 euro.", "Grove is …\n\nIt is 4 euro.", ["second try"]),
        ("hold", "8 euro.", "Grove is …\n\nFrom our page on Plans: Grove costs 4 euro a month.", ["passage"]),
    ],
)
async def test_what_people_get_and_what_is_kept(
    parts: Parts, tmp_path: Path, *, guard: str, second: str, shown: str, then: list[str]
) -> None:
    engine = InventingEngine(second)
    turns = Turns(parts.store, engine, parts.rollout, metrics=parts.metrics, search=find_plans)
    turn = await turns.begin_chat(
        bot_with(guard, tmp_path), owner="browser:anna", conversation_id=None, text="What does it cost?"
    )
    assert "".join([delta.text async for delta in turns.answer(turn)]) == shown
    answer = await parts.store.read(partial(conversations.message, message_id=turn.answer_id))
    assert (answer.content, answer.finish) == (shown, Finish.STOP)
    held = json.loads(answer.held_json or "[]")
    assert [one["then"] for one in held] == then
    assert all(one["facts"] == ["figure 9 euro"] for one in held)
    assert len(engine.asked) == 1 + (guard == "hold")


@pytest.mark.parametrize(("guard", "told"), [("hold", "in 1 of 1 answers"), ("mark", "in 1 of 1 answers"), ("off", "")])
async def test_the_console_counts_what_was_held_back_by_version(
    parts: Parts, tmp_path: Path, *, guard: str, told: str
) -> None:
    turns = Turns(parts.store, InventingEngine(""), parts.rollout, metrics=parts.metrics, search=find_plans)
    turn = await turns.begin_chat(
        bot_with(guard, tmp_path), owner="browser:anna", conversation_id=None, text="What does it cost?"
    )
    _ = [delta async for delta in turns.answer(turn)]
    drawn = draw_status(await read_status(parts))
    assert ("Facts held back" in drawn) == bool(told)
    assert told in drawn
    if told:
        assert "<code>support@base</code>: in 1 of 1 answers" in drawn
