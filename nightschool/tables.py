"""Rows in Parquet files: equal rows give equal bytes, and what is read back is checked once and typed.

What passes between rooms is written and read here; a reader names the fields that it needs, and others are left alone.
A null stands for a field that is absent. Does not know what any row means.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from nightschool.errors import InvalidInput

M = TypeVar("M", bound=BaseModel)
Narrow = Callable[[pa.RecordBatch], pa.RecordBatch]
ROWS_AT_ONCE: Final = 2_000
"""So much is in memory; a group of rows of the file."""
REMEDY: Final = "Build it again."


def write_rows(file: Path, rows: Iterable[Mapping[str, object]], *, schema: pa.Schema) -> None:
    """A row for each of `rows`, in their order; a field that one lacks is null."""
    left = iter(rows)
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        while some := list(islice(left, ROWS_AT_ONCE)):
            writer.write_table(pa.Table.from_pylist(some, schema=schema))


def read_rows(file: Path, model: type[M], *, row: str, narrow: Narrow = lambda batch: batch) -> Iterator[M]:
    """Each row of the file as `model`; `row` says what one is. Raises InvalidInput, which names the row.

    `narrow` leaves of some rows, as columns, those that are wanted: a few of very many are found in no time.
    """
    for number, values in enumerate(_read(file, frozenset(model.model_fields), narrow), start=1):
        try:
            yield model.model_validate(_present(values))
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            where = ".".join(map(str, fault["loc"])) or "row"
            raise InvalidInput(
                f"is not {row} ({where}: {fault['msg']})", subject=f"{file}, row {number}", remedy=REMEDY
            ) from error


def _read(file: Path, fields: frozenset[str], narrow: Narrow) -> Iterator[dict[str, Any]]:
    try:
        with pq.ParquetFile(file) as parquet:
            columns = [name for name in parquet.schema_arrow.names if name in fields]
            for batch in parquet.iter_batches(ROWS_AT_ONCE, columns=columns):
                yield from narrow(batch).to_pylist()
    except FileNotFoundError as error:
        is_older = file.with_suffix(".jsonl").exists()
        problem = "is missing: the folder holds JSON lines, as version 0.1 wrote them" if is_older else "is missing"
        raise InvalidInput(problem, subject=str(file), remedy=REMEDY) from error
    except (pa.ArrowException, OSError) as error:
        raise InvalidInput(f"cannot be read as Parquet ({error})", subject=str(file), remedy=REMEDY) from error


def _present(value: Any) -> Any:
    """The value without fields that are null."""
    match value:
        case dict():
            return {name: _present(part) for name, part in value.items() if part is not None}
        case list():
            return [_present(part) for part in value]
    return value
