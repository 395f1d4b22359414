"""Where in a text personal data stands: a span and its kind, and how overlapping ones become one. Pure."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What kind of personal data; its value is what a placeholder is called by."""

    SECRET = "SECRET"
    EMAIL = "EMAIL"
    IBAN = "IBAN"
    CARD = "CARD"
    ID = "ID"
    """A national number: social security, health service, tax."""
    IP = "IP"
    PHONE = "PHONE"
    ADDRESS = "ADDRESS"
    NAME = "NAME"


RANK = {kind: rank for rank, kind in enumerate(Kind)}
"""Which of two that overlap is told: the surer one, first here."""


class Span(NamedTuple):
    start: int
    end: int
    kind: Kind


def settle(spans: Iterable[Span]) -> list[Span]:
    """In the order of the text, none over another: of those that overlap the surer kind's, grown over them all."""
    settled: list[Span] = []
    for span in sorted(spans, key=lambda one: (one.start, -one.end)):
        if settled and span.start < settled[-1].end:
            last = settled.pop()
            surer = min(last, span, key=lambda one: RANK[one.kind])
            span = Span(last.start, max(last.end, span.end), surer.kind)  # noqa: PLW2901
        settled.append(span)
    return settled
