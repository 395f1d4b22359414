"""Personal data with a shape is found where it stands, and what only looks like it is not."""

import pytest

from nightschool.pii.finder import Finder
from nightschool.pii.spans import Kind, Span, settle


def found(text: str) -> list[tuple[str, str]]:
    [spans] = Finder().find([text])
    return [(text[span.start : span.end], span.kind.value) for span in spans]


@pytest.mark.parametrize(
    ("text", "said", "kind"),
    [
        ("Write to anna@shop.internal.", "anna@shop.internal", Kind.EMAIL),
        ("peter@office.local knows", "peter@office.local", Kind.EMAIL),
        ("j.r.santos+plants@post.example", "j.r.santos+plants@post.example", Kind.EMAIL),
        ("call +44 20 7946 0813 now", "+44 20 7946 0813", Kind.PHONE),
        ("9885 1152-Office", "9885 1152", Kind.PHONE),
        ("4539 1488 0343 6467 was charged", "4539 1488 0343 6467", Kind.CARD),
        ("to DE89 3704 0044 0532 0130 00 please", "DE89 3704 0044 0532 0130 00", Kind.IBAN),
        ("from 203.0.113.77, not me", "203.0.113.77", Kind.IP),
        ("my number 536-90-4399", "536-90-4399", Kind.ID),
        ("at 14 Alder Lane, Leeds", "14 Alder Lane, Leeds", Kind.ADDRESS),
        ("in der Lindenstraße 27", "Lindenstraße 27", Kind.ADDRESS),
        ("9 rue des Lilas", "9 rue des Lilas", Kind.ADDRESS),
        ("my password is tulip!9937", "tulip!9937", Kind.SECRET),
        ("sk-proj-4fJ2kQ9dLmX7wTz81bVnC3pR", "sk-proj-4fJ2kQ9dLmX7wTz81bVnC3pR", Kind.SECRET),
        ("https://me:hunter2@shop.example/", "me:hunter2@shop.example", Kind.SECRET),
        ("API_KEY=abc123def456", "abc123def456", Kind.SECRET),
    ],
)
def test_what_has_a_shape_is_found_where_it_stands(text: str, said: str, kind: Kind) -> None:
    assert (said, kind.value) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "My tank holds 2 litres but it says 20 %.",
        "Order LF-204518 should have arrived on 12 March 2026.",
        "The app says error 503; version 1.2.3.",
        "I forgot my password and the token does not arrive.",
        "The pin is bent.",
        "It stopped at 14:30 and then again at 16:45.",
    ],
)
def test_what_is_nobody_s_is_left_alone(text: str) -> None:
    assert found(text) == []


def test_of_two_that_overlap_the_surer_one_is_told_over_both() -> None:
    assert settle([Span(4, 9, Kind.NAME), Span(0, 6, Kind.EMAIL), Span(12, 14, Kind.NAME)]) == [
        Span(0, 9, Kind.EMAIL),
        Span(12, 14, Kind.NAME),
    ]
