"""A bot's documents as their files stand: what changes counts at the next look, and nothing of it stops the others."""

import asyncio
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from collect.knowledge.current import current_index
from collect.knowledge.documents import Fault
from collect.knowledge.index import Embed, index_folder
from collect.knowledge.shelf import KEPT_INDEXES, KnowledgeShelf, Standing
from collect.store import Store
from eval.facts import standing_in
from nightschool.bots import BotShelf
from nightschool.embedding import load_embedder
from nightschool.home import Home
from nightschool.records import BotName

BOT = BotName("support")
FILE = 'name = "support"\ntitle = "Fern"\nsystem_prompt = "Help."\n[knowledge]\nfolder = "docs"\n'
EXPRESS = "What does express shipping cost?"
SOON_S = 20


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "bots" / "docs"
    folder.mkdir(parents=True)
    (folder.parent / "support.toml").write_text(FILE)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "data")


@pytest.fixture
def shelf(docs: Path, home: Home, store: Store) -> KnowledgeShelf:
    return open_shelf(docs, home, store)


def open_shelf(
    docs: Path, home: Home, store: Store, *, load: Callable[[], Embed] = lambda: load_embedder().embed
) -> KnowledgeShelf:
    ticks = count(step=10)
    bots = BotShelf(docs.parent, clock=lambda: float(next(ticks)))
    return KnowledgeShelf(store, bots, home, bots_folder=docs.parent, standing_in=standing_in, load=load)


def write(docs: Path, name: str, text: str) -> None:
    (docs / name).parent.mkdir(parents=True, exist_ok=True)
    draft = docs / ".draft"
    draft.write_text(text)
    os.replace(draft, docs / name)


def said(shelf: KnowledgeShelf, question: str = EXPRESS) -> list[str]:
    return [passage.text for passage in shelf.search(BOT, [question]).passages]


def now(shelf: KnowledgeShelf) -> Standing:
    standing = shelf.standing(BOT)
    assert standing is not None
    return standing


async def test_before_the_first_look_nothing_is_found(shelf: KnowledgeShelf) -> None:
    assert said(shelf) == []
    assert shelf.standing(BOT) is None


async def test_a_new_a_changed_and_a_deleted_file_count_at_the_next_look(shelf: KnowledgeShelf, docs: Path) -> None:
    await shelf.look()
    assert said(shelf) == []
    write(docs, "shipping.md", "# Shipping\n\nExpress shipping costs 12 euro.\n")
    await shelf.look()
    assert said(shelf) == ["Express shipping costs 12 euro."]
    write(docs, "shipping.md", "# Shipping\n\nExpress shipping costs 14 euro.\n")
    await shelf.look()
    assert said(shelf) == ["Express shipping costs 14 euro."]
    (docs / "shipping.md").unlink()
    await shelf.look()
    assert said(shelf) == []


async def test_the_index_before_serves_until_the_new_one_is_whole(docs: Path, home: Home, store: Store) -> None:
    is_building, may_end, embed = threading.Event(), threading.Event(), load_embedder().embed

    def slow(texts: Sequence[str]) -> NDArray[np.float64]:
        if any("14 euro" in text for text in texts):
            is_building.set()
            assert may_end.wait(SOON_S)
        return embed(texts)

    shelf = open_shelf(docs, home, store, load=lambda: slow)
    write(docs, "shipping.md", "Express shipping costs 12 euro.")
    await shelf.look()
    write(docs, "shipping.md", "Express shipping costs 14 euro.")
    looking = asyncio.create_task(shelf.look())
    assert await asyncio.to_thread(is_building.wait, SOON_S)
    assert said(shelf) == ["Express shipping costs 12 euro."]
    may_end.set()
    await looking
    assert said(shelf) == ["Express shipping costs 14 euro."]


async def test_a_file_that_cannot_be_read_is_named_and_the_others_go_on(shelf: KnowledgeShelf, docs: Path) -> None:
    write(docs, "shipping.md", "# Shipping\n\nExpress shipping costs 12 euro.\n")
    write(docs, "more/broken.pdf", "no PDF")
    await shelf.look()
    assert said(shelf) == ["Express shipping costs 12 euro."]
    assert [fault.file for fault in now(shelf).faults] == ["more/broken.pdf"]
    (docs / "more/broken.pdf").unlink()
    await shelf.look()
    assert now(shelf).faults == ()


async def test_a_folder_that_is_gone_leaves_what_was_there(shelf: KnowledgeShelf, docs: Path) -> None:
    write(docs, "shipping.md", "Express shipping costs 12 euro.")
    await shelf.look()
    shutil.rmtree(docs)
    await shelf.look()
    assert said(shelf) == ["Express shipping costs 12 euro."]
    assert now(shelf).faults == (Fault(".", "is not there"),)


async def test_the_record_names_the_index_that_is_served(
    shelf: KnowledgeShelf, docs: Path, home: Home, store: Store
) -> None:
    write(docs, "shipping.md", "Express shipping costs 12 euro.")
    await shelf.look()
    named = await store.read(lambda cursor: current_index(cursor, bot=BOT))
    assert named is not None
    assert shelf.search(BOT, [EXPRESS]).index_hash == named
    assert index_folder(home.knowledge(BOT), named).exists()


async def test_a_server_that_starts_goes_on_with_what_was_served(
    shelf: KnowledgeShelf, docs: Path, home: Home, store: Store
) -> None:
    write(docs, "shipping.md", "Express shipping costs 12 euro.")
    await shelf.look()
    shutil.rmtree(docs)
    after = open_shelf(docs, home, store)
    await after.look()
    assert said(after) == ["Express shipping costs 12 euro."]


async def test_an_index_that_was_damaged_is_made_anew(
    shelf: KnowledgeShelf, docs: Path, home: Home, store: Store
) -> None:
    write(docs, "shipping.md", "Express shipping costs 12 euro.")
    await shelf.look()
    served = shelf.search(BOT, [EXPRESS]).index_hash
    (index_folder(home.knowledge(BOT), served) / "passages.parquet").write_bytes(b"cut")
    after = open_shelf(docs, home, store)
    await after.look()
    assert said(after) == ["Express shipping costs 12 euro."]
    assert after.search(BOT, [EXPRESS]).index_hash == served


async def test_old_indexes_go(shelf: KnowledgeShelf, docs: Path, home: Home) -> None:
    (home.knowledge(BOT) / ".draft-of-a-kill").mkdir(parents=True)
    for price in range(KEPT_INDEXES + 3):
        write(docs, "shipping.md", f"Express shipping costs {price} euro.")
        await shelf.look()
    kept = {folder.name for folder in home.knowledge(BOT).iterdir()}
    assert len(kept) == KEPT_INDEXES
    assert shelf.search(BOT, [EXPRESS]).index_hash[:16] in kept


async def test_a_bot_without_a_folder_has_no_documents(shelf: KnowledgeShelf, docs: Path) -> None:
    write(docs, "shipping.md", "Express shipping costs 12 euro.")
    await shelf.look()
    (docs.parent / "support.toml").write_text(FILE.partition("[knowledge]")[0])
    await shelf.look()
    assert said(shelf) == []


async def test_the_bot_says_how_many_and_how_near(shelf: KnowledgeShelf, docs: Path) -> None:
    for place in range(3):
        write(docs, f"{place}.md", f"# Shipping {place}\n\nExpress shipping costs 1{place} euro.\n")
    (docs.parent / "support.toml").write_text(f"{FILE}passages = 2\n")
    await shelf.look()
    assert len(said(shelf)) == 2
    (docs.parent / "support.toml").write_text(f"{FILE}min_score = 1.0\n")
    await shelf.look()
    assert said(shelf) == []
    (docs.parent / "support.toml").write_text(f"{FILE}max_tokens = 50\n")
    for place in range(3):
        write(docs, f"{place}.md", f"# Shipping\n\n{'Express shipping costs 12 euro. ' * 3}In zone {place}.\n")
    await shelf.look()
    assert len(said(shelf)) == 1
