"""A record full of made-up talks: many people, short talks, much the same texts, a vote on each tenth answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from collect.conversations import Told, record_turns
from collect.feedback import Opinion, Said, record_opinions
from collect.store import Cursor, Store, open_store
from nightschool.records import BotName, Conversation, Message, Source, Vote

BOT: Final = BotName("support")
BEGUN_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
TURNS_A_TALK: Final = 2
OWNERS: Final = 20_000
AT_ONCE: Final = 512
VOTED_SHARE: Final = 0.1
TEXT: Final = "Where is my order? I have been waiting for it since last week, and nobody answers my mails. " * 2


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Store]:
    async with open_store(folder / "record.duckdb", temp=folder / "temp", memory_gib=2, threads=2) as store:
        yield store


def turn(number: int, prefix: str = "") -> Told:
    """A question and its answer; every other one goes on with the conversation of the one before."""
    talk_number, place = divmod(number, TURNS_A_TALK)
    at = BEGUN_AT + timedelta(seconds=number)
    name = f"{prefix}talk-{talk_number}"
    talk = Conversation(name, BOT, f"browser:{talk_number % OWNERS}", Source.CHAT, f"Order {talk_number}", at)
    asked, said = f"{prefix}asked-{number}", answer_id(number, prefix)
    before = answer_id(number - 1, prefix) if place else None
    question = Message(asked, name, BOT, before, "user", f"{number}: {TEXT}", Source.CHAT, at)
    answer = Message(said, name, BOT, asked, "assistant", f"{TEXT} {number}", Source.CHAT, at, version=1)
    return Told(talk, (question, answer))


def answer_id(number: int, prefix: str = "") -> str:
    return f"{prefix}said-{number}"


async def fill(store: Store, *, messages: int) -> None:
    for start in range(0, messages // 2, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, messages // 2))
        await store.write(partial(_keep_turns, turns=[turn(number) for number in numbers]))
        said = [
            Said(answer_id(number), f"browser:{number}", Opinion(Vote.DOWN if number % 30 else Vote.UP), BEGUN_AT)
            for number in numbers
            if number % round(1 / VOTED_SHARE) == 0
        ]
        await store.write(partial(_keep_votes, said=said))


def _keep_turns(cursor: Cursor, *, turns: list[Told]) -> None:
    record_turns(cursor, turns)


def _keep_votes(cursor: Cursor, *, said: list[Said]) -> None:
    record_opinions(cursor, said)
