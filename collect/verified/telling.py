"""What two questions must have in common beside their topic: numbers, names, a negation, and which of two opposites.

Word vectors tell topics apart and hardly see these, on which an answer turns: "plan Grove" and "plan Canopy", "2 days"
and "10 days", "can I" and "can I not". Names are found by how a bot's own record writes them: with a capital where no
sentence begins. The lists of words are short, the opposites English; they make no answer surer, they only stop one.
Does not know vectors.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

WORD: Final = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")
LONG_DIGITS: Final = 5
"""A number of so many digits names one order or person; a shorter one is an amount."""
NEGATIONS: Final = frozenset(
    "no not never none nothing nobody cannot without unable nicht kein keine keinen keinem keiner nie niemals ohne pas "
    "jamais aucun aucune sans sin nunca jamás ningún ninguna não nem sem non senza mai niet geen zonder nooit bez inte "
    "ikke ingen utan uden ej не нет без никогда".split()
)
NOT_ENDINGS: Final = ("n't", "n\u2019t")
OPPOSITES: Final = tuple(
    tuple(frozenset(side.split()) for side in pair.split("|"))
    for pair in (
        "enable activate activating enabling turn on|disable deactivate deactivating disabling off",
        "before|after",
        "start begin resume reactivate restore|stop pause cancel canceling cancelling delete close end",
        "add adding|remove removing",
        "upgrade upgrading|downgrade downgrading",
        "subscribe subscribing|unsubscribe unsubscribing",
        "lock block freeze|unlock unblock unfreeze",
        "login signin|logout signout",
        "open create opening creating|close delete closing deleting",
        "send sending|receive receiving",
        "increase raise|decrease lower reduce",
        "cheapest minimum least|most maximum",
    )
)
UNDOING: Final = ("un", "dis", "de", "non", "in")
GRAMMAR: Final = frozenset(
    "a an the this that these those my our your his her its their i we you he she it they me us him them is are am was "
    "were be been do does did have has had can could will would shall should may might must to of in on at for with "
    "from by and or if so please then there here now just also".split()
)
TWIN_WORDS: Final = 2
"""Two questions with so many words in common, and one that each has alone, are twins: on that word the answer turns."""


@dataclass(frozen=True, slots=True)
class Telling:
    """What an answer to a question may turn on."""

    names: frozenset[str]
    amounts: frozenset[str]
    long_numbers: frozenset[str]
    is_negated: bool
    sides: frozenset[tuple[int, int]]
    """Of each pair of opposites that it mentions one side of: which."""
    words: frozenset[str] = frozenset()
    """In small letters, without numbers and English words of grammar."""


def find_names(texts: Iterable[str]) -> frozenset[str]:
    """Words, in small letters, that the texts mostly write with a capital where no sentence begins."""
    capitals: Counter[str] = Counter()
    small: Counter[str] = Counter()
    for text in texts:
        for word, is_first in _words(text):
            if not is_first:
                (capitals if word[0].isupper() else small)[word.casefold()] += 1
    return frozenset(word for word, count in capitals.items() if count > small[word] and len(word) > 1)


def read_telling(question: str, *, names: frozenset[str]) -> Telling:
    """`names` as the record writes them; others count where the question writes them with a capital."""
    words = list(_words(question))
    said = [word.casefold() for word, _ in words]
    is_shouted = question.isupper()
    shown = {
        word.casefold()
        for word, is_first in words
        if word[0].isupper()
        and len(word) > 1
        and not is_first
        and not is_shouted
        and not word.startswith(("I'", "I\u2019"))
    }
    numbers = {word for word in said if any(character.isdigit() for character in word)}
    long = {word for word in numbers if sum(character.isdigit() for character in word) >= LONG_DIGITS}
    return Telling(
        names=frozenset((shown | (names & set(said))) - numbers),
        amounts=frozenset(numbers - long),
        long_numbers=frozenset(long),
        is_negated=any(word in NEGATIONS or word.endswith(NOT_ENDINGS) for word in said),
        sides=_sides(frozenset(said)),
        words=frozenset(said) - numbers - GRAMMAR,
    )


def are_opposed(one: Telling, other: Telling) -> bool:
    """Whether one says one side of a pair where the other says the other, "pair" and "unpair" among them."""
    if any((pair, 1 - side) in other.sides for pair, side in one.sides):
        return True
    return _is_undone(one.words, other.words) or _is_undone(other.words, one.words)


def swapped_word(asked: Telling, stored: Telling) -> str | None:
    """The word of `asked` in whose place `stored` has another one, where that is all in which they differ."""
    own, others = asked.words - stored.words, stored.words - asked.words
    is_twin = len(own) == len(others) == 1 and len(asked.words & stored.words) >= TWIN_WORDS
    return next(iter(own)) if is_twin else None


def _is_undone(words: frozenset[str], others: frozenset[str]) -> bool:
    return any(prefix + word in others for word in words - others if len(word) > 3 for prefix in UNDOING)


def _sides(said: frozenset[str]) -> frozenset[tuple[int, int]]:
    found = []
    for number, pair in enumerate(OPPOSITES):
        met = [side for side, words in enumerate(pair) if words & said]
        if len(met) == 1:
            found.append((number, met[0]))
    return frozenset(found)


def _words(text: str) -> Iterable[tuple[str, bool]]:
    """Each with whether a sentence may begin there."""
    end = 0
    for match in WORD.finditer(text):
        between = text[end : match.start()]
        yield match[0], end == 0 or any(mark in between for mark in '.!?:;\n\u2022-*"\u201c(')
        end = match.end()
