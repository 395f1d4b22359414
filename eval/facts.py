"""Checkable facts of a text, and how many of them stand elsewhere: the measure of answers that needs no judge.

A fact is a figure with its unit, a time, a date, a longer number, a mailbox, a phone, a link, an account, an order's
number, or a name of the bot's glossary. Notations are no difference (`eval.vetoes.quantities`, `nightschool.contacts`):
4 euro is EUR 4.00 and two litres are 2 litres. Recall alone rewards saying everything, support alone saying nothing
(arXiv 2606.09376), so both are told. Does not know whether a fact is true, only where it stands.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

from eval.vetoes.figures import find_figures
from eval.vetoes.quantities import MEASURES, Figure, is_same
from nightschool.contacts import (
    digits_of,
    find_account_spans,
    find_accounts,
    find_emails,
    find_hosts,
    find_phone_spans,
)
from nightschool.text import UNSPACED

ORDER: Final = re.compile(r"(?<![\w-])[A-Z]{1,5}-?\d{4,}(?![\w-])")
GLUED: Final = re.compile(f"[{UNSPACED}]")
AT_NUMBERS: Final = re.compile(rf"(?<=[{UNSPACED}])(?=\d)|(?<=\d)(?=[{UNSPACED}])")
LINKED: Final = re.compile(r"\S+@\S+|https?://\S+|www\.\S+")
MIN_DIGITS: Final = 2
"""Of a number that has no unit."""
TIMED: Final = frozenset({"time", "date"})
NO_THINGS: Final = frozenset(
    {
        "",
        "for",
        "a",
        "an",
        "per",
        "or",
        "and",
        "of",
        "in",
        "is",
        "are",
        "to",
        "the",
        "if",
        "from",
        "with",
        "at",
        "on",
        "by",
    }
)
"""Words behind a number that do not say of what it is."""
PHONE_DIGITS: Final = 7
"""The last ones, which are written with a country's code and without."""


@dataclass(frozen=True, slots=True)
class Fact:
    kind: str
    """`figure`, `e-mail`, `phone`, `link`, `account`, `order` or `name`."""
    said: str
    """In one spelling."""
    figure: Figure | None = None


class FactCounts(NamedTuple):
    """Of one answer."""

    reference: int
    """Facts of the reference."""
    recalled: int
    """Those of them that the answer states."""
    stated: int
    """Facts of the answer."""
    invented: int
    """Those of them that stand nowhere, not in the reference either."""


def _find_phones(text: str) -> set[str]:
    """By how they are written; to know which are valid in some country takes ten times as long as all the rest."""
    return {digits_of(text[start:end]) or text[start:end].casefold() for start, end in find_phone_spans(text)}


_FINDERS: Final[Mapping[str, Callable[[str], set[str]]]] = MappingProxyType(
    {"e-mail": find_emails, "link": find_hosts, "phone": _find_phones, "account": find_accounts}
)


def find_facts(text: str, *, glossary: Iterable[str] = ()) -> tuple[Fact, ...]:
    """Each once; `glossary`: names that count as facts, such as products and plans."""
    return tuple(dict.fromkeys(_find(text, glossary)))


def unsupported(facts: Iterable[Fact], grounds: Sequence[Fact]) -> list[Fact]:
    """Those of `facts` that are not among `grounds`."""
    return [fact for fact in facts if not any(_is_same(fact, ground) for ground in grounds)]


def standing_in(texts: Sequence[str], glossary: Sequence[str] = ()) -> Callable[[str], bool]:
    """Whether every fact of a text stands in `texts`, which are read once."""
    known = dict.fromkeys(fact for text in texts for fact in find_facts(text, glossary=glossary))
    listed = tuple(known)

    def stands(text: str) -> bool:
        return not unsupported((fact for fact in find_facts(text, glossary=glossary) if fact not in known), listed)

    return stands


def fact_recall(answer: str, *, reference: str, glossary: Sequence[str] = ()) -> float | None:
    """Share of the reference's facts that the answer states, 0..1; None where the reference has none."""
    wanted, stated = find_facts(reference, glossary=glossary), find_facts(answer, glossary=glossary)
    return 1 - len(unsupported(wanted, stated)) / len(wanted) if wanted else None


def fact_support(answer: str, *, grounds: Iterable[str], glossary: Sequence[str] = ()) -> float | None:
    """Share of the answer's facts that stand in one of `grounds` (passages, question, system prompt), 0..1; None where
    the answer has none."""
    stated = find_facts(answer, glossary=glossary)
    known = [fact for ground in grounds for fact in find_facts(ground, glossary=glossary)]
    return 1 - len(unsupported(stated, known)) / len(stated) if stated else None


def count_facts(answer: str, *, reference: str, grounds: Iterable[str]) -> FactCounts:
    stated, wanted = find_facts(answer), find_facts(reference)
    known = find_facts("\n\n".join(grounds)) if stated else ()
    strange = unsupported(stated, [*wanted, *known])
    return FactCounts(len(wanted), len(wanted) - len(unsupported(wanted, stated)), len(stated), len(strange))


def _find(text: str, glossary: Iterable[str]) -> Iterator[Fact]:
    for kind, find in _FINDERS.items():
        yield from (Fact(kind, said) for said in sorted(find(text)))
    yield from (Fact("order", match.group().replace("-", "")) for match in ORDER.finditer(text))
    for figure in find_figures(_without_numbers(text)):
        if _is_checkable(figure):
            yield Fact("figure", _spell(figure), figure)
    folded = text.casefold()
    for name in glossary:
        if re.search(rf"(?<!\w){re.escape(name.casefold())}(?!\w)", folded):
            yield Fact("name", name.casefold())


def _is_checkable(figure: Figure) -> bool:
    """A quantity of what is measured, also in words; of other things, and without a thing, in digits."""
    if figure.kind in MEASURES or figure.kind in TIMED:
        return True
    return figure.digits >= (1 if figure.kind else MIN_DIGITS)


def _without_numbers(text: str) -> str:
    """What is a phone, an account or an order is no quantity besides, nor are the digits of a mailbox or a link."""
    taken = [*find_phone_spans(text), *(place for places in find_account_spans(text).values() for place in places)]
    taken += [match.span() for pattern in (ORDER, LINKED) for match in pattern.finditer(text)]
    kept = list(text)
    for start, end in taken:
        kept[start:end] = " " * (end - start)
    return AT_NUMBERS.sub(" ", "".join(kept))


def _spell(figure: Figure) -> str:
    if figure.days:
        return " or ".join("-".join(str(part) for part in day if part) for day in sorted(figure.days))
    if figure.kind == "time":
        minutes = sorted(int(value) for _, value in figure.keys)
        return " or ".join(f"{minute // 60:02}:{minute % 60:02}" for minute in minutes)
    numbers = sorted(str(value) for scale, value in figure.keys if not scale)
    return f"{' or '.join(numbers)} {figure.kind}".strip()


def _is_same(fact: Fact, ground: Fact) -> bool:
    if fact.figure and ground.figure:
        return _is_same_figure(fact.figure, ground.figure)
    if fact.kind == ground.kind == "phone":
        return fact.said[-PHONE_DIGITS:] == ground.said[-PHONE_DIGITS:]
    return (fact.kind, fact.said) == (ground.kind, ground.said)


def _is_same_figure(one: Figure, other: Figure) -> bool:
    """Five euros are no five days; a number without a thing is any of them."""
    # What is behind a number in a script without blanks is not only the thing's name.
    if {one.kind, other.kind} & (TIMED | NO_THINGS) or any(map(GLUED.search, (one.kind, other.kind))):
        return is_same(one, other)
    return any(key in other.keys for key in one.keys if key[0])
