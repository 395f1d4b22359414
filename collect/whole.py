"""The whole record as a folder: every table as Parquet, all of one moment, and a card that says by which schema.

Nothing is left out and nothing is interpreted, so a record that is built from the folder holds the very same rows. Used
for backups and for moving a record elsewhere; for other programs there is `collect.formats`. An older Nightschool's
folder is built by its own schema and then brought to today's. Does not know where folders lie (`collect.backups`).
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import duckdb
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from collect.migrations.runner import MIGRATIONS, migrate
from collect.opening import cannot_open, cannot_use, connect_record
from collect.writer import Cursor
from nightschool.errors import InvalidInput, RecordError
from nightschool.files import MANIFEST, publish, verify

KIND: Final = "record"
CARD: Final = "record.json"
MEMORY_GIB: Final = 1.0
THREADS: Final = 2
ROWS_AT_ONCE: Final = 20_000
"""A group of rows of the files: so much is in the server's memory, however long the record."""
PAGE_BYTES: Final = 8 * 2**20
"""What is alike is packed together; with smaller pages, or with dictionaries, the files are a fifth larger."""
SEQUENCES: Final[Mapping[str, tuple[str, str]]] = {
    "message_positions": ("messages", "position"),
    "cycle_positions": ("cycles", "position"),
    "verified_switch_positions": ("verified_switches", "position"),
}
"""What each sequence numbers: it goes on behind the largest."""
TABLES: Final = "select table_name from duckdb_tables() where schema_name = 'main' order by table_name"
SUM: Final = "select count(*), coalesce(sum(hash(kept)::hugeint), 0)::text from {source} as kept"
APPLIED: Final = "select name from migrations order by name"
NEWER: Final = "was written by a newer Nightschool"
MAKE_ANEW: Final = "Take another backup; this one cannot be relied on."


class TableCard(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    checksum: str
    """Sum of the rows' hashes, as the DuckDB of the card computes them."""


class Card(BaseModel):
    """What the folder holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    taken_at: datetime
    duckdb: str
    schema_names: tuple[str, ...]
    """The migrations that the record had seen."""
    tables: dict[str, TableCard]


class Taken(NamedTuple):
    """A folder that was found whole."""

    card: Card
    content_hash: str
    about: Mapping[str, str | int | float | None]


def write_whole(cursor: Cursor, folder: Path, *, at: datetime, about: Mapping[str, str] | None = None) -> Card:
    """Write all tables as of now into an empty folder, the manifest last. Raises Unavailable where the disk does not
    take them."""
    cursor.begin()
    try:
        names = [name for (name,) in cursor.execute(TABLES).fetchall()]
        tables = {}
        for name in names:
            _write(cursor, name, folder / f"{name}.parquet")
            tables[name] = _sum(cursor, quoted(name))
        applied = tuple(name for (name,) in cursor.execute(APPLIED).fetchall()) if "migrations" in tables else ()
    except OSError as error:
        raise cannot_use(folder, error) from error
    finally:
        cursor.rollback()
    card = Card(taken_at=at, duckdb=duckdb.__version__, schema_names=applied, tables=tables)
    (folder / CARD).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    messages = tables["messages"].rows if "messages" in tables else 0
    publish(folder, kind=KIND, about={"taken_at": at.isoformat(), "messages": messages, **(about or {})})
    return card


def read_whole(folder: Path) -> Taken:
    """What the folder says it holds, once every file was found unchanged. Raises InvalidInput, RecordError."""
    try:
        manifest = verify(folder)
        card = Card.model_validate_json((folder / CARD).read_bytes())
    except (ValidationError, OSError) as error:
        raise InvalidInput(
            "is no whole record", subject=str(folder), remedy="Name a folder that `nightschool backup` made."
        ) from error
    if manifest.kind != KIND:
        raise InvalidInput(
            f"is of another kind ({manifest.kind})",
            subject=str(folder),
            remedy="Name a folder that `nightschool backup` made.",
        )
    known = tuple(migration.name for migration in MIGRATIONS)
    if card.schema_names != known[: len(card.schema_names)] or card.format != 1:
        raise RecordError(NEWER, subject=str(folder), remedy="Upgrade Nightschool.")
    return Taken(card, manifest.content_hash, manifest.about)


def is_whole(folder: Path) -> bool:
    """Whether a folder says that it is a whole record; nothing in it is looked at."""
    return (folder / CARD).exists() and (folder / MANIFEST).exists()


def examine_whole(folder: Path) -> Taken:
    """Read every row of the folder. Raises as `read_whole`, RecordError where a table is not what the card says."""
    taken = read_whole(folder)
    with duckdb.connect(config={"memory_limit": f"{MEMORY_GIB}GiB", "threads": THREADS}) as cursor:
        cursor.execute("set global TimeZone = 'UTC'")
        for name, wanted in taken.card.tables.items():
            file = str(folder / f"{name}.parquet").replace("'", "''")
            try:
                found = _sum(cursor, f"read_parquet('{file}')")
            except duckdb.Error as error:
                raise RecordError(f"cannot be read ({error})", subject=f"{folder}", remedy=MAKE_ANEW) from error
            _compare(name, found, wanted, card=taken.card, folder=folder)
    return taken


def build_record(folder: Path, file: Path, *, temp: Path) -> Taken:
    """A new record in `file` with the folder's rows, by today's schema. Raises as `examine_whole`."""
    taken = read_whole(folder)
    card = taken.card
    connection = connect_record(file, temp=temp, memory_gib=MEMORY_GIB, threads=THREADS)
    try:
        connection.execute("set global TimeZone = 'UTC'")
        connection.execute("set enable_progress_bar = false")
        migrate(connection, migrations=MIGRATIONS[: len(card.schema_names)])
        for name, wanted in card.tables.items():
            source = str(folder / f"{name}.parquet").replace("'", "''")
            connection.execute(f"delete from {quoted(name)}")
            connection.execute(f"insert into {quoted(name)} by name select * from read_parquet('{source}')")
            _compare(name, _sum(connection, quoted(name)), wanted, card=card, folder=folder)
        _go_on(connection, card)
        migrate(connection)
        connection.execute("checkpoint")
    except duckdb.Error as error:
        raise cannot_open(file, error) from error
    finally:
        connection.close()
    return taken


def quoted(name: str) -> str:
    """A table's name in a statement."""
    return '"' + name.replace('"', '""') + '"'


def _write(cursor: Cursor, name: str, target: Path) -> None:
    """DuckDB's own `copy` holds several hundred megabytes of a large table."""
    rows = cursor.execute(f"select * from {quoted(name)}").to_arrow_reader(ROWS_AT_ONCE)
    packed = {"compression": "zstd", "compression_level": 3, "use_dictionary": False, "data_page_size": PAGE_BYTES}
    with pq.ParquetWriter(target, rows.schema, **packed) as file:
        for batch in rows:
            file.write_batch(batch)


def _sum(cursor: Cursor, source: str) -> TableCard:
    [(rows, checksum)] = cursor.execute(SUM.format(source=source)).fetchall()
    return TableCard(rows=rows, checksum=checksum)


def _compare(name: str, found: TableCard, wanted: TableCard, *, card: Card, folder: Path) -> None:
    """Hashes of rows are only of one DuckDB; the files' own are compared in any case (`nightschool.files`)."""
    if found.rows != wanted.rows or (card.duckdb == duckdb.__version__ and found != wanted):
        raise RecordError(
            f"holds {found.rows:,} rows in {name} that are not the {wanted.rows:,} that were taken",
            subject=str(folder),
            remedy=MAKE_ANEW,
        )


def _go_on(cursor: Cursor, card: Card) -> None:
    for sequence, (table, column) in SEQUENCES.items():
        if (
            table in card.tables
            and cursor.execute(
                "select 1 from duckdb_sequences() where sequence_name = $name", {"name": sequence}
            ).fetchone()
        ):
            [(largest,)] = cursor.execute(f"select coalesce(max({quoted(column)}), 0) from {quoted(table)}").fetchall()
            cursor.execute(f"create or replace sequence {quoted(sequence)} start {largest + 1}")
