"""Placeholders: the same for the same thing, none for what everybody says."""

from nightschool.pii.mask import COMMON_FROM, Masker, find_common
from nightschool.pii.spans import Kind, Span


def test_one_thing_has_one_placeholder_throughout_a_conversation() -> None:
    masker = Masker()
    first = masker.mask("I am Anna, not Bea.", [Span(5, 9, Kind.NAME), Span(15, 18, Kind.NAME)])
    second = masker.mask("Hello ANNA!", [Span(6, 10, Kind.NAME)])
    assert (first, second) == ("I am [NAME_1], not [NAME_2].", "Hello [NAME_1]!")
    assert masker.masked == {Kind.NAME: 3}


def test_what_many_conversations_or_the_bot_s_own_texts_say_stays() -> None:
    said = [(f"c{number}", "Grove", [Span(0, 5, Kind.NAME)]) for number in range(COMMON_FROM)]
    said += [("c1", "Anna", [Span(0, 4, Kind.NAME)])] * 9
    said += [("c2", "Fern", [Span(0, 4, Kind.NAME)]), ("c3", "Canopy", [Span(0, 6, Kind.NAME)])]
    assert find_common(said, own="You are Fern.", known=["canopy"]) == {"grove", "fern", "canopy"}


def test_a_secret_never_stays() -> None:
    masker = Masker(frozenset({"hunter2", "fern"}))
    text = masker.mask("Fern: hunter2", [Span(0, 4, Kind.NAME), Span(6, 13, Kind.SECRET)])
    assert text == "Fern: [SECRET_1]"
