"""What the team answered is found beside the documents, soon after it was said, and in no row of its own."""

from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from collect.erase import Wish, erase_rows
from collect.knowledge.shelf import KnowledgeShelf
from collect.reviews import record_review
from collect.store import Store
from eval.facts import standing_in
from nightschool.bots import BotShelf
from nightschool.home import Home
from nightschool.records import BotName, Message, Review

from ..conftest import AddTurn

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
BOT = BotName("support")
FILE = 'name = "support"\ntitle = "Fern"\nsystem_prompt = "Help."\n[knowledge]\n'
EXPRESS = "What does express shipping cost?"


@pytest.fixture
def bots(tmp_path: Path) -> Path:
    folder = tmp_path / "bots"
    folder.mkdir()
    (folder / "support.toml").write_text(FILE + "answers = 2\n")
    return folder


@pytest.fixture
def shelf(bots: Path, tmp_path: Path, store: Store) -> KnowledgeShelf:
    ticks = count(step=10)
    return KnowledgeShelf(
        store, BotShelf(bots, clock=lambda: float(next(ticks))), Home(tmp_path / "data"), bots_folder=bots,
        standing_in=standing_in,
    )  # fmt: skip


async def rule(store: Store, said: Message, answer: str) -> None:
    await store.write(partial(record_review, review=Review(said.message_id, BOT, "ada", True, answer, (), AT)))


def found(shelf: KnowledgeShelf, *apart_from: str) -> list[str]:
    return [passage.text for passage in shelf.search(BOT, [EXPRESS], apart_from=apart_from).passages]


async def test_a_correction_is_found_at_the_next_look_and_gone_with_its_conversation(
    shelf: KnowledgeShelf, store: Store, add_turn: AddTurn
) -> None:
    talk, _, said = await add_turn("How much is express shipping?", "Nothing.")
    await shelf.look()
    assert found(shelf) == []
    await rule(store, said, "Express is 12 euro.")
    await shelf.look()
    assert found(shelf) == ["Express is 12 euro."]
    await rule(store, said, "Express is 14 euro.")
    await shelf.look()
    assert found(shelf) == ["Express is 14 euro."]
    assert shelf.answers.count(BOT) == 1
    wish = Wish("e1", "conversation", talk.conversation_id, "ada", "", AT)
    await shelf.forget(await store.write(partial(erase_rows, wish=wish)))
    assert (found(shelf), shelf.answers.count(BOT)) == ([], 0)


async def test_documents_and_answers_are_found_by_one_search_the_nearest_first(
    shelf: KnowledgeShelf, store: Store, add_turn: AddTurn, bots: Path
) -> None:
    (bots / "docs").mkdir()
    (bots / "docs" / "shipping.md").write_text("# Shipping\n\nExpress takes a day and is 12 euro.\n")
    (bots / "support.toml").write_text(FILE + 'answers = 2\nfolder = "docs"\nmin_score = 0.0\n')
    for question, answer in (
        (EXPRESS, "Express is 12 euro."),
        ("What does express shipping cost, please?", "Express is 12 euro."),
        ("What is the cost of express?", "It is 12 euro by express."),
        ("And is express shipping fast?", "Express shipping takes a day."),
    ):
        await rule(store, (await add_turn(question, "?")).said, answer)
    await shelf.look()
    both = shelf.search(BOT, [EXPRESS])
    assert list(both.scores) == sorted(both.scores, reverse=True)
    # Two answers at most, each text once, beside the page.
    assert [passage.text for passage in both.passages if passage.conversation_id] == found(shelf)[:2]
    assert found(shelf)[0] == "Express is 12 euro."
    assert sorted(passage.document for passage in both.passages) == ["Our team's answer"] * 2 + ["Shipping"]
    pages, _, answers = both.index_hash.partition("+")
    assert len(pages) == len(answers) == 64
    nearest = shelf.nearest(BOT, [EXPRESS], passages=10)
    assert len([one for one in nearest.passages if one.conversation_id]) == 3


async def test_what_the_documents_have_overtaken_is_found_no_more(
    shelf: KnowledgeShelf, store: Store, add_turn: AddTurn, bots: Path
) -> None:
    """Else the old price stands beside the new one, said by the team, and the guard lets it through."""
    page = bots / "docs" / "shipping.md"
    page.parent.mkdir()
    page.write_text("# Shipping\n\nExpress costs 12 euro. Ask the team.\n")
    ask = "Express is €12.00; write to help@shop.example."
    said = 'answers = 2\nfolder = "docs"\nmin_score = 0.0\nhand_over = "Ask help@shop.example."\n'
    (bots / "support.toml").write_text(FILE + said)
    await rule(store, (await add_turn(EXPRESS, "?")).said, ask)
    await rule(store, (await add_turn("Is express shipping fast?", "?")).said, "It is as fast as we can.")
    await shelf.look()
    assert ask in found(shelf)
    page.write_text("# Shipping\n\nExpress costs 14 euro now. Ask the team.\n")
    await shelf.look()
    assert sorted(found(shelf)) == ["Express costs 14 euro now. Ask the team.", "It is as fast as we can."]
    page.write_text("# Shipping\n\nExpress costs 12 euro once more. Ask the team.\n")
    await shelf.look()
    assert ask in found(shelf)
    (bots / "support.toml").write_text(FILE + said.replace("help@", "team@"))
    assert ask not in found(shelf)


async def test_a_row_finds_no_answer_of_its_own_conversation(
    shelf: KnowledgeShelf, store: Store, add_turn: AddTurn
) -> None:
    own = await add_turn(EXPRESS, "?")
    other = await add_turn("How much is express shipping?", "?")
    await rule(store, own.said, "Twelve euro.")
    await rule(store, other.said, "It costs 12 euro.")
    await shelf.look()
    assert sorted(found(shelf)) == ["It costs 12 euro.", "Twelve euro."]
    assert found(shelf, own.conversation.conversation_id) == ["It costs 12 euro."]
    assert found(shelf, own.conversation.conversation_id, other.conversation.conversation_id) == []


async def test_a_bot_finds_as_many_as_its_file_says(
    shelf: KnowledgeShelf, store: Store, add_turn: AddTurn, bots: Path
) -> None:
    for answer in ("Twelve euro.", "It costs 12 euro."):
        await rule(store, (await add_turn(EXPRESS, "?")).said, answer)
    for answers in (1, 2, 0, 1):
        (bots / "support.toml").write_text(FILE + f"answers = {answers}\n")
        await shelf.look()
        assert len(found(shelf)) == answers
