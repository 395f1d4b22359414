"""Bring a record to the newest schema: numbered changes, only ever added, each with its mark in one transaction."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import duckdb

from collect.migrations.m001_first import FIRST
from nightschool.errors import RecordError

Cursor = duckdb.DuckDBPyConnection

MIGRATIONS: Final[Sequence[tuple[str, str]]] = (("m001_first", FIRST),)
"""Name and SQL, oldest first. A released one is never edited."""

MARKS: Final = "create table if not exists migrations (name text primary key, applied_at timestamptz not null)"
MARK: Final = "insert into migrations (name, applied_at) values ($name, $at)"
KNOWN: Final = "select name from migrations order by name"


def migrate(
    connection: Cursor,
    *,
    migrations: Sequence[tuple[str, str]] = MIGRATIONS,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Apply what is missing. Raises RecordError where the file was written by a newer Nightschool."""
    connection.execute(MARKS)
    applied = {name for (name,) in connection.execute(KNOWN).fetchall()}
    unknown = applied - {name for name, _ in migrations}
    if unknown:
        raise RecordError(
            f"was written by a newer Nightschool ({', '.join(sorted(unknown))})",
            subject="record",
            remedy="Upgrade Nightschool.",
        )
    for name, sql in migrations:
        if name not in applied:
            connection.begin()
            try:
                connection.execute(sql)
                connection.execute(MARK, {"name": name, "at": now()})
                connection.commit()
            except BaseException:
                connection.rollback()
                raise
