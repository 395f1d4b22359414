"""Parquet files of tests: written from plain rows, and read back as such."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def write_table(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Fields that a row lacks are null; no rows, no columns."""
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), file)


def read_table(file: Path) -> list[dict[str, Any]]:
    """Rows without the fields that are null."""
    return [_present(row) for row in pq.read_table(file).to_pylist()]


def _present(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _present(part) for name, part in value.items() if part is not None}
    return [_present(part) for part in value] if isinstance(value, list) else value
