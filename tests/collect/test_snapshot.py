"""What a night is given: one bot's rows in the columns that training reads, of one moment, and reproducible."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq

from collect.reviews import record_review
from collect.snapshot import write_snapshot
from collect.store import Cursor, Store
from nightschool.files import verify
from nightschool.records import Feedback, Message, Review, Vote

from .conftest import AT, BOT, AddTurn, give

Tell = Callable[..., list[Message]]
TIME = "timestamp[us, tz=UTC]"
COLUMNS = {
    "conversations": {
        "conversation_id": "string",
        "owner": "string",
        "source": "string",
        "created_at": TIME,
        "is_held_out": "bool",
        "topic": "string",
        "side": "string",
    },
    "messages": {
        "message_id": "string",
        "conversation_id": "string",
        "parent_id": "string",
        "role": "string",
        "content": "string",
        "source": "string",
        "created_at": TIME,
        "version": "int32",
        "adapter_hash": "string",
        "finish": "string",
        "weight": "int32",
    },
    "feedback": {
        "message_id": "string",
        "voter": "string",
        "vote": "string",
        "reasons": "list<element: string>",
        "comment": "string",
        "ideal_answer": "string",
        "voted_at": TIME,
        "address": "string",
        "is_released": "bool",
        "is_kept_out": "bool",
    },
    "reviews": {
        "message_id": "string",
        "reviewer": "string",
        "approved": "bool",
        "corrected_answer": "string",
        "tags": "list<element: string>",
        "reviewed_at": TIME,
    },
}


def test_the_files_hold_the_bots_rows_in_the_agreed_columns(cursor: Cursor, tell: Tell, tmp_path: Path) -> None:
    _, said = tell()
    tell("Whose?", bot="reviewer")
    give(cursor, Feedback(said.message_id, BOT, "browser:ada", Vote.UP, ("kind",), "", "", AT))
    record_review(cursor, review=Review(said.message_id, BOT, "boss", True, "", ("tone",), AT))
    manifest = write_snapshot(cursor, bot=BOT, folder=tmp_path / "snapshot", at=AT)
    assert verify(tmp_path / "snapshot") == manifest
    assert manifest.kind == "snapshot"
    tables = {name: pq.read_table(tmp_path / "snapshot" / f"{name}.parquet") for name in COLUMNS}
    assert {name: {f.name: str(f.type) for f in table.schema} for name, table in tables.items()} == COLUMNS
    assert {name: table.num_rows for name, table in tables.items()} == {
        "conversations": 1,
        "messages": 2,
        "feedback": 1,
        "reviews": 1,
    }
    assert tables["messages"]["content"].to_pylist() == ["Where is my parcel?", "On its way."]


def test_what_came_later_is_not_in_it(cursor: Cursor, tell: Tell, tmp_path: Path) -> None:
    tell()
    before = write_snapshot(cursor, bot=BOT, folder=tmp_path / "before", at=AT)
    tell(at=AT + timedelta(seconds=1))
    assert write_snapshot(cursor, bot=BOT, folder=tmp_path / "after", at=AT).content_hash == before.content_hash


def test_a_talk_that_began_while_the_clock_ran_ahead_is_in_it_whole(cursor: Cursor, tell: Tell, tmp_path: Path) -> None:
    ahead = tell("Where?", "Here.", at=AT + timedelta(hours=2))
    after = tell("And now?", "There.", after=ahead[-1], at=AT)
    write_snapshot(cursor, bot=BOT, folder=tmp_path, at=AT)
    talks, said = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("conversations", "messages"))
    assert talks["conversation_id"].to_pylist() == [ahead[0].conversation_id]
    assert said["message_id"].to_pylist() == [message.message_id for message in (*ahead, *after)]


def test_a_snapshot_taken_anew_speaks_for_its_own_files(cursor: Cursor, tell: Tell, tmp_path: Path) -> None:
    tell()
    first = write_snapshot(cursor, bot=BOT, folder=tmp_path, at=AT)
    tell()
    second = write_snapshot(cursor, bot=BOT, folder=tmp_path, at=AT)
    assert first.content_hash != second.content_hash
    assert verify(tmp_path) == second


async def test_a_reader_takes_it_from_the_locked_store(store: Store, add_turn: AddTurn, tmp_path: Path) -> None:
    await add_turn("Where?", "Here.")
    folder = tmp_path / "elsewhere"
    await store.read(lambda cursor: write_snapshot(cursor, bot=BOT, folder=folder, at=AT))
    schema = pq.read_schema(folder / "messages.parquet")
    assert str(schema.field("created_at").type) == TIME
