"""bench/crash.py counts what it is there to count."""

from collections.abc import Iterator
from functools import partial

import duckdb
import pytest

from bench.crash import Seen, compare, turn
from collect.conversations import record_turns
from collect.feedback import Opinion, Said, record_opinions
from collect.migrations.runner import migrate
from collect.store import Cursor
from nightschool.records import Vote, utc_now


@pytest.fixture
def cursor() -> Iterator[Cursor]:
    with duckdb.connect() as connection:
        migrate(connection)
        yield connection


def test_what_is_lost_or_doubled_is_counted(cursor: Cursor) -> None:
    told = turn()
    said = told.messages[-1].message_id
    look = partial(compare, cursor)
    record_turns(cursor, [told])
    record_opinions(cursor, [Said(said, "browser:1", Opinion(Vote.UP), utc_now())])
    notes = [["turn", said], ["vote", said, "up"], ["refused"]]
    assert look(notes) == Seen(acknowledged=2, lost=0, doubled=0)
    assert look([*notes, ["turn", "gone"], ["vote", said, "down"]]) == Seen(acknowledged=4, lost=2, doubled=0)
    cursor.execute("insert into feedback_history select * exclude (opinion_id, address) from feedback")
    assert look(notes) == Seen(acknowledged=2, lost=0, doubled=1)
    cursor.execute("delete from messages where role = 'user'")
    assert look(notes).doubled == 2
