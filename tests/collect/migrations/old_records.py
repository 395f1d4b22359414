"""Records as every older Nightschool left them: the schema of its day as SQL, with two rows in each table.

They are stored, so that a record of that day is brought to today's schema whatever becomes of the code that made it.
Run after adding a migration: python -m tests.collect.migrations.old_records   (writes what is missing)
"""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import duckdb

from collect.migrations.runner import MIGRATIONS, migrate

FOLDER: Final = Path(__file__).parent / "records"
COLUMNS: Final = """
select column_name, data_type from duckdb_columns() where table_name = $name order by column_index
"""
VALUES: Final = {
    "VARCHAR": "'{name} {number} ä''\"'",
    "VARCHAR[]": "['{name} {number}', '']",
    "TIMESTAMP WITH TIME ZONE": "'2026-03-0{number} 12:00:00+00'",
    "DATE": "'2026-03-0{number}'",
    "BOOLEAN": "{number} = 1",
    "BIGINT[]": "[{number}, 7]",
    "INTEGER[]": "[{number}, 7]",
    "DOUBLE": "{number}.5",
    "FLOAT": "{number}.5",
}
"""By type; numbers are numbers."""


def file_of(name: str) -> Path:
    return FOLDER / f"{name}.sql.gz"


def read_record(name: str) -> str:
    """The statements that make a record as it was once the migration of that name was new."""
    return gzip.decompress(file_of(name).read_bytes()).decode()


def describe(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    for kind in ("sequences", "tables", "indexes"):
        for (sql,) in connection.execute(f"select sql from duckdb_{kind}() order by sql").fetchall():
            # Numbers go on behind the rows.
            yield f"{sql.rstrip(';').replace('START 1 ', 'START 3 ')};"
    for (name,) in connection.execute("select table_name from duckdb_tables() order by table_name").fetchall():
        columns = connection.execute(COLUMNS, {"name": name}).fetchall()
        if name == "migrations":
            for (applied,) in connection.execute("select name from migrations order by name").fetchall():
                yield f"insert into migrations values ('{applied}', '2026-03-01 12:00:00+00');"
            continue
        for number in (1, 2):
            values = ", ".join(
                VALUES.get(kind, "{number}").format(name=column, number=number) for column, kind in columns
            )
            yield f"insert into {name} values ({values});"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for age, migration in enumerate(MIGRATIONS, 1):
        if not file_of(migration.name).exists():
            with duckdb.connect() as connection:
                migrate(connection, migrations=MIGRATIONS[:age])
                text = "\n".join(describe(connection)) + "\n"
            file_of(migration.name).write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main()
