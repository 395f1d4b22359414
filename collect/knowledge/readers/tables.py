"""Read CSV and XLSX: a row of question and answer as one passage under its question, any other row as `name: value`."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from collect.knowledge.document import Block, Document, Unreadable, row_text, title_of_file
from collect.knowledge.readers.archive import check_archive
from collect.knowledge.readers.markup import decode

QUESTION: Final = frozenset({
    "question", "questions", "q", "frage", "fragen", "pregunta", "domanda", "vraag", "pergunta", "问题", "質問",
})  # fmt: skip
ANSWER: Final = frozenset({
    "answer", "answers", "a", "antwort", "antworten", "respuesta", "réponse", "reponse", "risposta", "antwoord",
    "resposta", "reply", "答案", "回答", "答え",
})  # fmt: skip
MAX_ROWS: Final = 50_000


def read_csv(file: Path, raw: bytes) -> Document:
    text = decode(raw)
    first = text.partition("\n")[0]
    mark = max(",;\t|", key=first.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=mark))
    except csv.Error as error:
        raise Unreadable(f"is no CSV ({error})") from error
    return Document(title_of_file(file), _blocks(rows, ()))


def read_xlsx(file: Path, raw: bytes) -> Document:
    from openpyxl import load_workbook  # noqa: PLC0415  # half a second that a bot without tables does not pay

    check_archive(raw)
    book = load_workbook(io.BytesIO(raw), read_only=True, data_only=True)
    try:
        sheets = book.worksheets
        blocks: tuple[Block, ...] = ()
        for sheet in sheets:
            rows = [["" if cell is None else str(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]
            blocks += _blocks(rows, (sheet.title,) if len(sheets) > 1 else ())
    finally:
        book.close()
    return Document(title_of_file(file), blocks)


def _blocks(rows: Iterable[list[str]], above: tuple[str, ...]) -> tuple[Block, ...]:
    filled = [[" ".join(cell.split()) for cell in row] for row in rows if any(cell.strip() for cell in row)]
    if len(filled) > MAX_ROWS:
        raise Unreadable(f"has {len(filled)} rows, more than {MAX_ROWS}")
    if len(filled) < 2:
        return tuple(Block(above, row_text([], cells)) for cells in filled)
    names, *entries = filled
    known = [name.casefold().rstrip(":?") for name in names]
    asked = next((place for place, name in enumerate(known) if name in QUESTION), None)
    answered = next((place for place, name in enumerate(known) if name in ANSWER), None)
    if asked is None or answered is None:
        return tuple(Block(above, row_text(names, cells)) for cells in entries)
    pairs = ((cells[asked], cells[answered]) for cells in entries if len(cells) > max(asked, answered))
    return tuple(Block((*above, question) if question else above, answer) for question, answer in pairs if answer)
