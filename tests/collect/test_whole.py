"""The whole record as a folder and back: the very same rows, from older schemas too, and nothing from a damaged one."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collect.migrations.runner import MIGRATIONS, migrate
from collect.store import Cursor
from collect.whole import CARD, ROWS_AT_ONCE, SEQUENCES, Card, build_record, examine_whole, read_whole, write_whole
from nightschool.errors import NightschoolError, Unavailable
from nightschool.files import MANIFEST, publish

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
TALK = "insert into conversations (conversation_id, bot, owner, source, title, created_at) values (?, ?, ?, ?, ?, ?)"
MESSAGE = """
insert into messages (message_id, conversation_id, bot, role, content, source, created_at, adapter_hash, first_token_s,
    prompt_tokens, completion_tokens, sampling_json, position)
values (?, ?, 'support', 'user', ?, 'chat', ?, '', ?, 0, 0, '{}', nextval('message_positions'))
"""
VOTE = """
insert into feedback (opinion_id, message_id, bot, voter, vote, reasons, comment, ideal_answer, voted_at)
values (uuid(), ?, 'support', ?, 'up', ?, ?, '', ?)
"""


def rows(connection: Cursor) -> dict[str, list[tuple[object, ...]]]:
    names = [name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()]
    return {name: sorted(connection.execute(f"select * from {name}").fetchall(), key=repr) for name in names}


def taken(connection: Cursor, folder: Path) -> Card:
    folder.mkdir()
    return write_whole(connection, folder, at=AT)


def built(folder: Path, file: Path) -> duckdb.DuckDBPyConnection:
    build_record(folder, file, temp=file.parent / "temp")
    connection = duckdb.connect(file)
    connection.execute("set global TimeZone = 'UTC'")
    return connection


@given(
    said=st.lists(
        st.tuples(TEXTS, TEXTS, st.lists(TEXTS, max_size=3), st.one_of(st.none(), st.floats()), st.datetimes()),
        min_size=2,
        max_size=20,
    )
)
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_taken_comes_back_as_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, said: list[tuple[str, str, list[str], float | None, datetime]]
) -> None:
    folder = tmp_path_factory.mktemp("whole")
    with duckdb.connect() as before:
        before.execute("set global TimeZone = 'UTC'")
        migrate(before)
        for number, (text, name, reasons, seconds, at) in enumerate(said):
            moment = at.replace(year=max(at.year, 1900), tzinfo=UTC)
            before.execute(TALK, [f"c{number}", "support", name, "chat", text, moment])
            before.execute(MESSAGE, [f"m{number}", f"c{number}", text, moment, seconds])
            before.execute(VOTE, [f"m{number}", name, reasons, text, moment])
        taken(before, folder / "taken")
        examine_whole(folder / "taken")
        with built(folder / "taken", folder / "r.duckdb") as after:
            assert repr(rows(after)) == repr(rows(before))
            [(position,)] = after.execute("select nextval('message_positions')").fetchall()
            assert position == len(said) + 1


def test_a_long_table_is_written_in_groups_of_bounded_size(cursor: Cursor, tmp_path: Path) -> None:
    talks = f"select i::text, 'support', 'browser:ada', 'chat', 'Hello', now() from range({5 * ROWS_AT_ONCE // 2}) t(i)"
    cursor.execute(f"insert into conversations (conversation_id, bot, owner, source, title, created_at) {talks}")
    card = taken(cursor, tmp_path / "taken")
    file = pq.ParquetFile(tmp_path / "taken" / "conversations.parquet").metadata
    groups = [file.row_group(number).num_rows for number in range(file.num_row_groups)]
    assert max(groups) <= ROWS_AT_ONCE
    assert sum(groups) == card.tables["conversations"].rows == 5 * ROWS_AT_ONCE // 2
    with built(tmp_path / "taken", tmp_path / "r.duckdb") as after:
        assert after.execute("select count(*) from conversations").fetchall() == [(sum(groups),)]


def test_a_disk_that_takes_no_copy_is_told_by_name(cursor: Cursor, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no-folder"):
        write_whole(cursor, tmp_path / "no-folder", at=AT)
    assert taken(cursor, tmp_path / "taken").tables  # the record is not left in a transaction


@pytest.mark.parametrize("age", [1, 8])
def test_a_folder_of_an_older_schema_is_built_and_brought_to_todays(tmp_path: Path, age: int) -> None:
    with duckdb.connect() as before:
        migrate(before, migrations=MIGRATIONS[:age])
        before.execute(TALK, ["c", "support", "browser:ada", "chat", "Hello", AT])
        before.execute(MESSAGE, ["m", "c", "Hello", AT, None])
        assert len(taken(before, tmp_path / "taken").schema_names) == age
    with built(tmp_path / "taken", tmp_path / "r.duckdb") as after:
        assert after.execute("select content from messages").fetchall() == [("Hello",)]
        assert after.execute("select count(*) from migrations").fetchone() == (len(MIGRATIONS),)


def test_every_sequence_is_known_with_what_it_numbers(cursor: Cursor) -> None:
    found = cursor.execute("select sequence_name from duckdb_sequences()").fetchall()
    assert {name for (name,) in found} == set(SEQUENCES)


@pytest.fixture
def folder(cursor: Cursor, tmp_path: Path) -> Path:
    cursor.execute(TALK, ["c", "support", "browser:ada", "chat", "Hello", AT])
    taken(cursor, tmp_path / "taken")
    return tmp_path / "taken"


def change(name: str) -> Callable[[Path], object]:
    def spoil(folder: Path) -> None:
        kept = (folder / name).read_bytes()
        (folder / name).write_bytes(kept[: len(kept) // 2])

    return spoil


def lie(folder: Path) -> None:
    """A table of other rows, and a manifest that vouches for it."""
    card = json.loads((folder / CARD).read_text())
    card["tables"]["conversations"]["checksum"] = "1"
    rewrite(folder, card)


def from_the_future(folder: Path) -> None:
    card = json.loads((folder / CARD).read_text())
    rewrite(folder, {**card, "schema_names": [*card["schema_names"], "m999_later"]})


def of_another_kind(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    publish(folder, kind="snapshot")


def rewrite(folder: Path, card: object) -> None:
    (folder / CARD).write_text(json.dumps(card))
    (folder / MANIFEST).unlink()
    publish(folder, kind="record")


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (change("conversations.parquet"), "differs from its manifest"),
        (change(MANIFEST), "is damaged, or another version's"),
        (lambda folder: (folder / "events.parquet").unlink(), "differs from its manifest"),
        (lambda folder: (folder / MANIFEST).unlink(), "has no manifest"),
        (lie, "1 rows in conversations that are not the 1"),
        (from_the_future, "newer Nightschool"),
        (of_another_kind, "is of another kind"),
    ],
)
def test_a_folder_that_is_not_what_it_says_is_refused(
    folder: Path, tmp_path: Path, spoil: Callable[[Path], object], problem: str
) -> None:
    assert read_whole(folder).about["taken_at"] == AT.isoformat()
    spoil(folder)
    with pytest.raises(NightschoolError, match=problem):
        examine_whole(folder)
    with pytest.raises(NightschoolError, match=problem):
        build_record(folder, tmp_path / "r.duckdb", temp=tmp_path / "temp")
