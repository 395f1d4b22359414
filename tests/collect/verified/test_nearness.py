"""What is near enough: with vectors that count words, so that every cosine here can be reckoned; hostile twins too."""

import gzip
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from collect.verified.nearness import Index
from collect.verified.pairs import Pair, Refusal
from nightschool.embedding import load_embedder

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PUBLIC = Path(__file__).parents[4] / "shared" / "data"


def count_words(texts: Sequence[str]) -> NDArray[np.float64]:
    """A bag of words as a vector; what it says of likeness is plain to see."""
    found = np.zeros((len(texts), 512))
    for row, text in enumerate(texts):
        for word in text.split():
            found[row, sum(map(ord, word)) % 512] += 1
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    unit: NDArray[np.float64] = np.divide(found, lengths, out=np.zeros_like(found), where=lengths > 0)
    return unit


def pairs(*said: tuple[str, str]) -> list[Pair]:
    return [Pair(str(place), question, answer, "ada", NOON) for place, (question, answer) in enumerate(said)]


def index(*said: tuple[str, str], refused: Sequence[Refusal] = ()) -> Index:
    return Index.build(pairs(*said), refused, embed=count_words)


def near(held: Index, question: str) -> str | None:
    hit = held.near(question, embed=count_words)
    return hit.pair.answer if hit else None


def test_the_nearest_answer_and_the_surer_the_farther_the_others_are() -> None:
    alone = index(("when will my parcel arrive here", "Soon."))
    both = index(("when will my parcel arrive here", "Soon."), ("when will my long refund arrive here", "Later."))
    question = "when will my parcel arrive"
    first, second = alone.near(question, embed=count_words), both.near(question, embed=count_words)
    assert first is not None
    assert second is not None
    assert first.pair.answer == second.pair.answer == "Soon."
    assert second.score < first.score


def test_the_very_question_needs_no_nearness() -> None:
    held = index(("Where is it?", "There."))
    hit = held.same("  where IS it ")
    assert hit is not None
    assert hit.pair.answer == "There."
    assert held.same("Where is he?") is None


def test_of_two_words_on_one_question_the_newer_stands() -> None:
    held = index(("Where is it?", "There."), ("where is it", "Here."))
    hit = held.same("Where is it?")
    assert hit is not None
    assert hit.pair.answer == "Here."
    assert len(held.pairs) == 1


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("how much is the plan Grove per month", "how much is the plan Canopy per month"),
        ("can i return the lamp after some days", "can i not return the lamp after some days"),
        ("may i return the lamp after 2 days", "may i return the lamp after 10 days"),
        ("how do i enable the alerts of my lamp", "how do i disable the alerts of my lamp"),
        ("how do i pair a lamp with the app", "how do i unpair a lamp from the app"),
        ("what does express shipping cost in summer", "what does standard shipping cost in summer"),
        ("where is my order 12345678 right now please", "where is my order 87654321 right now please"),
    ],
)
def test_a_hostile_twin_is_passed_over(stored: str, asked: str) -> None:
    held = index((stored, "So."))
    assert near(held, stored + " then") == "So."
    assert near(held, asked) is None


def test_what_the_record_shows_to_make_no_difference_makes_none() -> None:
    held = index(
        ("how do i pair a lamp with the app", "how do i unpair a lamp from the app"),
        ("what does express shipping cost in summer", "what does standard shipping cost in summer"),
        ("where is my order 12345678 right now please", "Look in your account."),
        ("where is my order 87654321 right now please", "Look in your account."),
    )
    assert near(held, "where is my order 55555555 right now please") == "Look in your account."


def test_a_word_that_the_answer_was_given_to_already_may_be_swapped() -> None:
    held = index(
        ("what does express shipping cost in summer", "All shipping costs 4 euro."),
        ("is standard shipping dearer then", "All shipping costs 4 euro."),
    )
    assert near(held, "what does standard shipping cost in summer") == "All shipping costs 4 euro."


def test_an_answer_that_was_turned_down_for_this_question_is_not_served_to_it() -> None:
    refused = [Refusal("when will the parcel arrive here", "Soon.")]
    held = index(("when will my parcel arrive here", "Soon."), refused=refused)
    assert near(held, "when will the parcel arrive here") is None
    assert near(held, "when will our parcel arrive here") == "Soon."


def test_what_is_switched_off_is_not_served_and_no_other_answer_in_its_place() -> None:
    off = Pair("1", "when will my parcel arrive here", "Soon.", "ada", NOON, is_on=False)
    held = Index.build([*pairs(("where will my parcel arrive here", "At home.")), off], [], embed=count_words)
    assert held.same("when will my parcel arrive here") is None
    assert near(held, "when will my parcel arrive here") is None


@pytest.mark.parametrize("question", ["", "?!", "🙂", "x" * 20_000, "\u202e evil", "где мой заказ"])
def test_odd_questions_find_nothing(question: str) -> None:
    held = index(("where is my parcel", "There."), ("how do i pay", "By card."))
    assert near(held, question) is None
    assert near(index(), question) is None


def test_without_data_there_is_no_threshold() -> None:
    assert index().calibration(precision=0.98).threshold is None
    assert index(("a b c", "d")).calibration(precision=0.98).threshold is None


@pytest.mark.parametrize(
    ("rows", "question", "least_share"),
    [("support_qa/support_qa.jsonl.gz", "messages", 0.5), ("banking77/train.jsonl.gz", "text", 0.1)],
)
def test_the_promise_holds_on_questions_that_calibration_has_not_seen(
    rows: str, question: str, least_share: float
) -> None:
    file = PUBLIC / rows
    if not file.exists():
        pytest.skip("no public data here")
    lines = [json.loads(line) for line in gzip.decompress(file.read_bytes()).decode().splitlines()]
    asked = [line[question] if question == "text" else line[question][0]["content"] for line in lines]
    order = np.random.default_rng(3).permutation(len(lines))
    stored, fresh = order[:1_700], order[1_700:2_700]
    embed = load_embedder().embed
    held = Index.build([Pair(str(i), asked[i], lines[i]["intent"], "", NOON) for i in stored], [], embed=embed)
    threshold = held.calibration(precision=0.98).threshold
    assert threshold is not None
    hits = [(held.near(asked[i], embed=embed), lines[i]["intent"]) for i in fresh]
    served = [(hit, intent) for hit, intent in hits if hit and hit.score >= threshold]
    assert len(served) / len(fresh) > least_share
    assert np.mean([hit.pair.answer == intent for hit, intent in served]) >= 0.975
