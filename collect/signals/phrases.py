"""The phrases of phrases.toml, written out to plain sequences of words, and where they are said.

A phrase is data: words, alternatives and named sets, with a mark where it must open a clause or be one. Knows nothing
of questions and answers (`collect.signals.detect`).
"""

import itertools
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from collect.signals.words import Spoken, hear

FILE: Final = Path(__file__).with_name("phrases.toml")
PART: Final = re.compile(r"\[[^\]]*\]|\{\w+\}|[^\s\[\]{}]+")
UNSPACED: Final = "unspaced"
OPENS: Final = "^"
IS_ALL: Final = "="


class Said(NamedTuple):
    words: str
    """The phrase."""
    at: int
    """Its first word's place."""


class _Place(NamedTuple):
    opens: bool
    """It must begin a clause."""
    closes: bool
    """It must end one."""


class PhraseList:
    """Phrases of one kind, in every language."""

    def __init__(self, phrases: Mapping[tuple[str, ...], _Place], runs: Iterable[str]) -> None:
        self._phrases = phrases
        self._lengths: dict[str, tuple[int, ...]] = {}
        lengths: dict[str, set[int]] = {}
        for words in phrases:
            lengths.setdefault(words[0], set()).add(len(words))
        # The longest first, since it says most.
        self._lengths = {first: tuple(sorted(found, reverse=True)) for first, found in lengths.items()}
        self._runs = tuple(runs)

    def find(self, spoken: Spoken) -> Iterator[Said]:
        """In the order in which they are said."""
        for at, word in enumerate(spoken.words):
            for length in self._lengths.get(word, ()):
                words = spoken.words[at : at + length]
                place = self._phrases.get(words)
                if place and _fits(place, spoken, at, length):
                    yield Said(" ".join(words), at)
                    break
        for run in self._runs:
            if run in spoken.run:
                yield Said(run, 0)


@dataclass(frozen=True, slots=True)
class Phrases:
    spellings: Mapping[str, str]
    correction: PhraseList
    weak: PhraseList
    """Mean a correction only where nothing was asked and nobody thanks."""
    escalation: PhraseList
    denial: PhraseList
    """Take back a wish for somebody else that comes some words later."""
    negation: PhraseList
    """Take back one that comes at once."""
    thanks: PhraseList
    agreement: PhraseList

    def hear(self, text: str) -> Spoken:
        return hear(text, spellings=self.spellings)


def read_phrases() -> Phrases:
    """From the file; once, since it is written out to some ten thousand sequences."""
    tables = tomllib.loads(FILE.read_text(encoding="utf-8"))
    spellings: dict[str, str] = tables["spellings"]
    sets = {name: [word.strip() for word in words.split("|")] for name, words in tables["sets"].items()}
    return Phrases(
        spellings,
        *(
            _read_list(tables[kind], sets=sets, spellings=spellings)
            for kind in ("correction", "weak", "escalation", "denial", "negation", "thanks", "agreement")
        ),
    )


def _fits(place: _Place, spoken: Spoken, at: int, length: int) -> bool:
    return (not place.opens or at in spoken.openings) and (not place.closes or at + length in spoken.openings)


def _read_list(
    languages: Mapping[str, Any], *, sets: Mapping[str, list[str]], spellings: Mapping[str, str]
) -> PhraseList:
    phrases: dict[tuple[str, ...], _Place] = {}
    for language, lines in languages.items():
        if language != UNSPACED:
            for line in lines.splitlines():
                for words, place in _written_out(line.strip(), sets=sets, spellings=spellings):
                    phrases[words] = _loosest(place, phrases.get(words, place))
    return PhraseList(phrases, languages.get(UNSPACED, "").split())


def _loosest(one: _Place, other: _Place) -> _Place:
    return _Place(one.opens and other.opens, one.closes and other.closes)


def _written_out(
    line: str, *, sets: Mapping[str, list[str]], spellings: Mapping[str, str]
) -> Iterator[tuple[tuple[str, ...], _Place]]:
    """Every sequence of words that a line of the file stands for."""
    place = _Place(line.startswith((OPENS, IS_ALL)), line.startswith(IS_ALL))
    options = [_options(part, sets) for part in PART.findall(line.lstrip(OPENS + IS_ALL))]
    for choice in itertools.product(*options):
        if words := hear(" ".join(choice), spellings=spellings).words:
            yield words, place


def _options(part: str, sets: Mapping[str, list[str]]) -> list[str]:
    if part[0] == "{":
        return sets[part[1:-1]]
    return part[1:-1].split("|") if part[0] == "[" else [part]
