"""What operators do with a bot's documents, and what stays of it in the audit."""

from functools import partial
from pathlib import Path

import pytest

from collect.events import list_events
from collect.formats.read import ParsedConversation
from collect.imports import import_conversations
from nightschool.errors import Busy, InvalidInput, NotFound, UnknownModel
from nightschool.knowledge import TEAM
from nightschool.records import BotName, ChatMessage, utc_now
from serve.parts import Parts

BOT = BotName("support")
EXPRESS = "What does express shipping cost?"
TEXT = "# Shipping\n\nExpress shipping costs 12 euro.\n"


@pytest.fixture
def docs(parts: Parts, bots_folder: Path) -> Path:
    """The folder of the bot's documents, empty."""
    folder = bots_folder / "docs"
    folder.mkdir()
    file = bots_folder / "support.toml"
    file.write_text(file.read_text() + '[knowledge]\nfolder = "docs"\n')
    parts.shelf.look()
    return folder


def found(parts: Parts) -> list[str]:
    return [passage.text for passage in parts.knowledge.search(BOT, [EXPRESS]).passages]


async def add(parts: Parts, file: str = "shipping.md", text: str = TEXT) -> None:
    await parts.documents.save(BOT, file, text, replaces=None, actor="ada", reason="new prices")


async def test_what_an_operator_writes_is_served_at_once_and_in_the_audit(parts: Parts, docs: Path) -> None:
    await add(parts)
    assert found(parts) == ["Express shipping costs 12 euro."]
    dearer = TEXT.replace("12", "14")
    await parts.documents.save(BOT, "shipping.md", dearer, replaces=TEXT, actor="ada", reason="")
    assert found(parts) == ["Express shipping costs 14 euro."]
    assert await parts.documents.text(BOT, "shipping.md") == dearer
    await parts.documents.remove(BOT, "shipping.md", actor="bob", reason="no longer offered")
    assert found(parts) == []
    events = await parts.store.read(lambda cursor: list_events(cursor, bot=BOT))
    assert [(e.actor, e.action, e.subject, e.reason) for e in reversed(events)] == [
        ("ada", "added a document", "document:shipping.md", "new prices"),
        ("ada", "changed a document", "document:shipping.md", ""),
        ("bob", "removed a document", "document:shipping.md", "no longer offered"),
    ]


async def test_two_operators_do_not_write_over_each_other(parts: Parts, docs: Path) -> None:
    await add(parts)
    with pytest.raises(Busy, match="is there already"):
        await add(parts)
    (docs / "shipping.md").write_text("Else.")
    with pytest.raises(Busy, match="was changed meanwhile"):
        await parts.documents.save(BOT, "shipping.md", "Mine.", replaces=TEXT, actor="ada", reason="")
    (docs / "shipping.md").unlink()
    with pytest.raises(Busy, match="was removed meanwhile"):
        await parts.documents.save(BOT, "shipping.md", "Mine.", replaces=TEXT, actor="ada", reason="")
    with pytest.raises(NotFound):
        await parts.documents.remove(BOT, "shipping.md", actor="ada", reason="")


@pytest.mark.parametrize(
    "file",
    ["../support.md", "/tmp/a.md", "a/../../b.md", ".hidden.md", "a/.b/c.md", "a.toml", "a.pdf", ".md", "", "..",
     "a\\b.md", "out/a.md", "a\0.md", "a\u202e.md", " a.md", "a" * 200 + ".md"],
)  # fmt: skip
async def test_no_name_leads_out_of_the_folder(parts: Parts, docs: Path, tmp_path: Path, file: str) -> None:
    (docs / "out").symlink_to(tmp_path)
    with pytest.raises(InvalidInput):
        await add(parts, file)
    with pytest.raises(InvalidInput):
        await parts.documents.remove(BOT, file, actor="ada", reason="")


async def test_a_folder_below_may_hold_documents(parts: Parts, docs: Path) -> None:
    await add(parts, "prices/shipping.md")
    assert (docs / "prices" / "shipping.md").read_text() == TEXT
    assert [row.file for row in (await parts.documents.status(BOT)).documents] == ["prices/shipping.md"]


async def test_whoever_could_read_the_folder_still_can(parts: Parts, docs: Path) -> None:
    for mode, expected in ((0o750, 0o640), (0o700, 0o600)):
        docs.chmod(mode)
        await add(parts, f"{mode}.md")
        assert (docs / f"{mode}.md").stat().st_mode & 0o777 == expected
    (docs / f"{0o700}.md").chmod(0o664)
    await parts.documents.save(BOT, f"{0o700}.md", TEXT + "Soon.", replaces=TEXT, actor="ada", reason="")
    assert (docs / f"{0o700}.md").stat().st_mode & 0o777 == 0o664


async def test_a_folder_that_is_called_like_a_document_is_none(parts: Parts, docs: Path) -> None:
    (docs / "old.md").mkdir()
    await add(parts)
    for file in ("old.md", "shipping.md/part.md"):
        with pytest.raises(NotFound, match="is no document"):
            await parts.documents.text(BOT, file)
        with pytest.raises(NotFound, match="is no document"):
            await parts.documents.remove(BOT, file, actor="ada", reason="")


@pytest.mark.parametrize("text", ["", " \n", "a" * 200_001, "half \ud800"])
async def test_a_text_that_cannot_be_is_refused(parts: Parts, docs: Path, text: str) -> None:
    with pytest.raises(InvalidInput):
        await add(parts, text=text)
    assert list(docs.iterdir()) == []


async def test_the_status_names_what_is_read_and_what_is_not(parts: Parts, docs: Path) -> None:
    await add(parts)
    (docs / "broken.pdf").write_text("no PDF")
    status = await parts.documents.status(BOT)
    assert [(row.file, row.title, row.passages) for row in status.documents] == [("shipping.md", "Shipping", 1)]
    assert [fault.file for fault in status.faults] == ["broken.pdf"]
    assert (status.passages, len(status.index_hash)) == (1, 64)
    assert [passage.document for passage in await parts.documents.passages(BOT, "shipping.md")] == ["Shipping"]


async def test_a_bot_without_documents_says_how_to_have_some(parts: Parts) -> None:
    with pytest.raises(InvalidInput, match=r"knowledge\.folder"):
        await parts.documents.status(BOT)
    with pytest.raises(UnknownModel):
        await parts.documents.status("nobody")


async def test_a_place_that_cannot_be_written_says_so(parts: Parts, docs: Path) -> None:
    (docs / "prices").write_text("A file, and no folder.")
    with pytest.raises(InvalidInput, match="cannot be written"):
        await add(parts, "prices/shipping.md")


async def test_a_bot_without_a_folder_shows_what_its_team_answered(parts: Parts, bots_folder: Path) -> None:
    file = bots_folder / "support.toml"
    file.write_text(file.read_text() + "[knowledge]\nanswers = 2\n")
    parts.shelf.look()
    turns = [ChatMessage(role="user", content=EXPRESS), ChatMessage(role="assistant", content="It costs 12 euro.")]
    parsed = [ParsedConversation(1, tuple(turns))]
    bring = partial(import_conversations, bot=BOT, conversations=parsed, is_held_out=False, at=utc_now())
    await parts.store.write(bring)
    status = await parts.documents.status(BOT)
    assert (status.folder, status.passages, status.answers) == ("", 0, 1)
    shown = await parts.documents.show(BOT, ["How much is express shipping?"])
    assert [(one.place, one.text) for one in shown.passages] == [(f"{TEAM} > {EXPRESS}", "It costs 12 euro.")]
    assert (await parts.documents.check(BOT)).unanswered == ()
    with pytest.raises(InvalidInput, match=r"knowledge\.folder"):
        await add(parts)
