"""Answers as rows: all that led to them, chosen as asked, and read by Hugging Face's `datasets`."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from collect.formats.answer_rows import Wanted, write_answers
from collect.formats.read import BadLine
from collect.formats.table import read_file
from collect.reviews import record_review
from collect.store import Cursor
from nightschool.records import BotName, Feedback, Message, Review, Vote

from ..conftest import AT, BOT, give

Tell = Callable[..., list[Message]]


@pytest.fixture
def record(cursor: Cursor, tell: Tell) -> Cursor:
    _, first = tell("One?", "1")
    _, second = tell("Two?", "2", after=first)
    _, other = tell("O'Three?", "3")
    tell("Four?", "")
    for voter, said, vote in (("ada", first, Vote.UP), ("eve", second, Vote.DOWN), ("bob", other, Vote.NONE)):
        give(cursor, Feedback(said.message_id, BOT, f"browser:{voter}", vote, (), "", "", AT))
    record_review(cursor, review=Review(other.message_id, BOT, "boss", True, "Three.", ("tone",), AT))
    return cursor


def rows(cursor: Cursor, folder: Path, wanted: Wanted = Wanted()) -> list[dict[str, Any]]:  # frozen
    file = folder / "it's.jsonl"
    count = write_answers(cursor, bot=BOT, form="jsonl", wanted=wanted, target=file)
    found = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(found) == count
    return sorted(found, key=lambda row: str(row["answer"]))


def test_an_answer_has_all_that_led_to_it(record: Cursor, tmp_path: Path) -> None:
    one, two, three = rows(record, tmp_path)
    assert [said["content"] for said in one["prompt"]] == ["One?"]
    assert [said["content"] for said in two["prompt"]] == ["One?", "1", "Two?"]
    assert [row["net_vote"] for row in (one, two, three)] == [1, -1, 0]
    assert (three["approved"], three["corrected_answer"], three["tags"]) == (True, "Three.", ["tone"])


@pytest.mark.parametrize(
    ("wanted", "answers"),
    [
        (Wanted(vote="up"), ["1"]),
        (Wanted(vote="down"), ["2"]),
        (Wanted(vote="none"), ["3"]),
        (Wanted(tag="tone"), ["3"]),
        (Wanted(tag="' or true"), []),
        (Wanted(reviewed=False), ["1", "2"]),
        (Wanted(version=999), []),
        (Wanted(since=AT + timedelta(days=999)), []),
        (Wanted(until=AT + timedelta(days=999)), ["1", "2", "3"]),
    ],
)
def test_answers_are_chosen(record: Cursor, tmp_path: Path, wanted: Wanted, answers: list[str]) -> None:
    assert [row["answer"] for row in rows(record, tmp_path, wanted)] == answers


def test_parquet_holds_the_same_and_kto_comes_in_as_votes(record: Cursor, tmp_path: Path) -> None:
    table = tmp_path / "answers.parquet"
    assert write_answers(record, bot=BOT, form="parquet", wanted=Wanted(), target=table) == 3
    assert sorted(pq.read_table(table)["answer"].to_pylist()) == ["1", "2", "3"]
    kto = tmp_path / "kto.jsonl"
    assert write_answers(record, bot=BOT, form="kto", wanted=Wanted(), target=kto) == 2
    names: list[str] = []
    with kto.open("rb") as opened:
        assert not [
            row for row in read_file(opened, max_bytes=10_000, on_read=names.append) if isinstance(row, BadLine)
        ]
    assert names == ["kto", "kto"]
    assert write_answers(record, bot=BotName("nobody"), form="kto", wanted=Wanted(), target=kto) == 0
