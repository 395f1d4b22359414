"""How the command line speaks: data on stdout, everything else on stderr."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

err = Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """A line for the person."""
    err.print(text, markup=False, soft_wrap=True)


def give_json(data: Any) -> None:
    """The answer, for a program."""
    json.dump(data, sys.stdout, ensure_ascii=False, indent=2, default=str)
    sys.stdout.write("\n")


def give_table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, empty: str) -> None:
    """The answer, for a person: `columns` maps keys of a row to headings. `empty` is said where there are no rows."""
    if not rows:
        say(empty)
        return
    table = Table(box=None, pad_edge=False)
    for heading in columns.values():
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*("" if row.get(key) is None else str(row[key]) for key in columns))
    Console(highlight=False).print(table)
