"""A folder of documents becomes a bot that can be loaded, with starters of its headings."""

import io
from pathlib import Path

import docx
import httpx
import pytest
from openpyxl import Workbook

from nightschool.bots import load_bot
from nightschool.errors import Busy, InvalidInput, InvalidSettings
from serve.new_bot import make_bot
from serve.parts import Parts
from tests.collect.knowledge.pdf import make_pdf


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "returns.md").write_text(
        "# Returns\n\n## How do I return a lamp?\n\nWithin 30 days.\n\n## Label\n\nIn the app.\n"
    )
    (folder / 'say "hi".md').write_text('# The "best" lamps\n\nThey shine.\n')
    (folder / "scan.pdf").write_bytes(b"%PDF-1.4 broken")
    return folder


def test_the_bot_can_be_loaded_and_asks_what_the_pages_answer(tmp_path: Path, documents: Path) -> None:
    made = make_bot(tmp_path / "bots", name="shop-docs", documents=documents, title='Shop "docs"')
    bot = load_bot(made.file)
    assert (bot.name, bot.title, made.documents) == ("shop-docs", 'Shop "docs"', 2)
    assert bot.starters == ("How do I return a lamp?", "Tell me about Returns.", 'Tell me about The "best" lamps.')
    assert (made.file.parent / bot.knowledge.folder).resolve() == documents.resolve()
    assert [fault.file for fault in made.faults] == ["scan.pdf"]


def make_docx() -> bytes:
    made, raw = docx.Document(), io.BytesIO()
    made.add_heading("Warranty", 1)
    made.add_paragraph("A lamp has a warranty of three years.")
    made.save(raw)
    return raw.getvalue()


def make_xlsx() -> bytes:
    book, raw = Workbook(), io.BytesIO()
    for row in (["Question", "Answer"], ["Do you take credit cards?", "Yes, and PayPal."]):
        book.worksheets[0].append(row)
    book.save(raw)
    return raw.getvalue()


async def test_it_answers_from_every_form_of_document_at_once(
    parts: Parts, client: httpx.AsyncClient, bots_folder: Path
) -> None:
    contents = {
        "shipping.md": b"# Shipping\n\nExpress shipping takes two days.\n",
        "care.html": b"<h1>Care</h1><p>Clean the lamp with a dry cloth.</p>",
        "visit.txt": b"Our showroom stands in Leipzig.",
        "returns.pdf": make_pdf(["Send an order back within 30 days."]),
        "warranty.docx": make_docx(),
        "payment.xlsx": make_xlsx(),
        "bulbs.csv": b"Bulb,Watts\nMoonlight,40\n",
    }
    folder = bots_folder / "pages"
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    made = make_bot(bots_folder, name="shop-docs", documents=folder, title="Shop")
    assert (made.documents, made.faults) == (len(contents), ())
    parts.shelf.look()
    await parts.knowledge.look()
    for asked, document in (
        ("How fast is express shipping?", "Shipping"),
        ("How do I clean my lamp?", "Care"),
        ("Where is your showroom?", "Visit"),
        ("May I send my order back?", "Returns"),
        ("How long is the warranty of a lamp?", "Warranty"),
        ("Can I pay by credit card?", "Payment"),
        ("How many watts has the Moonlight bulb?", "Bulbs"),
    ):
        body = {"model": "shop-docs", "messages": [{"role": "user", "content": asked}]}
        reply = (await client.post("/v1/chat/completions", json=body)).json()
        assert reply["nightschool"]["sources"][0]["document"] == document, asked


def test_documents_beside_the_bots_are_named_from_there(tmp_path: Path, documents: Path) -> None:
    made = make_bot(tmp_path, name="docs", documents=documents, title="Docs")
    assert load_bot(made.file).knowledge.folder == "pages"


def test_what_is_there_stays(tmp_path: Path, documents: Path) -> None:
    made = make_bot(tmp_path, name="docs", documents=documents, title="Docs")
    before = made.file.read_text()
    with pytest.raises(Busy, match="is a bot already"):
        make_bot(tmp_path, name="docs", documents=documents, title="Other")
    assert made.file.read_text() == before


def test_nothing_is_left_of_a_bot_that_is_none(tmp_path: Path, documents: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "nowhere"):
        with pytest.raises(InvalidInput, match=folder):
            make_bot(tmp_path, name="docs", documents=tmp_path / folder, title="Docs")
    with pytest.raises(InvalidSettings, match="title"):
        make_bot(tmp_path / "bots", name="docs", documents=documents, title="")
    assert list(tmp_path.rglob("*.toml")) == []


@pytest.mark.parametrize("name", ["No Name", "../docs", "a/b", "", "docs\n"])
def test_a_name_that_is_none_leads_nowhere(tmp_path: Path, documents: Path, name: str) -> None:
    (tmp_path / "docs.toml").write_text("somebody else's")
    with pytest.raises(InvalidInput, match="is no name of a bot"):
        make_bot(tmp_path / "bots", name=name, documents=documents, title="Docs")
    assert [file.name for file in tmp_path.rglob("*.toml")] == ["docs.toml"]
