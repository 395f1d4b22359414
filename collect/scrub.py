"""Leave nothing of deleted rows in the record's file: DuckDB marks rows as deleted and keeps their bytes.

Tables that lost rows are written anew, the log is folded in, and what became free in the file is written over. Each
part is one change, so a kill in between costs nothing but doing it again. Votes wait while a table is written anew
(400,000 messages of 200 letters: 7 s on two cores). DuckDB's statistics may keep the first eight letters of a text,
and a block in use, where DuckDB leaves room in it, bytes of what its memory held when it was written (its issue 23382).
"""

import re
from collections.abc import Sequence
from functools import partial
from typing import Final

from collect.store import Cursor, Store

TABLE: Final = "select sql from duckdb_tables() where schema_name = 'main' and table_name = $table"
INDEXES: Final = """
select index_name, sql from duckdb_indexes() where schema_name = 'main' and table_name = $table order by index_name
"""
PLAIN: Final = {
    "messages": ("message_id", "conversation_id", "bot", "role", "source"),
    "conversations": ("conversation_id", "owner"),
    "feedback": ("opinion_id", "message_id"),
    "scores": ("conversation_id", "message_id", "voter", "name"),
}
"""Columns that stand in the file as they are, by the migrations that made them so; DuckDB does not say it."""
FREE: Final = "select free_blocks, block_size from pragma_database_size()"
# Of numbers, which fill a block to its end: between texts DuckDB leaves room, and writes what its memory held there.
FILL: Final = "create or replace table filler (filling bigint using compression uncompressed)"
FILL_IN: Final = "insert into filler select range from range($rows)"
UNFILL: Final = "drop table if exists filler"
NUMBER_BYTES: Final = 8


async def scrub(store: Store, tables: Sequence[str]) -> None:
    """Returns once what was deleted from `tables` is in neither the file nor its log. Raises RecordError."""
    for table in tables:
        await store.write(partial(_rewrite, table=table))
    await store.fold()
    await store.write(_fill)
    await store.fold()
    await store.write(lambda cursor: cursor.execute(UNFILL) and None)
    await store.fold()


def _rewrite(cursor: Cursor, *, table: str) -> None:
    """The table's rows in a table of the same making, which takes its place."""
    [(made,)] = cursor.execute(TABLE, {"table": table}).fetchall()
    for column in PLAIN.get(table, ()):
        made = re.sub(rf'"?\b{column}"? VARCHAR', r"\g<0> using compression uncompressed", made, count=1)
    indexes = cursor.execute(INDEXES, {"table": table}).fetchall()
    cursor.execute(made.replace(f"CREATE TABLE {table}(", f"CREATE TABLE {table}_anew(", 1))
    cursor.execute(f"insert into {table}_anew select * from {table}")
    for index, _ in indexes:
        cursor.execute(f"drop index {index}")
    cursor.execute(f"drop table {table}")
    cursor.execute(f"alter table {table}_anew rename to {table}")
    for _, made in indexes:
        cursor.execute(made)


def _fill(cursor: Cursor) -> None:
    """More than fits into what is free."""
    cursor.execute(FILL)
    [(blocks, size)] = cursor.execute(FREE).fetchall()
    cursor.execute(FILL_IN, {"rows": (blocks + 1) * size // NUMBER_BYTES})
