"""Scrubbed: what became free in the file is written over to its last byte (words are looked for with erasures)."""

from functools import partial
from pathlib import Path

import numpy as np

from collect.scrub import scrub
from collect.store import Cursor, Store

GONE = "create table gone as select i, md5(i::text) || i as said from range(60000) t(i)"
BEHIND = "create table behind as select i, md5(i::text) as said from range(60000) t(i)"
HEADERS_BYTES = 3 * 4096
BLOCK_BYTES = 256 * 1024
SUM_BYTES = 8
"""At the beginning of a block."""


def execute(cursor: Cursor, *, statement: str) -> None:
    cursor.execute(statement)


def blocks_of_gone(cursor: Cursor) -> list[int]:
    found = cursor.execute("select distinct block_id from pragma_storage_info('gone') where block_id >= 0")
    return sorted(block for (block,) in found.fetchall())


async def test_what_became_free_is_filled_to_its_last_byte(store: Store, tmp_path: Path) -> None:
    """Where room is left in a block, DuckDB writes what its memory held there, of whomever that was."""
    for statement in (GONE, BEHIND):  # apart, so that the file is not cut where the first one stood
        await store.write(partial(execute, statement=statement))
        await store.fold()
    blocks = await store.read(blocks_of_gone)
    await store.write(partial(execute, statement="drop table gone"))
    await scrub(store, [])
    file = (tmp_path / "record.duckdb").read_bytes()
    filled = 0
    for block in blocks:
        begin = HEADERS_BYTES + block * BLOCK_BYTES
        words = np.frombuffer(file[begin + SUM_BYTES : begin + BLOCK_BYTES], dtype="<i8")
        filled += bool((np.diff(words) == 1).all())
    assert len(blocks) > 4
    assert filled >= len(blocks) / 2  # the record's own tables have taken others
