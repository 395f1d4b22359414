"""Make rows of tables and pages: CSV, Excel, Parquet, and FAQs in Markdown or HTML.

A table's columns are known by the names in its first row; a FAQ's questions are its headings. Does not know which of
them a file is (`collect.formats.containers`), nor what rows mean.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from collect.formats.read import BadLine
from collect.formats.talk import Row
from collect.knowledge.document import Document
from collect.knowledge.readers.archive import check_archive
from collect.knowledge.readers.tables import ANSWER, QUESTION
from nightschool.errors import InvalidInput

SHOWN_CHARS: Final = 2_000
BATCH_ROWS: Final = 1_000
MARKS: Final = ",;\t|"


def table_mark(begin: bytes) -> str | None:
    """What parts the columns of a table whose first line names a question and an answer; None where it is none."""
    first = begin.splitlines()[0].decode("utf-8", "replace") if begin else ""
    names = {mark: [_name(cell) for cell in next(csv.reader([first], delimiter=mark), [])] for mark in MARKS}
    return next((mark for mark, cells in names.items() if QUESTION & set(cells) and ANSWER & set(cells)), None)


def is_markdown(begin: bytes) -> bool:
    return any(line.startswith(b"#") for line in begin.splitlines())


def _name(cell: str) -> str:
    return cell.strip().casefold().rstrip(":?")


def csv_cells(text: Iterable[str], mark: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(text, delimiter=mark)
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        raise InvalidInput(
            f"is no table from line {reader.line_num} on ({error})", subject="import", remedy="Mend its quotes."
        ) from error


def sheet_cells(raw: bytes) -> Iterator[tuple[int, list[str]]]:
    from openpyxl import load_workbook  # noqa: PLC0415  # half a second that only a table pays

    try:
        check_archive(raw)
        book = load_workbook(io.BytesIO(raw), read_only=True, data_only=True)
    except Exception as error:  # whatever openpyxl raises for a file that is none of its own
        raise InvalidInput(f"is no Excel file ({error})", subject="import", remedy="Save it anew.") from error
    for number, cells in enumerate(book.worksheets[0].iter_rows(values_only=True), start=1):
        yield number, ["" if cell is None else str(cell) for cell in cells]
    book.close()


def table_rows(rows: Iterator[tuple[int, list[str]]]) -> Iterator[Row | BadLine]:
    """Question, answer and topic by the names in the first row."""
    _, head = next(rows, (1, []))
    names = [_name(cell) for cell in head]
    asked = next((place for place, name in enumerate(names) if name in QUESTION), None)
    answered = next((place for place, name in enumerate(names) if name in ANSWER), None)
    if asked is None or answered is None:
        yield BadLine(1, "has no column named question and none named answer")
        return
    topic = next((place for place, name in enumerate(names) if name in {"topic", "category"}), None)
    for number, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) <= max(asked, answered):
            yield BadLine(number, f"has {len(cells)} cells, and the first row {len(names)}", ",".join(cells))
            continue
        named = {"question": cells[asked].strip(), "answer": cells[answered].strip()}
        if topic is not None and len(cells) > topic:
            named["topic"] = cells[topic]
        yield Row(number, named, ",".join(cells)[:SHOWN_CHARS])


def parquet_rows(raw: bytes) -> Iterator[Row | BadLine]:
    number = 0
    try:
        for batch in pq.ParquetFile(io.BytesIO(raw)).iter_batches(BATCH_ROWS):
            for value in batch.to_pylist():
                number += 1
                yield Row(number, {name: cell for name, cell in value.items() if cell is not None})
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"is a damaged Parquet file ({error})", subject="import", remedy="Make it anew.") from error


def faq_rows(page: Document) -> Iterator[Row | BadLine]:
    """A FAQ: each innermost heading asks, and what stands below it answers."""
    answers: dict[tuple[str, ...], list[str]] = {}
    for block in page.blocks:
        if block.headings:
            answers.setdefault(block.headings, []).append(block.text)
    if not answers:
        yield BadLine(1, "is a page without headings, and a FAQ's headings are its questions")
    for number, (headings, texts) in enumerate(answers.items(), start=1):
        above = {"topic": headings[-2]} if len(headings) > 1 else {}
        yield Row(number, {"question": headings[-1], "answer": "\n\n".join(texts)} | above)
