"""The verified answers at hand: right at noon what was corrected at noon, and only as near as the record allows."""

from functools import partial
from itertools import count
from pathlib import Path

import pytest

from collect.reviews import record_review
from collect.store import Store
from collect.verified.shelf import VerifiedShelf
from nightschool.bots import BotShelf
from nightschool.records import Review

from ..conftest import AT, BOT, AddTurn
from .test_nearness import count_words

FILE = 'name = "support"\ntitle = "Fern"\nsystem_prompt = "Be kind."\nstarters = ["Hi?"]\n'


@pytest.fixture
def bots(tmp_path: Path) -> Path:
    (tmp_path / "bots").mkdir()
    (tmp_path / "bots" / "support.toml").write_text(FILE)
    return tmp_path / "bots"


@pytest.fixture
def shelf(store: Store, bots: Path) -> VerifiedShelf:
    # By a clock on which each look at the files is due.
    return VerifiedShelf(store, BotShelf(bots, clock=count(0, 10).__next__), load=lambda: count_words)


async def approve(store: Store, add_turn: AddTurn, question: str, answer: str) -> None:
    turn = await add_turn(question, answer)
    review = Review(turn.said.message_id, BOT, "ada", True, "", (), AT)
    await store.write(partial(record_review, review=review))


async def test_what_was_let_in_is_found_with_the_next_reading(
    store: Store, shelf: VerifiedShelf, add_turn: AddTurn
) -> None:
    await shelf.refresh()
    assert shelf.find(BOT, "How much is Grove?") is None
    await approve(store, add_turn, "How much is Grove?", "4 euro.")
    await shelf.refresh()
    hit = shelf.find(BOT, "how much is GROVE")
    assert hit is not None
    assert hit.pair.answer == "4 euro."
    assert shelf.find(BOT, "how much is Grove now") is None


async def test_a_near_question_is_answered_once_the_record_shows_that_it_may_be(
    store: Store, shelf: VerifiedShelf, bots: Path, add_turn: AddTurn
) -> None:
    (bots / "support.toml").write_text(FILE + "[knowledge]\nverified_precision = 0.6\n")
    for word in ["red", "blue", "green", "white", "black", "grey", "pink", "brown"]:
        await approve(store, add_turn, f"please when will my {word} {word}ish parcel arrive here", "Soon.")
        await approve(store, add_turn, f"how do i pay for a {word} {word}ish lamp by card", "By card.")
    await shelf.refresh()
    assert shelf.shelved(BOT).calibration.threshold is not None
    hit = shelf.find(BOT, "please when will my parcel arrive here")
    assert hit is not None
    assert hit.pair.answer == "Soon."
    (bots / "support.toml").write_text(FILE + "[knowledge]\nverified_precision = 0.99\n")
    await shelf.refresh()
    assert shelf.shelved(BOT).calibration.threshold is None
    assert shelf.find(BOT, "please when will my parcel arrive here") is None


async def test_a_bot_that_is_gone_answers_nothing(
    store: Store, shelf: VerifiedShelf, bots: Path, add_turn: AddTurn
) -> None:
    await approve(store, add_turn, "How much is Grove?", "4 euro.")
    await shelf.refresh()
    (bots / "support.toml").rename(bots / "other.toml")
    (bots / "other.toml").write_text(FILE.replace("support", "other"))
    await shelf.refresh()
    assert shelf.find(BOT, "How much is Grove?") is None
