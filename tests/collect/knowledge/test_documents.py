"""Every form of document is read, and no file keeps the others from it."""

import csv
import io
import zipfile
from pathlib import Path

import docx
import pytest
from openpyxl import Workbook
from pypdf import PdfWriter

from collect.knowledge.document import Document, Unreadable
from collect.knowledge.documents import MAX_FILE_BYTES, look, read_document
from tests.collect.knowledge.pdf import make_pdf

MARKDOWN = """\
---
owner: support
---
# Returns

You can return within **30 days**, see [the label](https://lumafern.example).

## Refund time
- By card: 5 days
- By PayPal: 1 day

| Plan | Price |
|---|---|
| Grove | 4 euro |

<div>Call us.</div>
"""
HTML = """\
<html><head><title>Shipping</title><style>p {}</style></head><body><nav>Home</nav>
<h1>Shipping</h1><p>Express costs <b>12</b> euro.<script>steal()</script></p>
<h2>Zones</h2><table><tr><th>Zone</th><th>Days</th></tr><tr><td>EU</td><td>3</td></tr></table>
<p hidden>secret</p><p style="display: none">secret</p><!-- secret --><div>Ask <i>Fern</i></div></body></html>
"""


def read(folder: Path, name: str, content: str | bytes) -> Document:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_document(file, folder=folder)


def said(document: Document) -> list[tuple[str, str]]:
    return [(" > ".join(block.headings), block.text) for block in document.blocks]


def refusal(folder: Path, name: str, content: str | bytes) -> str:
    with pytest.raises(Unreadable) as caught:
        read(folder, name, content)
    return str(caught.value)


def test_markdown(tmp_path: Path) -> None:
    found = read(tmp_path, "a.md", MARKDOWN)
    assert found.title == "Returns"
    assert said(found) == [
        ("", "You can return within 30 days, see the label."),
        ("Refund time", "By card: 5 days"),
        ("Refund time", "By PayPal: 1 day"),
        ("Refund time", "Plan: Grove; Price: 4 euro"),
        ("Refund time", "Call us."),
    ]


def test_a_document_without_one_title_is_called_like_its_file(tmp_path: Path) -> None:
    found = read(tmp_path, "refund-time.md", "# Card\n5 days\n# PayPal\n1 day\n")
    assert (found.title, said(found)) == ("Refund time", [("Card", "5 days"), ("PayPal", "1 day")])


def test_html_without_what_it_hides(tmp_path: Path) -> None:
    found = read(tmp_path, "a.html", HTML)
    assert found.title == "Shipping"
    assert said(found) == [("", "Express costs 12 euro."), ("Zones", "Zone: EU; Days: 3"), ("Zones", "Ask Fern")]


def test_plain_text_by_paragraphs(tmp_path: Path) -> None:
    assert said(read(tmp_path, "a.txt", "One\nline.\r\n\r\nTwo.")) == [("", "One\nline."), ("", "Two.")]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_csv_of_questions_and_answers(tmp_path: Path, mark: str) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=mark).writerows([["Question", "Topic", "Answer"], ["How, much?", "x", "4 euro"]])
    assert said(read(tmp_path, "faq.csv", text.getvalue())) == [("How, much?", "4 euro")]


def test_other_tables_row_by_row(tmp_path: Path) -> None:
    assert said(read(tmp_path, "plans.csv", "Plan,Price\nGrove,4 euro\nSprout,\n")) == [
        ("", "Plan: Grove; Price: 4 euro"),
        ("", "Plan: Sprout"),
    ]


def test_xlsx(tmp_path: Path) -> None:
    book = Workbook()
    for row in (["Frage", "Antwort"], ["Was kostet Grove?", 4]):
        book.worksheets[0].append(row)
    raw = io.BytesIO()
    book.save(raw)
    assert said(read(tmp_path, "faq.xlsx", raw.getvalue())) == [("Was kostet Grove?", "4")]


def test_docx(tmp_path: Path) -> None:
    made = docx.Document()
    made.add_heading("Warranty", 1)
    made.add_paragraph("Two years.")
    made.add_heading("Batteries", 2)
    table = made.add_table(rows=2, cols=2)
    for place, text in enumerate(("Part", "Months", "Probe", "12")):
        table.cell(place // 2, place % 2).text = text
    raw = io.BytesIO()
    made.save(raw)
    found = read(tmp_path, "a.docx", raw.getvalue())
    assert said(found) == [("", "Two years."), ("Batteries", "Part: Probe; Months: 12")]


def test_pdf_by_pages(tmp_path: Path) -> None:
    found = read(tmp_path, "warranty.pdf", make_pdf(["Two years on plan-", "ters."], ["Call us."]))
    assert found.title == "Warranty"
    assert said(found) == [("page 1", "Two years on planters."), ("page 2", "Call us.")]


def test_an_encrypted_pdf_says_so(tmp_path: Path) -> None:
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    writer.encrypt("secret", algorithm="AES-256")
    raw = io.BytesIO()
    writer.write(raw)
    assert "encrypted" in refusal(tmp_path, "a.pdf", raw.getvalue())


def test_a_scan_has_no_text(tmp_path: Path) -> None:
    assert "a scan" in refusal(tmp_path, "a.pdf", make_pdf([]))


@pytest.mark.parametrize("name", ["a.docx", "a.xlsx"])
def test_a_zip_bomb_is_not_unpacked(tmp_path: Path, name: str) -> None:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"0" * 30_000_000)
    assert "unpacks to 30 MB" in refusal(tmp_path, name, raw.getvalue())


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.md", "größer".encode("latin-1"), "UTF-8"),
        ("a.txt", b"\0\1\2", "is no text"),
        ("a.pdf", b"%PDF-1.7\nnothing", "is damaged"),
        ("a.docx", b"PK\3\4 cut", "is damaged"),
        ("a.xlsx", b"", "is damaged"),
        ("a.md", "\n \n", "holds no text"),
        ("a.csv", "", "holds no text"),
        ("a.png", b"\x89PNG", "of a form that is not read"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, name: str, content: str | bytes, reason: str) -> None:
    assert reason in refusal(tmp_path, name, content)


def test_utf16_says_what_it_is(tmp_path: Path) -> None:
    assert said(read(tmp_path, "a.txt", "größer".encode("utf-16"))) == [("", "größer")]


def test_a_huge_file_is_not_opened(tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    with file.open("wb") as huge:
        huge.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(Unreadable, match="more than 20"):
        read_document(file, folder=tmp_path)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("# Key")
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.md").symlink_to(tmp_path / "secret.md")
    (folder / "all").symlink_to(tmp_path)
    assert [file.name for file in look(folder)] == ["a.md"]
    with pytest.raises(Unreadable, match="link out of the folder"):
        read_document(folder / "a.md", folder=folder)


def test_what_editors_leave_is_no_document(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    for name in (".git/a.md", ".a.md.swp", "~$a.docx", "b.md"):
        (tmp_path / name).write_text("x")
    assert [file.name for file in look(tmp_path)] == ["b.md"]


@pytest.mark.parametrize(
    ("name", "hostile"),
    [
        ("a.html", "<div>" * 3_000 + "deep"),
        ("a.html", "<p>" * 3_000),
        ("a.html", "<!--" * 3_000 + "x"),
        ("a.html", "&#x0;<b>x</b>"),
        ("a.md", "> " * 3_000 + "x"),
        ("a.md", "[" * 3_000),
        ("a.md", "*" * 3_000 + "a"),
        ("a.md", "<!--" * 1_000),
    ],
)
def test_hostile_text_ends_as_a_document_or_a_reason(tmp_path: Path, name: str, hostile: str) -> None:
    try:
        found = read(tmp_path, name, hostile)
    except Unreadable:
        return
    assert found.blocks
