"""A record in memory for questions and changes, and one in a file for what must outlive a process.

cursor   a migrated record in memory
tell     a question and its answer in that record: `question, answer = tell("Where is it?", "Here.")`; with
         `after=answer` in the same conversation
store    an open store in the test's own folder
add_turn a turn in that store: `talk, asked, said = await add_turn("Where?", "Here.")`; with `conversation=` and
         `parent=` in one that is there
"""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest

from collect.conversations import record_turn
from collect.feedback import Opinion, record_opinion
from collect.migrations.runner import migrate
from collect.store import Cursor, Store, open_store
from nightschool.records import BotName, Conversation, Feedback, Finish, Message, Source, new_id

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
BOT = BotName("support")


class AddedTurn(NamedTuple):
    conversation: Conversation
    asked: Message
    said: Message


AddTurn = Callable[..., Awaitable[AddedTurn]]


def give(cursor: Cursor, wanted: Feedback) -> Feedback:
    """Say at once all that `wanted` says; what stands afterwards."""
    said = Opinion(wanted.vote, wanted.reasons, wanted.comment, wanted.ideal_answer)
    return record_opinion(
        cursor, message_id=wanted.message_id, voter=wanted.voter, opinion=said, at=wanted.voted_at
    ).feedback


@pytest.fixture
def cursor() -> Iterator[Cursor]:
    with duckdb.connect() as connection:
        connection.execute("set global TimeZone = 'UTC'")
        migrate(connection)
        yield connection


@pytest.fixture
def tell(cursor: Cursor) -> Callable[..., list[Message]]:
    def tell(
        question: str = "Where is my parcel?",
        answer: str = "On its way.",
        *,
        bot: str = "support",
        owner: str = "browser:ada",
        source: Source = Source.CHAT,
        after: Message | None = None,
        at: datetime = AT,
    ) -> list[Message]:
        conversation_id = after.conversation_id if after else new_id()
        conversation = Conversation(conversation_id, BotName(bot), owner, source, question, at)
        parent_id = after.message_id if after else None
        asked = Message(new_id(), conversation_id, BotName(bot), parent_id, "user", question, source, at)
        said = Message(
            message_id=new_id(),
            conversation_id=conversation_id,
            bot=BotName(bot),
            parent_id=asked.message_id,
            role="assistant",
            content=answer,
            source=source,
            created_at=at,
            version=3,
            adapter_hash="abc",
            finish=Finish.STOP,
            prompt_tokens=12,
            completion_tokens=4,
            first_token_s=0.25,
            duration_s=1.5,
            sampling_json='{"temperature": 0.3}',
        )
        record_turn(cursor, conversation=conversation, messages=[asked, said])
        return [asked, said]

    return tell


@pytest.fixture
async def store(tmp_path: Path, blank_record: Path) -> AsyncIterator[Store]:
    file = shutil.copyfile(blank_record, tmp_path / "record.duckdb")
    async with open_store(file, temp=tmp_path / "temp", memory_gib=0.5, threads=1) as store:
        yield store


@pytest.fixture
def add_turn(store: Store) -> AddTurn:
    async def add_turn(
        question: str, answer: str, *, conversation: Conversation | None = None, parent: Message | None = None
    ) -> AddedTurn:
        talk = conversation or Conversation(new_id(), BOT, "browser:ada", Source.CHAT, question, AT)
        parent_id = parent.message_id if parent else None
        asked = Message(new_id(), talk.conversation_id, BOT, parent_id, "user", question, Source.CHAT, AT)
        said = Message(
            new_id(), talk.conversation_id, BOT, asked.message_id, "assistant", answer, Source.CHAT, AT, version=1
        )
        await store.write(partial(record_turn, conversation=talk, messages=[asked, said]))
        return AddedTurn(talk, asked, said)

    return add_turn
