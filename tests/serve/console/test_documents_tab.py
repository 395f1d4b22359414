"""The Documents tab, without a browser: what each event shows, and what a document becomes that was opened before."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from collect.formats.read import ParsedConversation
from collect.imports import import_conversations
from nightschool.records import BotName, ChatMessage, utc_now
from serve.console.documents_tab import DocumentsTab, DocumentsWires, draw_documents
from serve.parts import Parts
from serve.secrets import OPERATOR

BOT = BotName("support")
TEXT = "# Shipping\n\n## Express\n\nExpress shipping costs 12 euro.\n"


@pytest.fixture
def docs(parts: Parts, bots_folder: Path) -> Path:
    folder = bots_folder / "docs"
    folder.mkdir()
    (folder / "shipping.md").write_text(TEXT)
    file = bots_folder / "support.toml"
    file.write_text(file.read_text() + '[knowledge]\nfolder = "docs"\n')
    parts.shelf.look()
    return folder


@pytest.fixture
def at() -> DocumentsTab:
    """Names in the components' places: handlers know no more of them."""
    names: Any = DocumentsTab._fields
    return DocumentsTab(*names)


@pytest.fixture
def page(parts: Parts, at: DocumentsTab) -> "Clicks":
    return Clicks(DocumentsWires(parts.documents, at), at)


class Clicks:
    """A page that keeps what its fields hold and hands it to the handlers, as Gradio does."""

    def __init__(self, wires: DocumentsWires, at: DocumentsTab, *, user: str = OPERATOR) -> None:
        self._wires = wires
        self._request = gr.Request(username=user)
        self.holds: dict[Any, Any] = dict.fromkeys(at, "") | {at.bot: BOT}

    async def __call__(self, event: str, given: dict[Any, Any] | None = None) -> None:
        self.holds |= given or {}
        for field, update in (await getattr(self._wires, event)(self.holds, self._request)).items():
            if not isinstance(update, dict):
                self.holds[field] = update
            elif "value" in update:
                self.holds[field] = update["value"]


async def test_a_document_is_opened_changed_and_removed(
    page: Clicks, at: DocumentsTab, parts: Parts, docs: Path
) -> None:
    await page("_list")
    assert "1 documents, 1 passages" in page.holds[at.status]
    await page("_open", {at.documents: "shipping.md"})
    assert (page.holds[at.file], page.holds[at.text]) == ("shipping.md", TEXT)
    assert "Shipping &gt; Express" in page.holds[at.passages]
    await page("_save", {at.text: TEXT.replace("12", "14"), at.reason: "dearer"})
    assert "14 euro" in (docs / "shipping.md").read_text()
    await page("_find", {at.question: "What is express?"})
    assert "Express shipping costs 14 euro." in page.holds[at.found]
    await page("_open", {at.documents: "shipping.md"})
    await page("_remove", {at.reason: "gone"})
    assert list(docs.iterdir()) == []
    await page("_find", {at.question: "What is express?"})
    assert "Nothing is found" in page.holds[at.found]


async def test_questions_on_which_nothing_is_written_are_listed(
    page: Clicks, at: DocumentsTab, parts: Parts, docs: Path
) -> None:
    for is_held_out, question in ((True, "Do you sell <b>hoses</b>?"), (False, "What does express shipping cost?")):
        said = (ChatMessage(role="user", content=question), ChatMessage(role="assistant", content="No."))
        brought = [ParsedConversation(1, said)]
        bring = partial(import_conversations, bot=BOT, conversations=brought, is_held_out=is_held_out, at=utc_now())
        await parts.store.write(bring)
    await page("_check")
    assert page.holds[at.found] == (
        "<p>1 different questions of the newest 2 find nothing.</p>"
        "<ol><li>Do you sell &lt;b&gt;hoses&lt;/b&gt;? (1x, in exams)</li></ol>"
    )


async def test_a_new_document_is_written(page: Clicks, at: DocumentsTab, docs: Path) -> None:
    await page("_begin")
    await page("_save", {at.file: "returns.md", at.text: "30 days.", at.reason: "asked for"})
    assert (docs / "returns.md").read_text() == "30 days."


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"file": "returns.md", "text": "30 days."}, "reason: is empty"),
        ({"file": "../returns.md", "text": "30 days.", "reason": "x"}, "no name for a document"),
        ({"file": "shipping.md", "text": "30 days.", "reason": "x"}, "is there already"),
        ({"file": "returns.md", "text": "", "reason": "x"}, "is empty"),
    ],
)
async def test_what_cannot_be_saved_says_why(
    page: Clicks, at: DocumentsTab, docs: Path, given: dict[str, str], reason: str
) -> None:
    await page("_begin")
    with pytest.raises(gr.Error, match=reason):
        await page("_save", {getattr(at, name): value for name, value in given.items()})
    assert [file.name for file in docs.iterdir()] == ["shipping.md"]


async def test_what_changed_meanwhile_is_not_written_over(page: Clicks, at: DocumentsTab, docs: Path) -> None:
    await page("_open", {at.documents: "shipping.md"})
    (docs / "shipping.md").write_text("Another's.")
    with pytest.raises(gr.Error, match="changed meanwhile"):
        await page("_save", {at.text: "Mine.", at.reason: "x"})
    assert (docs / "shipping.md").read_text() == "Another's."


async def test_nothing_is_removed_that_was_not_chosen(page: Clicks, at: DocumentsTab, docs: Path) -> None:
    for opened in ("", "{}", json.dumps({"bot": BOT, "file": None, "text": ""})):
        with pytest.raises(gr.Error):
            await page("_remove", {at.opened: opened, at.reason: "x"})
    assert [file.name for file in docs.iterdir()] == ["shipping.md"]


async def test_a_bot_without_documents_says_how_to_have_some(page: Clicks, at: DocumentsTab) -> None:
    await page("_list")
    assert "knowledge.folder" in page.holds[at.status]


async def test_a_stranger_sees_and_does_nothing(parts: Parts, at: DocumentsTab, docs: Path) -> None:
    stranger = Clicks(DocumentsWires(parts.documents, at), at, user="visitor")
    for event in ("_list", "_find", "_check", "_open", "_begin", "_save", "_remove"):
        with pytest.raises(gr.Error, match="is for the operator"):
            await stranger(event, {at.documents: "shipping.md", at.reason: "x"})


async def test_hostile_names_and_texts_are_shown_as_text(
    page: Clicks, at: DocumentsTab, parts: Parts, docs: Path
) -> None:
    (docs / "<img src=x onerror=alert(1)>.pdf").write_text("no PDF")
    (docs / "shipping.md").write_text("# <script>a</script>\n\nExpress costs `<img src=x>` euro.\n")
    assert "<img" not in draw_documents(await parts.documents.status(BOT))
    await page("_open", {at.documents: "shipping.md"})
    await page("_find", {at.question: "What does express cost?"})
    assert "<img" not in page.holds[at.passages] + page.holds[at.found]
    assert "&lt;img" in page.holds[at.found]
