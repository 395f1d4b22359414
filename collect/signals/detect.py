"""What a next turn gives away about the answer before it: that it was wrong, missed the question, or was not enough.

In: a question, its answer, and what the person said next. Out: signals, each with our own words for it, never theirs.
Three are read off words and likeness here; how likely the answer is beside its follow-up is the engine's to say
(`Kind.DOUBT`), what is done without a word the page's (`DEEDS`). A signal is a hint for whoever reads the review queue;
nothing is learnt from it. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from collect.signals.phrases import Phrases, Said
from collect.signals.words import Spoken, overlap, trigrams

RULES: Final = 1
"""Counted up whenever the same turns give other signals: what was found by former rules is then found anew."""
ASKS: Final = "?？؟"  # noqa: RUF001
DENIED_WITHIN: Final = 5
"""Words of the same clause before a wish that may deny it."""
ALIKE: Final = 0.4
"""From here on (trigrams in common, of all of both) a question is asked again."""
MIN_WORDS: Final = 3
"""Shorter turns ("yes please", an order number) are alike without asking anything again."""
HALF: Final = 0.5


class Kind(StrEnum):
    CORRECTION = "correction"
    REPHRASE = "rephrase"
    ESCALATION = "escalation"
    DOUBT = "doubt"
    COPY = "copy"
    RETRY = "retry"
    ABANDON = "abandon"


DEEDS: Final = (Kind.COPY, Kind.RETRY, Kind.ABANDON)
"""Done and not said (`collect.signals.deeds`)."""


@dataclass(frozen=True, slots=True)
class Signal:
    kind: Kind
    evidence: str
    """The phrase of our list that was met; empty for the others."""
    strength: float
    """0..1."""


@dataclass(frozen=True, slots=True)
class NextTurn:
    question: str
    answer: str
    follow_up: str


def find_signals(turn: NextTurn, *, phrases: Phrases) -> tuple[Signal, ...]:
    """At most one of each kind."""
    spoken = phrases.hear(turn.follow_up)
    found = (
        _correction(spoken, turn.answer, phrases),
        _rephrase(phrases.hear(turn.question), spoken, turn.answer, phrases),
        _escalation(spoken, phrases),
    )
    return tuple(signal for signal in found if signal is not None)


def _correction(spoken: Spoken, answer: str, phrases: Phrases) -> Signal | None:
    if found := list(phrases.correction.find(spoken)):
        return Signal(Kind.CORRECTION, _longest(found), 1.0)
    # "No" answers a question, and "no, thank you" ends a talk.
    if _asks(answer) or next(phrases.thanks.find(spoken), None):
        return None
    said = next(phrases.weak.find(spoken), None)
    return Signal(Kind.CORRECTION, said.words, HALF) if said else None


def _escalation(spoken: Spoken, phrases: Phrases) -> Signal | None:
    denied = {said.at: DENIED_WITHIN for said in phrases.denial.find(spoken)}
    denied |= {said.at: 1 for said in phrases.negation.find(spoken) if said.at not in denied}
    found = [
        said
        for said in phrases.escalation.find(spoken)
        if not any(_is_denied(said, at, within, spoken) for at, within in denied.items())
    ]
    return Signal(Kind.ESCALATION, _longest(found), 1.0) if found else None


def _asks(answer: str) -> bool:
    return any(mark in answer for mark in ASKS)


def _longest(found: Sequence[Said]) -> str:
    """Says most."""
    return max(found, key=lambda said: len(said.words)).words


def _is_denied(said: Said, at: int, within: int, spoken: Spoken) -> bool:
    """Whether what is said at `at` takes it back: no more than `within` words before, in one clause."""
    return 0 < said.at - at <= within and not any(at < opening <= said.at for opening in spoken.openings)


def _rephrase(question: Spoken, follow_up: Spoken, answer: str, phrases: Phrases) -> Signal | None:
    before, after = _without_numbers(question), _without_numbers(follow_up)
    if min(len(before), len(after)) < MIN_WORDS or _numbers(follow_up) - _numbers(question):
        return None
    # Who was asked something answers it in the words of their question.
    if _asks(answer) and set(after) - set(before):
        return None
    if _asks_of_another(before, after) or any(_is_courtesy(spoken, phrases) for spoken in (question, follow_up)):
        return None
    likeness = overlap(trigrams(before), trigrams(after))
    return Signal(Kind.REPHRASE, "", round(likeness, 3)) if likeness >= ALIKE else None


def _is_courtesy(spoken: Spoken, phrases: Phrases) -> bool:
    """Whether it thanks or agrees: people say that twice without asking anything."""
    return any(next(found.find(spoken), None) for found in (phrases.thanks, phrases.agreement))


def _asks_of_another(before: tuple[str, ...], after: tuple[str, ...]) -> bool:
    """Whether one word stands in another's place and all else is the same: shipping to Norway, shipping to Sweden."""
    if len(before) != len(after):
        return False
    changed = [(one, other) for one, other in zip(before, after, strict=True) if one != other]
    return len(changed) == 1 and overlap(trigrams(changed[0][:1]), trigrams(changed[0][1:])) < HALF


def _is_number(word: str) -> bool:
    """Also an order's or a user's: what has a digit in it."""
    return any(character.isdigit() for character in word)


def _numbers(spoken: Spoken) -> set[str]:
    return {word for word in spoken.words if _is_number(word)}


def _without_numbers(spoken: Spoken) -> tuple[str, ...]:
    return tuple(word for word in spoken.words if not _is_number(word))
