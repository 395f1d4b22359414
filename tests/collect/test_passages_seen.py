"""The night's snapshot says what the bot's documents hold for each question, as served or as found now."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq

from collect.conversations import record_turn
from collect.grounds import Grounds
from collect.passages_seen import FILE
from collect.snapshot import write_snapshot
from collect.store import Cursor
from nightschool.files import verify
from nightschool.knowledge import Found, Passage, key_of
from nightschool.records import BotName, Conversation, Feedback, Message, Source, Vote

from .conftest import give

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BOT = BotName("support")
SERVED = Passage("a" * 16, "Returns", "", "Within 30 days.")
NEWER = Passage("b" * 16, "Returns", "", "Within 60 days.")


def say(cursor: Cursor, name: str, *turns: str, source: Source, grounds: Grounds | None = None) -> str:
    """The id of the last answer."""
    talk = Conversation(name, BOT, "browser:ada", source, "", NOON)
    parent, last = None, ""
    for position, content in enumerate(turns):
        role = "assistant" if position % 2 else "user"
        last = f"{name}/{position}"
        message = Message(last, name, BOT, parent, role, content, source, NOON)  # type: ignore[arg-type]
        if role == "assistant" and grounds:
            message = replace(message, passage_ids=tuple(one.passage_id for one in grounds.passages))
        record_turn(cursor, conversation=talk, messages=[message], grounds=grounds or Grounds())
        parent = last
    return last


def test_served_answers_keep_what_they_saw_and_imported_ones_get_what_is_found_now(
    cursor: Cursor, tmp_path: Path
) -> None:
    asked: list[list[str]] = []

    def find(said: Sequence[str]) -> Found:
        asked.append(list(said))
        return Found((NEWER,), (0.9,), "index-2")

    say(cursor, "imported", "How long?", "30 days.", "And abroad?", "Too.", source=Source.IMPORT)
    rated = say(cursor, "rated", "May I return it?", "Yes.", source=Source.CHAT, grounds=Grounds("", (SERVED,)))
    give(cursor, Feedback(rated, BOT, "browser:ada", Vote.UP, (), "", "", NOON))
    say(cursor, "unrated", "Hello?", "Hi.", source=Source.CHAT)
    write_snapshot(cursor, bot=BOT, folder=tmp_path / "snapshot", at=NOON, find=find)
    verify(tmp_path / "snapshot")
    seen = {row["key"]: row["passages"] for row in pq.read_table(tmp_path / "snapshot" / FILE).to_pylist()}
    assert asked == [["How long?"], ["How long?", "And abroad?"]]
    assert seen[key_of(["May I return it?"])][0]["text"] == "Within 30 days."
    assert seen[key_of(["How long?", "And abroad?"])][0]["text"] == "Within 60 days."
    assert key_of(["Hello?"]) not in seen


def test_without_documents_a_snapshot_has_no_such_table(cursor: Cursor, tmp_path: Path) -> None:
    write_snapshot(cursor, bot=BOT, folder=tmp_path / "snapshot", at=NOON)
    assert not (tmp_path / "snapshot" / FILE).exists()
