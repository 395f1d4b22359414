"""Have a dataset built without holding up the server: by a child process where there is much to read.

Columns, near-duplicates and splits of a million messages hold Python's lock for a minute and more, in which a thread of
the server would let nobody else be served. A snapshot of fewer than `CHILD_FROM` messages is built in a thread all the
same: it takes less than the child's own start, unless people's names are looked for, whose model the server never
loads. The bytes are the same on both ways. Does not know what a dataset holds.
"""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from nightschool.child import Child, run_child
from nightschool.errors import BuildFailed
from tune.build import BuildOrder, take_summary, write_order
from tune.dataset import DatasetSummary
from tune.snapshot import MESSAGES

BUILDER: Final = (sys.executable, "-m", "tune.build")
CHILD_FROM: Final = 5_000
"""Messages. So many are built in about a second."""
NICENESS: Final = 10
"""People who chat go before."""


async def have_built(
    order: BuildOrder, *, order_file: Path, child_from: int = CHILD_FROM, command: Sequence[str] = BUILDER
) -> DatasetSummary:
    """The summary of a dataset that stands. A child's log stays beside `order_file`.

    Raises what `tune.dataset.build_dataset` does, or BuildFailed, which quotes the child's last lines.
    """
    is_light = order.privacy is None or not order.privacy.names
    if is_light and await asyncio.to_thread(_count_messages, order.snapshot) < child_from:
        return await asyncio.to_thread(order.build)
    await asyncio.to_thread(write_order, order_file, order)
    log = order_file.with_suffix(".log")
    async with run_child([*command, str(order_file)], log=log, niceness=NICENESS) as child:
        code = await child.wait()
        summary = await asyncio.to_thread(take_summary, order_file)
        if summary is None:
            raise _failed(child, code, order)
        return summary


def _count_messages(snapshot: Path) -> int:
    """0 where there is no such table: what is no snapshot is refused by whoever reads it."""
    table = snapshot / MESSAGES
    return pq.read_metadata(table).num_rows if table.exists() else 0


def _failed(child: Child, code: int, order: BuildOrder) -> BuildFailed:
    subject = f"dataset of {order.snapshot}"
    if child.was_killed_for_memory():
        return BuildFailed(
            "was killed by the kernel for want of memory", subject=subject, remedy="Have more memory free at night."
        )
    how = f"was killed (signal {-code})" if code < 0 else f"ended with code {code}"
    return BuildFailed(f"{how}:\n{child.log_tail()}\n", subject=subject, remedy=f"The whole log is {child.log}.")
