"""What every form of document is read into: a title, and blocks of plain text below their headings."""

import re
from dataclasses import dataclass
from pathlib import Path


class Unreadable(Exception):
    """A file that gives no text; the message is the reason, for the person who put it there."""


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a list's entry, a table's row: what belongs together."""

    headings: tuple[str, ...]
    """Above it, outermost first, without the document's title."""
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    title: str
    blocks: tuple[Block, ...]


def title_of_file(file: Path) -> str:
    """`refund-time.md` is `Refund time`."""
    words = re.sub(r"[\s_-]+", " ", file.stem).strip() or file.name
    return words[:1].upper() + words[1:]


class Outline:
    """Takes headings and texts in their order and makes the document of them.

    The first heading is the title where nothing stands before it and none is of its level or above.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._found: list[tuple[tuple[tuple[int, str], ...], str]] = []
        self._open: list[tuple[int, str]] = []
        self._levels: list[int] = []
        self._begins_with_heading = False

    def add_heading(self, level: int, text: str) -> None:
        heading = " ".join(text.split())
        if not heading:
            return
        if not self._levels and not self._found:
            self._begins_with_heading = True
        self._levels.append(level)
        self._open = [*(above for above in self._open if above[0] < level), (level, heading)]

    def add_text(self, text: str) -> None:
        if text.strip():
            self._found.append((tuple(self._open), text.strip()))

    def close(self) -> Document:
        has_title = self._begins_with_heading and all(level > self._levels[0] for level in self._levels[1:])
        below = 1 if has_title else 0
        title = self._found[0][0][0][1] if has_title and self._found else self._title
        return Document(
            title, tuple(Block(tuple(name for _, name in above[below:]), text) for above, text in self._found)
        )


def row_text(names: list[str], cells: list[str]) -> str:
    """A table's row as people would read it out: `Plan: Grove; Price: 4 euro`."""
    named = [
        f"{name}: {cell}" if name else cell for name, cell in zip(names, cells, strict=False) if cell and cell != name
    ]
    return "; ".join([*named, *(cell for cell in cells[len(names) :] if cell)])
