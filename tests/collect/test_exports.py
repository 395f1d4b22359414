"""Export files: the card says what is in them, and slices change nothing but the memory that they take."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from collect.chat_settings import ChatSettings, keep_chat_settings
from collect.exports import Asked, ExportCard, clear_exports, write_export
from collect.formats.answer_rows import Wanted
from collect.formats.talks import slice_talks
from collect.formats.write import export_conversations
from collect.migrations.runner import MIGRATIONS
from collect.store import Cursor
from nightschool.errors import Unavailable
from nightschool.files import hash_file
from nightschool.records import Feedback, Message, Vote

from .conftest import AT, BOT, give

Tell = Callable[..., list[Message]]


@pytest.fixture
def record(cursor: Cursor, tell: Tell) -> Cursor:
    """Five conversations; the second goes on after the last one began."""
    answers = [tell(f"Question {n}?", f"Answer {n}.", at=AT + timedelta(minutes=n))[1] for n in range(5)]
    tell("And then?", "Nothing.", after=answers[1], at=AT + timedelta(minutes=9))
    for said, vote in ((answers[0], Vote.UP), (answers[4], Vote.DOWN)):
        give(cursor, Feedback(said.message_id, BOT, "browser:ada", vote, (), "", "", AT))
    return cursor


@pytest.mark.parametrize("slice_messages", [1, 3, 4, 100])
def test_a_slice_has_whole_conversations_and_none_is_in_two(record: Cursor, slice_messages: int) -> None:
    whole = list(export_conversations(record, bot=BOT))
    assert list(export_conversations(record, bot=BOT, slice_messages=slice_messages)) == whole
    assert [json.loads(line)["messages"][-1]["content"] for line in whole] == [
        "Answer 0.", "Nothing.", "Answer 2.", "Answer 3.", "Answer 4.",
    ]  # fmt: skip
    parts = slice_talks(record, bot=BOT, slice_messages=slice_messages)
    assert len(parts) == {1: 5, 3: 3, 4: 3, 100: 1}[slice_messages]


def export(cursor: Cursor, target: Path, asked: Asked) -> ExportCard:
    return write_export(cursor, asked=asked, target=target, at=AT)


def test_the_card_says_what_the_file_holds(record: Cursor, tmp_path: Path) -> None:
    target = tmp_path / "out"
    card = export(record, target, Asked(BOT))
    assert (card.rows, card.format, card.filters) == (5, "conversations", {})
    assert (card.rows, card.size_bytes, card.sha256) == (
        len(target.read_text().splitlines()), target.stat().st_size, hash_file(target),
    )  # fmt: skip
    assert (card.taken_at, card.record_schema) == (AT, MIGRATIONS[-1].name)
    assert ExportCard.model_validate_json(card.model_dump_json()) == card


def test_the_card_says_how_answers_were_chosen(record: Cursor, tmp_path: Path) -> None:
    liked = Asked(BOT, "jsonl", Wanted(vote="up", since=AT, tag=None))
    card = export(record, tmp_path / "out", liked)
    assert (card.rows, card.format, card.filters) == (1, "jsonl", {"vote": "up", "since": "2026-03-01T12:00:00+00:00"})


@pytest.mark.parametrize("form", ["parquet", "jsonl", "kto", None])
def test_what_is_closed_to_learning_is_in_no_export(record: Cursor, tmp_path: Path, form: str | None) -> None:
    names = [row[0] for row in record.execute("select conversation_id from conversations").fetchall()]
    assert export(record, tmp_path / "before", Asked(BOT, form)).rows > 0  # type: ignore[arg-type]
    for name in names:
        keep_chat_settings(record, conversation_id=name, settings=ChatSettings(is_private=True), at=AT)
    assert export(record, tmp_path / "after", Asked(BOT, form)).rows == 0  # type: ignore[arg-type]


def test_a_table_without_rows_has_its_columns_all_the_same(cursor: Cursor, tmp_path: Path) -> None:
    target = tmp_path / "out.parquet"
    assert export(cursor, target, Asked(BOT, "parquet")).rows == 0
    assert {"prompt", "answer", "net_vote"} <= set(pq.read_table(target).column_names)


def test_a_disk_that_takes_no_export_is_told_by_name(record: Cursor, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no-folder"):
        export(record, tmp_path / "no-folder" / "out", Asked(BOT))
    assert export(record, tmp_path / "out", Asked(BOT)).rows == 5  # the record is not left in a transaction


def test_what_a_killed_server_left_half_written_goes_at_the_next_start(tmp_path: Path) -> None:
    for name in ("export-1", "export-1.part", "plan-1"):
        (tmp_path / name).touch()
    clear_exports(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["plan-1"]
