"""The night's snapshot says what the bot's documents hold for each question, as served or as found now."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq

from collect.chat_settings import ChatSettings, keep_chat_settings
from collect.conversations import record_turn
from collect.grounds import Grounds, passages_of
from collect.passages_seen import FILE, Find
from collect.snapshot import write_snapshot
from collect.store import Cursor
from nightschool.files import verify
from nightschool.knowledge import TEAM, Found, Passage, key_of
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

    def find(said: Sequence[str], _apart_from: Collection[str]) -> Found:
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


def answer_of(name: str) -> Passage:
    return Passage(f"{name:a<16}", TEAM, "How long?", f"What {name} was told.", name)


def passages_of_rows(cursor: Cursor, folder: Path, find: Find) -> dict[str, list[str]]:
    write_snapshot(cursor, bot=BOT, folder=folder, at=NOON, find=find)
    return {row["key"]: [p["text"] for p in row["passages"]] for row in pq.read_table(folder / FILE).to_pylist()}


def test_no_row_holds_an_answer_of_a_conversation_that_ran_like_it(cursor: Cursor, tmp_path: Path) -> None:
    apart: dict[str, set[str]] = {}

    def find(said: Sequence[str], apart_from: Collection[str]) -> Found:
        apart[" / ".join(said)] = set(apart_from)
        # Also such as were to be left out: what stands in the file is looked at once more.
        return Found((SERVED, answer_of("one"), answer_of("two"), answer_of("other")), (0.9, 0.8, 0.7, 0.6))

    say(cursor, "one", "How long?", "30 days.", "And abroad?", "Too.", source=Source.IMPORT)
    say(cursor, "two", "How long?", "A month.", source=Source.IMPORT)
    say(cursor, "other", "What for?", "For nothing.", source=Source.IMPORT)
    seen = passages_of_rows(cursor, tmp_path / "snapshot", find)
    assert apart["How long?"] == {"one", "two"}
    assert apart["How long? / And abroad?"] == {"one"}
    page, one, two, other = (passage.text for passage in find(["?"], ()).passages)
    assert seen[key_of(["How long?"])] == [page, other]
    assert seen[key_of(["How long?", "And abroad?"])] == [page, two, other]
    assert seen[key_of(["What for?"])] == [page, one, two]


def test_what_was_served_of_its_own_or_of_a_chat_that_is_private_by_now_is_in_no_row(
    cursor: Cursor, tmp_path: Path
) -> None:
    def find(_said: Sequence[str], _apart_from: Collection[str]) -> Found:
        return Found((answer_of("private"), answer_of("erased"), answer_of("open")), (0.9, 0.8, 0.7))

    for name in ("private", "open"):
        say(cursor, name, f"Is it {name}?", "Yes.", source=Source.IMPORT)
    own = answer_of("rated")
    say(cursor, "rated", "May I return it?", "No.", source=Source.CHAT)
    grounds = Grounds("", (SERVED, own, answer_of("private"), answer_of("open")))
    talk = Conversation("rated", BOT, "browser:ada", Source.CHAT, "", NOON)
    again = Message("again", "rated", BOT, "rated/0", "assistant", "Yes.", Source.CHAT, NOON)
    again = replace(again, passage_ids=tuple(one.passage_id for one in grounds.passages))
    record_turn(cursor, conversation=talk, messages=[again], grounds=grounds)
    give(cursor, Feedback("again", BOT, "browser:ada", Vote.UP, (), "", "", NOON))
    keep_chat_settings(cursor, conversation_id="private", settings=ChatSettings(is_private=True), at=NOON)
    seen = passages_of_rows(cursor, tmp_path / "snapshot", find)
    assert seen[key_of(["May I return it?"])] == [SERVED.text, answer_of("open").text]
    assert seen[key_of(["Is it open?"])] == []


def test_an_answer_that_is_erased_meanwhile_is_not_kept_again(cursor: Cursor) -> None:
    gone, page = answer_of("gone"), SERVED
    say(cursor, "asked", "How long?", "30 days.", source=Source.CHAT, grounds=Grounds("", (gone, page)))
    assert passages_of(cursor, passage_ids=[gone.passage_id, page.passage_id]) == [page]
