"""Read PDF and DOCX. A PDF's pages are its headings; macros, scripts and attachments are not looked at."""

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from collect.knowledge.document import Document, Outline, Unreadable, row_text, title_of_file
from collect.knowledge.readers.archive import check_archive

if TYPE_CHECKING:
    from docx.table import Table

MAX_PAGES: Final = 1_000
HEADING_STYLE: Final = re.compile(r"heading (\d)", re.IGNORECASE)


def read_pdf(file: Path, raw: bytes) -> Document:
    from pypdf import PasswordType, PdfReader  # noqa: PLC0415  # half a second that a bot without PDF does not pay

    reader = PdfReader(io.BytesIO(raw))
    if reader.is_encrypted and reader.decrypt("") == PasswordType.NOT_DECRYPTED:
        raise Unreadable("is encrypted; save it without a password")
    if len(reader.pages) > MAX_PAGES:
        raise Unreadable(f"has {len(reader.pages)} pages, more than {MAX_PAGES}; split it")
    outline = Outline(title_of_file(file))
    pages = [page.extract_text() for page in reader.pages]
    for number, page in enumerate(pages, start=1):
        if len(pages) > 1:
            outline.add_heading(1, f"page {number}")
        for paragraph in re.split(r"\n\s*\n", page):
            outline.add_text(_joined(paragraph))
    return outline.close()


def _joined(lines: str) -> str:
    """A paragraph as one line: a word that was broken at a line's end is whole again."""
    return " ".join(re.sub(r"(?<=[^\W\d_])[-\u00ad]\n(?=[a-zß-öø-ÿ])", "", lines).split())


def read_docx(file: Path, raw: bytes) -> Document:
    import docx  # noqa: PLC0415
    from docx.text.paragraph import Paragraph  # noqa: PLC0415

    check_archive(raw)
    found = docx.Document(io.BytesIO(raw))
    outline = Outline(found.core_properties.title or title_of_file(file))
    for piece in found.iter_inner_content():
        if not isinstance(piece, Paragraph):
            _add_table(outline, piece)
            continue
        style = (piece.style.name if piece.style is not None else None) or ""
        heading = HEADING_STYLE.fullmatch(style)
        if heading or style == "Title":
            outline.add_heading(int(heading[1]) if heading else 0, piece.text)
        else:
            outline.add_text(piece.text)
    return outline.close()


def _add_table(outline: Outline, table: "Table") -> None:
    rows = [[" ".join(cell.text.split()) for cell in row.cells] for row in table.rows]
    names = rows[0] if len(rows) > 1 else []
    for cells in rows[1:] if names else rows:
        outline.add_text(row_text(names, cells))
