"""What next turns give away orders what an operator looks at, and teaches nothing: no row, no byte, no import."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from collect.conversations import record_turn
from collect.migrations.runner import migrate
from collect.outcomes import Said, record_outcome
from collect.review_queue import list_queue
from collect.signals.deeds import keep_deed
from collect.signals.detect import DEEDS
from collect.signals.found import keep_span, look_at_span
from collect.signals.phrases import read_phrases
from collect.snapshot import write_snapshot
from collect.store import Cursor
from nightschool.records import BotName, Conversation, Finish, Message, Source
from tune.dataset import build_dataset

ROOT = Path(__file__).parents[1]
BOT = BotName("support")
AT = datetime(2026, 3, 1, tzinfo=UTC)
TALK = (
    ("Where is my refund?", "In the post."),
    ("That is not what I asked, where is my refund?", "Sorry."),
    ("I want to talk to a human", "You cannot."),
)


@pytest.fixture
def cursor() -> Iterator[Cursor]:
    with duckdb.connect() as connection:
        connection.execute("set global TimeZone = 'UTC'")
        migrate(connection)
        talk = Conversation("c", BOT, "browser:ada", Source.CHAT, "Refund", AT)
        parent = None
        for number, (question, answer) in enumerate(TALK):
            asked = Message(f"q{number}", "c", BOT, parent, "user", question, Source.CHAT, AT)
            said = Message(
                f"a{number}", "c", BOT, asked.message_id, "assistant", answer, Source.CHAT, AT, finish=Finish.STOP
            )
            parent = said.message_id
            record_turn(connection, conversation=talk, messages=[asked, said])
        yield connection


def listen(cursor: Cursor) -> None:
    span = look_at_span(cursor, phrases=read_phrases())
    assert span is not None
    keep_span(cursor, span=span)


def hashes(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.glob("*.parquet"))}


def test_a_conversation_with_signals_alone_teaches_nothing(cursor: Cursor, tmp_path: Path) -> None:
    write_snapshot(cursor, bot=BOT, folder=tmp_path / "before", at=AT)
    listen(cursor)
    assert {row.message_id for row in list_queue(cursor, now=AT)} == {"a0", "a1"}
    write_snapshot(cursor, bot=BOT, folder=tmp_path / "after", at=AT)
    assert hashes(tmp_path / "before") == hashes(tmp_path / "after")
    built = build_dataset(
        tmp_path / "after", tmp_path / "dataset", system_prompt="Be kind.", held_out_share=0.15, seed=17
    )
    assert (built.train_rows, built.held_out_rows, built.pairs, built.votes) == (0, 0, 0, 0)


def test_what_people_do_teaches_no_more_than_what_they_say(cursor: Cursor, tmp_path: Path) -> None:
    write_snapshot(cursor, bot=BOT, folder=tmp_path / "before", at=AT)
    for kind in DEEDS:
        keep_deed(cursor, kind=kind, message_id="a0", owner="browser:ada", at=AT)
    record_outcome(cursor, said=Said("c", "a2", BOT, is_resolved=True, said_at=AT))
    assert "a0" in {row.message_id for row in list_queue(cursor, now=AT)}
    write_snapshot(cursor, bot=BOT, folder=tmp_path / "after", at=AT)
    assert hashes(tmp_path / "before") == hashes(tmp_path / "after")


def test_who_trains_and_who_judges_know_nothing_of_signals() -> None:
    # The record's room is a floor's neighbour, which import-linter holds; a table of its snapshot would be a way in.
    snapshot = (ROOT / "collect" / "snapshot.py").read_text()
    assert "signal" not in snapshot
