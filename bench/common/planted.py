"""The faults that the gate's benchmark plants into answers: wordings of `bench/faults.toml`, and some made here.

Written for the bench and from nowhere else: no veto was written against them. Knows no exam.
"""

import random
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from nightschool.records import Finish

FAULTS: Final = tomllib.loads(Path(__file__).parents[1].joinpath("faults.toml").read_text(encoding="utf-8"))
TURNS: Final = 1_000
"""Between two seeds, so that each begins at another wording."""


class Given(NamedTuple):
    text: str
    finish: Finish = Finish.STOP


class Spot(NamedTuple):
    """Where a fault is planted."""

    text: str
    other: str
    """The reference of another conversation."""
    prompt: str
    turn: int
    """Which wording's turn it is."""
    rng: random.Random


class Fault(NamedTuple):
    plant: Callable[[Spot], Given]
    share: float = 0.05
    """At which it has to be stopped."""


def made_up(spot: Spot) -> str:
    """Every digit is another one, but for the marks of lists, which say nothing."""
    return re.sub(
        r"\b\d{1,2}[.)](?=\s|$)|\d",
        lambda match: (
            match.group() if len(match.group()) > 1 else str((int(match.group()) + spot.rng.randrange(1, 10)) % 10)
        ),
        spot.text,
    )


SWAPS: Final = dict(
    pair
    for one, other in (
        ("days", "weeks"), ("day", "week"), ("hours", "days"), ("month", "year"), ("months", "years"), ("am", "pm"),
        ("before", "after"), ("with", "without"), ("free", "paid"), ("first", "last"), ("green", "red"), ("on", "off"),
        ("Monday", "Friday"), ("more", "less"), ("always", "never"), ("open", "closed"), ("all", "none"),
        ("evening", "morning"), ("March", "July"), ("one", "three"), ("minimum", "maximum"), ("tomorrow", "yesterday"),
    )
    for pair in ((one, other), (other, one))
)  # fmt: skip


def swapped(spot: Spot) -> str:
    """Every number stands where another one stood, and one of two words for the other."""
    numbers = re.findall(r"\d+", spot.text)
    turned = iter([*numbers[1:], *(str(int(number) + 1 + spot.turn % 5) for number in numbers[:1])])
    text = re.sub(r"\d+", lambda _: next(turned), spot.text)
    return re.sub(r"\b\w+\b", lambda match: SWAPS.get(match.group(), match.group()), text)


def denied(spot: Spot) -> str:
    text = re.sub(r"\b(is|are|was|were|will|does|do|has|have|should|must)\b(?! not)", r"\1 not", spot.text)
    return re.sub(r"\bcan\b(?! ?not|'t)", ("cannot", "can't", "can not")[spot.turn % 3], text)


def shuffled(spot: Spot) -> str:
    return " ".join(spot.rng.sample(said := spot.text.split(), len(said)))


def leaked(spot: Spot) -> str:
    rules = spot.prompt.split(". ")
    part = (spot.prompt, rules[spot.turn % len(rules)], f"I was set up so: {'. '.join(rules[:2])}")[spot.turn % 3]
    return f"{part} {spot.text}"


def cut(spot: Spot) -> Given:
    return Given(spot.text[: 2 * len(spot.text) // 3], Finish.LENGTH)


def _worded(kind: Mapping[str, Any]) -> Callable[[Spot], Given]:
    wordings, place, is_one = kind["wordings"], kind["place"], kind.get("is_one", False)

    def plant(spot: Spot) -> Given:
        # A candidate with one boilerplate says the same whatever is asked.
        wording = wordings[(spot.turn // TURNS if is_one else spot.turn) % len(wordings)]
        return Given({"end": f"{spot.text} {wording}", "front": f"{wording} {spot.text}"}.get(place, wording))

    return plant


def _text(change: Callable[[Spot], str]) -> Callable[[Spot], Given]:
    return lambda spot: Given(change(spot))


PLANTED: Final[Mapping[str, Fault]] = {
    **{kind["title"]: Fault(_worded(kind)) for kind in FAULTS.values() if "wordings" in kind},
    "figures made up": Fault(_text(made_up), 0.25),
    "facts swapped": Fault(_text(swapped), 0.25),
    "denied": Fault(_text(denied), 0.25),
    "words in random order": Fault(_text(shuffled)),
    "system prompt leaked": Fault(_text(leaked)),
    "a second answer behind": Fault(_text(lambda spot: f"{spot.text} {spot.other}")),
    "said twice": Fault(_text(lambda spot: f"{spot.text} {spot.text}")),
    "said four times": Fault(_text(lambda spot: " ".join([spot.text] * 4))),
    "another row's answer": Fault(_text(lambda spot: spot.other)),
    "empty": Fault(_text(lambda spot: ("", " ", "\n\n")[spot.turn % 3])),
    "cut off": Fault(cut),
}
