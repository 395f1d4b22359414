"""Schemas only ever grow: from nothing, and from an older record with people's rows in it."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import duckdb
import pytest

from collect import conversations, feedback
from collect.migrations.runner import MIGRATIONS, Migration, migrate
from collect.standing import opinion_id
from collect.store import Cursor
from nightschool.errors import RecordError
from nightschool.records import BotName, Conversation, Feedback, Message, Source, Vote

from ..conftest import give
from .old_records import file_of, read_record

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BOT = BotName("support")
RELEASED = {
    "m001_first": "29215925b15336d8",
    "m002_feedback_by_message": "20ba43a6877dd745",
    "m003_sides": "b754a7585f4cce88",
    "m004_review_history": "6446c959720eb1c2",
    "m005_holds": "f1e2736b54186e02",
    "m006_schedules": "ece0c74512653bce",
    "m007_signals": "4e7203693cd30ca5",
    "m008_ends": "12a412c44b77e03a",
    "m009_files": "e77c4c858ba7c321",
    "m010_passages": "08ebdcec442b29f9",
    "m011_verified": "b7d26a87fb760e23",
    "m012_jobs": "0eec9712ca47763b",
    "m013_held": "ffb28e1955f76a81",
    "m014_knowledge": "c18ad89cae915df7",
    "m015_left_out": "8e0ebc5902f030a6",
    "m016_evals": "52df9a2fc17dbe67",
    "m017_erasures": "da583e5732977ece",
    "m018_eval_messages": "7b23629af1812e1f",
    "m019_audit_chain": "68bcd6bba40b7079",
    "m020_originals": "eb51edbcf39acd3e",
    "m021_chat_settings": "9d741c471436d213",
    "m022_calls": "f7def31cba5fb23e",
    "m023_escalations": "c3b1b6ba17a02285",
    "m024_screens": "d8af5c883a667b23",
    "m025_tools": "9e8a4e9cf58dbbb0",
    "m026_outcomes": "fd7ae37a313f99d4",
    "m027_preferences": "acd809a093697158",
    "m028_stored_completions": "6ebe0868337f7683",
    "m029_lenient_keys": "2502e7c9938ea186",
    "m030_kept_out": "b1f2aa21babf4bb2",
    "m031_side_by_side": "f795f4c7f8ad400c",
    "m032_plain_ids": "8efba9e0e9901d33",
    "m033_job_checkpoints": "7e979958e3587ce3",
    "m034_former_opinions": "96623d6e96921b45",
    "m035_scores": "8d141db6e82ac552",
    "m036_opinion_ids": "b72f902be342af94",
    "m037_answers_as_passages": "0da5d00ef1863333",
}


@pytest.fixture
def connection() -> Iterator[Cursor]:
    with duckdb.connect() as connection:
        yield connection


def applied(connection: Cursor) -> list[str]:
    return [name for (name,) in connection.execute("select name from migrations order by name").fetchall()]


def schema(connection: Cursor) -> list[tuple[str, ...]]:
    return connection.execute(
        "select sql from duckdb_tables() union all select sql from duckdb_indexes() order by sql"
    ).fetchall()


def test_released_migrations_are_never_edited_or_reordered() -> None:
    assert {m.name: hashlib.sha256(m.sql.encode()).hexdigest()[:16] for m in MIGRATIONS} == RELEASED
    assert [m.name for m in MIGRATIONS] == sorted(RELEASED)


def test_an_empty_file_gets_every_migration_once(connection: Cursor) -> None:
    migrate(connection)
    before = schema(connection)
    migrate(connection)
    assert applied(connection) == [m.name for m in MIGRATIONS]
    assert schema(connection) == before


def write_as_of_old(connection: Cursor, talk: Conversation, messages: Sequence[Message], opinion: Feedback) -> None:
    """By the columns of the first schema, and the id of an opinion where it has one, as the Nightschool of its day."""
    connection.execute(
        "insert into conversations (conversation_id, bot, owner, source, title, created_at) values (?, ?, ?, ?, ?, ?)",
        [talk.conversation_id, talk.bot, talk.owner, talk.source, talk.title, talk.created_at],
    )
    for m in messages:
        connection.execute(
            "insert into messages (message_id, conversation_id, bot, parent_id, role, content, source, created_at, "
            "version, adapter_hash, prompt_tokens, completion_tokens, sampling_json, position) "
            "values (?, ?, ?, ?, ?, ?, ?, ?, ?, '', 0, 0, '{}', nextval('message_positions'))",
            [m.message_id, m.conversation_id, m.bot, m.parent_id, m.role, m.content, m.source, m.created_at, m.version],
        )
    o = opinion
    said = {
        "message_id": o.message_id, "bot": o.bot, "voter": o.voter, "vote": o.vote, "reasons": list(o.reasons),
        "comment": o.comment, "ideal_answer": o.ideal_answer, "voted_at": o.voted_at,
    }  # fmt: skip
    if "opinion_id" in {name for name, *_ in connection.execute("describe feedback").fetchall()}:
        said["opinion_id"] = opinion_id(o.message_id, o.voter)
    marks = ", ".join("?" for _ in said)
    connection.execute(f"insert into feedback ({', '.join(said)}) values ({marks})", list(said.values()))


@pytest.mark.parametrize("age", range(1, len(MIGRATIONS)))
def test_an_older_record_keeps_its_rows_and_takes_new_ones(connection: Cursor, age: int) -> None:
    migrate(connection, migrations=MIGRATIONS[:age])
    talk = Conversation("c", BOT, "browser:ada", Source.CHAT, "Where?", NOON)
    asked = Message("q", "c", BOT, None, "user", "Where?", Source.CHAT, NOON)
    said = Message("a", "c", BOT, "q", "assistant", "There.", Source.CHAT, NOON, version=1)
    opinion = Feedback("a", BOT, "browser:ada", Vote.UP, ("kind",), "Thanks", "", NOON)
    write_as_of_old(connection, talk, [asked, said], opinion)

    migrate(connection)

    assert applied(connection) == [m.name for m in MIGRATIONS]
    assert conversations.conversation(connection, "c") == talk
    assert conversations.conversation_messages(connection, conversation_id="c") == [asked, said]
    assert feedback.feedback_of(connection, message_id="a", voter="browser:ada") == opinion
    down = Feedback("a", BOT, "browser:ada", Vote.DOWN, (), "", "", NOON)
    assert give(connection, down) == down


def test_of_an_older_record_s_opinions_the_history_keeps_what_stands_no_more(connection: Cursor) -> None:
    migrate(connection, migrations=MIGRATIONS[:33])
    said = "values ('a', '{voter}', 'support', '{vote}', ['kind'], 'Thanks', '', '2026-03-01 12:00:0{second}+00')"
    for voter, votes in (("ada", ("up",)), ("bob", ("up", "down", "up"))):
        for second, vote in enumerate(votes):
            connection.execute(f"insert into feedback_history {said.format(voter=voter, vote=vote, second=second)}")
        columns = "message_id, voter, bot, vote, reasons, comment, ideal_answer, voted_at"
        connection.execute(f"insert into feedback ({columns}) {said.format(voter=voter, vote=vote, second=second)}")
    migrate(connection)
    former = connection.execute("select voter, vote from feedback_history order by all").fetchall()
    assert former == [("bob", "down"), ("bob", "up")]
    assert connection.execute("select voter, vote from feedback order by all").fetchall() == [
        ("ada", "up"),
        ("bob", "up"),
    ]


def test_an_old_record_ends_with_the_schema_of_a_new_one(connection: Cursor) -> None:
    migrate(connection, migrations=MIGRATIONS[:1])
    migrate(connection)
    with duckdb.connect() as fresh:
        migrate(fresh)
        assert schema(connection) == schema(fresh)


def rows(connection: Cursor, columns: dict[str, list[str]]) -> dict[str, list[tuple[object, ...]]]:
    return {
        table: sorted(connection.execute(f"select {', '.join(names)} from {table}").fetchall(), key=repr)
        for table, names in columns.items()
    }


@pytest.mark.parametrize("name", RELEASED)
def test_a_stored_record_of_each_day_comes_to_todays_schema_with_every_row(connection: Cursor, name: str) -> None:
    assert file_of(name).exists(), "python -m tests.collect.migrations.old_records writes it"
    connection.execute("set global TimeZone = 'UTC'")
    connection.execute(read_record(name))
    columns: dict[str, list[str]] = {}
    for table, column in connection.execute(
        "select table_name, column_name from duckdb_columns() where not internal"
    ).fetchall():
        if table != "migrations":
            columns.setdefault(table, []).append(f'"{column}"')
    before = rows(connection, columns)
    assert all(len(kept) >= 1 for kept in before.values())

    migrate(connection)

    if name < "m034_former_opinions":
        before["feedback_history"] = []  # the same rows stand in `feedback`
    assert rows(connection, columns) == before
    assert applied(connection) == [m.name for m in MIGRATIONS]
    with duckdb.connect() as fresh:
        migrate(fresh)
        assert schema(connection) == schema(fresh)
    [(position,)] = connection.execute("select nextval('message_positions')").fetchall()
    assert position == 3


def test_a_migration_that_fails_leaves_neither_change_nor_mark(connection: Cursor) -> None:
    broken = Migration("m999_broken", "create table half (x integer); insert into nowhere values (1);")
    with pytest.raises(duckdb.CatalogException):
        migrate(connection, migrations=[*MIGRATIONS, broken])
    assert applied(connection) == [m.name for m in MIGRATIONS]
    assert not connection.execute("select 1 from duckdb_tables() where table_name = 'half'").fetchall()
    mended = Migration("m999_broken", "create table half (x integer);")
    migrate(connection, migrations=[*MIGRATIONS, mended])
    assert applied(connection)[-1] == "m999_broken"


def test_a_newer_record_is_refused(connection: Cursor) -> None:
    migrate(connection, migrations=[*MIGRATIONS, Migration("m999_later", "create table later (x integer);")])
    with pytest.raises(RecordError, match=r"m999_later.*Upgrade"):
        migrate(connection)
