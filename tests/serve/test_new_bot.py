"""A folder of documents becomes a bot that can be loaded, with starters of its headings."""

from pathlib import Path

import pytest

from nightschool.bots import load_bot
from nightschool.errors import Busy, InvalidInput, InvalidSettings
from serve.new_bot import make_bot


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
