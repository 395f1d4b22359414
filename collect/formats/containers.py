"""Make rows of a file, whatever carries them: JSONL, a JSON array or object, CSV, Excel, Parquet, Markdown, HTML.

Gzip is unpacked, byte order marks, CRLF and UTF-16 are read, and rows come one by one, so that memory does not depend
on the file's size (but for Excel, Markdown, HTML and one JSON object, which are read whole and are small). A row is
named by its line, or by its place in an array or table. Does not know what rows mean (`collect.formats.table`).
"""

import codecs
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import ijson

from collect.formats.read import BadLine
from collect.formats.sheets import (
    SHOWN_CHARS,
    csv_cells,
    faq_rows,
    is_markdown,
    parquet_rows,
    sheet_cells,
    table_mark,
    table_rows,
)
from collect.formats.talk import Row
from collect.knowledge.document import Unreadable
from collect.knowledge.readers.html import read_html
from collect.knowledge.readers.markup import read_markdown
from nightschool.errors import InvalidInput

MAX_LINE_BYTES: Final = 16 << 20
MAX_WHOLE_BYTES: Final = 64 << 20
PEEK_BYTES: Final = 64 << 10
UTF16: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def read_rows(file: BinaryIO, *, max_bytes: int) -> Iterator[Row | BadLine]:
    """Every row of the file, or what is wrong with it.

    Raises InvalidInput where unpacked it is larger than `max_bytes`, and where a damaged archive ends early; rows
    before that were given.
    """
    inner = gzip.GzipFile(fileobj=file) if _peek(file, 2) == b"\x1f\x8b" else file
    try:
        plain = io.BufferedReader(_Counted(inner, max_bytes=max_bytes), PEEK_BYTES)
        begin = plain.peek(PEEK_BYTES)
        yield from _rows(cast(BinaryIO, plain), begin)
    except Unreadable as error:
        raise InvalidInput(str(error), subject="import", remedy="Save it anew.") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InvalidInput(f"is a damaged gzip file ({error})", subject="import", remedy="Send it anew.") from error


def _peek(file: BinaryIO, size: int) -> bytes:
    begin = file.read(size)
    file.seek(0)
    return begin


class _Counted(io.RawIOBase):
    """Reads on up to a limit, as UTF-8 where it was UTF-16: a small archive may unpack to more than the disk holds."""

    def __init__(self, inner: Any, *, max_bytes: int) -> None:
        self._inner = inner
        self._left = max_bytes
        self._decoder: codecs.IncrementalDecoder | None = None
        self._ready = self._piece()
        for mark, name in UTF16.items():
            if self._ready.startswith(mark):
                self._decoder = codecs.getincrementaldecoder(name)("surrogatepass")
                self._ready = self._recoded(self._ready[len(mark) :])
        self._ready = self._ready.removeprefix(codecs.BOM_UTF8)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            piece = self._piece()
            if not piece:
                return 0
            self._ready = self._recoded(piece)
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _piece(self) -> bytes:
        piece: bytes = self._inner.read(PEEK_BYTES)
        self._left -= len(piece)
        if self._left < 0:
            raise InvalidInput("is too large when unpacked", subject="import", remedy="Import it in parts.")
        return piece

    def _recoded(self, piece: bytes) -> bytes:
        # A half of a surrogate pair makes its line no UTF-8, and is told as such.
        return piece if self._decoder is None else self._decoder.decode(piece).encode("utf-8", "surrogatepass")


def _rows(file: BinaryIO, begin: bytes) -> Iterator[Row | BadLine]:
    start = begin.lstrip()[:1]
    if begin.startswith(b"PK\x03\x04"):
        yield from table_rows(sheet_cells(_whole(file)))
    elif begin.startswith(b"PAR1"):
        yield from parquet_rows(_whole(file))
    elif start == b"[" and begin.lstrip()[1:].lstrip()[:1] in {b"{", b"]", b""}:
        yield from _array(file)
    elif start == b"<":
        yield from faq_rows(read_html(Path("import.html"), _whole(file)))
    elif start == b"{" or not (mark := table_mark(begin)):
        if start != b"{" and is_markdown(begin):
            yield from faq_rows(read_markdown(Path("import.md"), _whole(file)))
        else:
            yield from _json(file)
    else:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="")
        yield from table_rows(csv_cells(text, mark))


def _whole(file: BinaryIO) -> bytes:
    raw = file.read(MAX_WHOLE_BYTES + 1)
    if len(raw) > MAX_WHOLE_BYTES:
        raise InvalidInput(
            f"has more than {MAX_WHOLE_BYTES} bytes, which only JSONL, a JSON array or CSV may have",
            subject="import",
            remedy="Import it in parts.",
        )
    return raw


def _json(file: BinaryIO) -> Iterator[Row | BadLine]:
    """Lines; or one object over many, where the first alone is none."""
    first = file.readline(MAX_LINE_BYTES)
    if first.lstrip()[:1] == b"{" and _parsed(first) is None:
        rest = file.read(MAX_WHOLE_BYTES)
        whole = _parsed(first + rest)
        if whole is not None:
            yield from _of_object(1, whole, "")
            return
        yield from _lines(io.BytesIO(first + rest))
        yield from _lines(file, start=first.count(b"\n") + rest.count(b"\n"))
        return
    yield from _lines(io.BytesIO(first))
    yield from _lines(file, start=1)


def _lines(file: Any, *, start: int = 0) -> Iterator[Row | BadLine]:
    number = start
    while raw := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(raw) > MAX_LINE_BYTES:
            while raw and not raw.endswith(b"\n"):
                raw = file.readline(MAX_LINE_BYTES)
            yield BadLine(number, f"has more than {MAX_LINE_BYTES} bytes")
            continue
        yield from _line(number, raw)


def _line(number: int, raw: bytes) -> Iterator[Row | BadLine]:
    try:
        text = raw.decode("utf-8").strip()
    except UnicodeDecodeError:
        yield BadLine(number, "is not UTF-8", raw.decode("utf-8", "replace")[:SHOWN_CHARS])
        return
    if not text:
        return
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:  # a ValueError of its own: a number of thousands of digits
        where = f" at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
        yield BadLine(number, f"is not JSON{where}", text[:SHOWN_CHARS])
        return
    yield from _of_object(number, value, text)


def _of_object(number: int, value: Any, text: str) -> Iterator[Row | BadLine]:
    """An answer of somebody's API has its rows under `data`."""
    rows = value.get("data") if isinstance(value, dict) else None
    if isinstance(rows, list) and rows and "meta" in value and "snapshot" not in value:
        for place, row in enumerate(rows, start=1):
            yield _row(place, row)
        return
    yield _row(number, value, text)


def _row(number: int, value: Any, text: str = "") -> Row | BadLine:
    if not isinstance(value, dict):
        return BadLine(number, "is not a JSON object", text[:SHOWN_CHARS])
    return Row(number, value, text[:SHOWN_CHARS])


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _array(file: BinaryIO) -> Iterator[Row | BadLine]:
    number = 0
    try:
        for value in ijson.items(file, "item", use_float=True):
            number += 1
            yield _row(number, value)
    except (ijson.JSONError, UnicodeDecodeError, ValueError, OverflowError) as error:
        told = " ".join(str(error).split())[:100]
        yield BadLine(number + 1, f"is not JSON, from this entry on ({told})")
