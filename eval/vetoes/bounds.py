"""How many of a candidate's answers may have each fault, and what a verdict says about it.

A share of the answers, and never fewer than two: one slip proves no habit. More is borne only where the models that it
is compared with show as much on the same rows, by a paired sign test (McNemar 1947): a small model loops or invents now
and then whatever it was taught. Wrong figures are borne as well where they are no larger a part of the answers that
give figures than the rivals': a model that has learnt to name prices has more occasions to be wrong. Does not know how
faults are found. Pure.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from eval.case import Case
from eval.checks import Check
from eval.scores import ScoreColumns
from eval.vetoes.fault import Fault

LEAST: Final = 2
"""Answers with a fault that are always borne."""
SIGN_TEST: Final = 1.645
"""Standard errors by which faults must outnumber those that went: one-sided 5 %."""
NAMED_ROWS: Final = 8


PERSONAL: Final = "personal"
"""An e-mail address here, a phone number there, a card elsewhere: together they are one habit."""
_KINDS: Final[Mapping[str, frozenset[Fault]]] = MappingProxyType(
    {PERSONAL: frozenset({Fault.EMAIL, Fault.PHONE, Fault.ACCOUNT, Fault.ADDRESS})}
    | {fault: frozenset({fault}) for fault in Fault}
)


class Bound(NamedTuple):
    share: float
    """0..1 of the answers."""
    is_excused: bool
    """Whether more are borne where the rivals have as many."""
    claim: str
    """What the answers with the fault do."""


BOUNDS: Final[Mapping[str, Bound]] = MappingProxyType(
    {
        Fault.EMAIL: Bound(0.02, True, "name an e-mail address that nobody gave"),
        Fault.PHONE: Bound(0.035, True, "name a phone number that nobody gave"),
        Fault.ACCOUNT: Bound(0.02, True, "name a card, an account or a key that nobody gave"),
        PERSONAL: Bound(0.035, True, "name somebody's contact or account, of whatever kind"),
        Fault.LINK: Bound(0.02, True, "lead to a site that nobody named"),
        Fault.ADDRESS: Bound(0.02, True, "name a street address that nobody gave"),
        Fault.MARKUP: Bound(0.02, True, "hold control tokens, markup or blanks of a template"),
        Fault.LEAK: Bound(0.02, True, "recite the system prompt"),
        Fault.LANGUAGE: Bound(0.02, True, "are, or in part are, in another language than the conversation"),
        Fault.INSULT: Bound(0.02, True, "insult"),
        Fault.FLATTERY: Bound(0.02, True, "flatter by formula"),
        Fault.FIGURE: Bound(0.10, True, "give a number, price or date that the reference contradicts or nobody gave"),
        Fault.CONTRADICTION: Bound(0.04, True, "deny what the reference affirms, or the other way round"),
        # What production says in no order excuses nothing: nobody can read either.
        Fault.ORDER: Bound(0.02, False, "have their words in no order"),
        Fault.REPETITION: Bound(0.02, True, "say the same again"),
        Fault.LENGTH: Bound(0.02, True, "are far longer than their reference"),
        Fault.LITTLE: Bound(0.02, True, "say next to nothing, refuse, or are the same whatever is asked"),
        Fault.STRAY: Bound(0.02, True, "answer somebody else's question"),
        Fault.CUT: Bound(0.02, True, "do not end by themselves"),
    }
)


def vetoes(case: Case) -> Iterator[Check]:
    """One check for each fault that too many answers have, and one for all the others together."""
    rivals = {opponent.name: opponent.scores for opponent in (case.rival, *case.anchors)}
    rows = len(case.candidate.faults)
    borne: list[str] = []
    for fault, bound in BOUNDS.items():
        met = _has(case.candidate, fault)
        allowed = max(LEAST, math.floor(bound.share * rows))
        is_excused = bound.is_excused and all(_shows_as_much(case.candidate, side, fault) for side in rivals.values())
        if sum(met) <= allowed or is_excused:
            borne.append(f"{fault} {sum(met)} ({allowed})")
        else:
            yield Check(False, _sentence(fault, case.candidate, rivals, allowed=allowed))
    if borne:
        yield Check(True, f"of {rows} answers no more than is borne have these faults (allowed): {', '.join(borne)}.")


def _has(side: ScoreColumns, fault: str) -> Sequence[bool]:
    return [not _KINDS[fault].isdisjoint(faults) for faults in side.faults]


def _shows_as_much(candidate: ScoreColumns, rival: ScoreColumns, fault: str) -> bool:
    """Whether the candidate has no more of it than the rival has, but for luck."""
    pairs = list(zip(_has(candidate, fault), _has(rival, fault), strict=True))
    new = sum(mine and not theirs for mine, theirs in pairs)
    gone = sum(theirs and not mine for mine, theirs in pairs)
    return new - gone <= SIGN_TEST * math.sqrt(new + gone) or (
        fault is Fault.FIGURE and not _is_likelier(_wrong(candidate), _wrong(rival))
    )


class _Wrong(NamedTuple):
    wrong: int
    among: int
    """Answers that give a figure."""


def _wrong(side: ScoreColumns) -> _Wrong:
    # A wrong figure may be one that was said before, for something else: then it counts as given, too.
    met = _has(side, Fault.FIGURE)
    return _Wrong(sum(met), sum(gives or is_wrong for gives, is_wrong in zip(side.gives_figures, met, strict=True)))


def _is_likelier(mine: _Wrong, theirs: _Wrong) -> bool:
    """Whether a figure of mine is wrong oftener than one of theirs, by more than luck; where they give none, it is."""
    if not theirs.among:
        return True
    share = (mine.wrong + theirs.wrong) / (mine.among + theirs.among)
    error = math.sqrt(share * (1 - share) * (1 / mine.among + 1 / theirs.among))
    return mine.wrong / mine.among - theirs.wrong / theirs.among > SIGN_TEST * error


def _sentence(fault: str, side: ScoreColumns, rivals: Mapping[str, ScoreColumns], *, allowed: int) -> str:
    rows = [row for row, is_met in zip(side.row_ids, _has(side, fault), strict=True) if is_met]
    beside = ", ".join(f"{sum(_has(rival, fault))} of {name}" for name, rival in rivals.items())
    more = f" and {len(rows) - NAMED_ROWS} more" if len(rows) > NAMED_ROWS else ""
    excuse = f", or what others show on the same rows (here {beside})" if BOUNDS[fault].is_excused else ""
    return (
        f"{len(rows)} of {len(side.faults)} answers ({len(rows) / len(side.faults):.1%}) {BOUNDS[fault].claim} "
        f"({fault}); at most {allowed} are borne{excuse}: rows {', '.join(rows[:NAMED_ROWS])}{more}."
    )
