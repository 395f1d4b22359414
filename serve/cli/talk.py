"""How the command line speaks: data on stdout, everything else on stderr.

A terminal gets tables, a pipe lines with tabs, and neither the control characters that somebody typed into a chat.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""All but tab and line feed: an escape sequence in an answer must not reach the terminal."""


def say(text: str) -> None:
    """A line for the person."""
    print(plain(text), file=sys.stderr, flush=True)


def give(text: str) -> None:
    """A line of the answer."""
    print(plain(text))


def give_json(data: Any) -> None:
    """The answer, for a program; all ASCII where the locale is not UTF-8."""
    is_utf_8 = (sys.stdout.encoding or "utf-8").lower() in {"utf-8", "utf8"}
    json.dump(data, sys.stdout, ensure_ascii=not is_utf_8, indent=2, default=str)
    sys.stdout.write("\n")


def give_table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, empty: str) -> None:
    """The answer, for a person: `columns` maps keys of a row to headings. `empty` is said where there are no rows."""
    if not rows:
        say(empty)
        return
    cells = [["" if row.get(key) is None else plain(str(row[key])) for key in columns] for row in rows]
    if sys.stdout.isatty():
        _draw(cells, headings=list(columns.values()))
        return
    for line in [list(columns.values()), *cells]:
        print("\t".join(" ".join(cell.split()) for cell in line))


def plain(text: str) -> str:
    """The text without control characters."""
    return CONTROLS.sub("", text)


def local_time(iso: str | None) -> str:
    """A moment as the person's clock shows it; empty where there is none."""
    return f"{datetime.fromisoformat(iso).astimezone():%Y-%m-%d %H:%M}" if iso else ""


def _draw(cells: Sequence[Sequence[str]], *, headings: Sequence[str]) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for line in cells:
        # As Text, since square brackets are markup to rich.
        table.add_row(*map(Text, line))
    Console().print(table)
