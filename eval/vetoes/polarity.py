"""Does an answer deny what its reference affirms, or the other way round; does it swap one of a few for another?

Looks only where answer and reference use the same words on both sides, so that an answer in other words is never
accused: there, a contradiction is beyond sight.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from eval.vetoes.scene import Scene

_TOKEN: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[.!?;:]")
_NEGATORS: Final = frozenset(
    "not never no nicht nie niemals kein keine keinen keinem keiner no nunca jamás pas jamais ne non mai "
    "não niet nooit geen "
    "nie не нет никогда nem inte ikke ei değil".split()
)
_SPLIT: Final[Mapping[str, str]] = MappingProxyType(
    {"cannot": "can", "can't": "can", "won't": "will", "shan't": "shall"}
)
_UNSPACED: Final = ("不", "没", "未", "无法", "別", "ない", "ません", "않", "안 ", "못")
_YES: Final = frozenset(
    "yes yeah yep sure certainly absolutely definitely ja jawohl klar sí si oui da да sim tak evet".split()
)
_NO: Final = frozenset("no nope nein non não nie нет hayır nee unfortunately".split())
_NO_TROUBLE: Final = frozenset(
    "problem problems problema problème worries worry doubt trouble rush need matter harm".split()
)
_FEW: Final[Sequence[frozenset[str]]] = tuple(
    frozenset(words.split())
    for words in (
        "always never sometimes", "before after", "with without", "free paid", "included excluded",
        "possible impossible",
        "allowed forbidden prohibited", "enabled disabled", "on off", "open closed", "higher lower",
        "more less fewer", "all none",
        "minimum maximum", "least most", "monthly yearly weekly daily annually quarterly", "safe unsafe dangerous",
        "covered uncovered", "must mustn't needn't", "required optional unnecessary", "start stop", "left right",
        "up down",
        "first last", "inside outside", "accept reject refuse", "accepted rejected refused", "buyer seller",
        "available unavailable",
        "seconds minutes hours days weeks months years", "second minute hour day week month year",
        "monday tuesday wednesday thursday friday saturday sunday", "today tomorrow yesterday",
        "morning afternoon evening night",
        "january february march april june july august september october november december",
        "red green blue yellow orange purple pink white black grey gray brown amber",
        "one two three four five six seven eight nine ten eleven twelve",
        "euro euros dollar dollars pounds", "north south east west", "immer nie niemals", "vor nach", "mit ohne",
        "kostenlos kostenpflichtig",
        "rot grün blau gelb weiß schwarz", "montag dienstag mittwoch donnerstag freitag samstag sonntag",
        "sekunden minuten stunden tage tagen wochen monate monaten jahre jahren", "siempre nunca", "antes después",
        "con sin",
        "rojo verde azul amarillo", "días semanas meses años horas minutos", "toujours jamais", "avant après",
        "avec sans",
        "jours semaines mois ans heures minutes", "rouge vert bleu jaune",
    )
)  # fmt: skip


class _Word(NamedTuple):
    text: str
    is_denied: bool
    """A negator stands before it or belongs to it."""


def contradicts(answer: str, scene: Scene) -> bool:
    said, wanted = _read(answer), _read(scene.reference)
    return (
        _opens_otherwise(answer, scene.reference)
        or _denies(said, wanted)
        or _swaps(said, wanted)
        or _denies_unspaced(answer, scene)
    )


def _read(text: str) -> list[_Word]:
    """The words without their negators; each tells whether one stood before it."""
    words: list[_Word] = []
    is_denied = False
    for token in _TOKEN.findall(text.casefold().replace("’", "'")):
        bare = _SPLIT.get(token) or (token.removesuffix("n't") if token.endswith("n't") else token)
        if token in _NEGATORS:
            # The `No` that opens an answer answers; it denies nothing of what follows.
            is_denied = bool(words)
            continue
        words.append(_Word(bare, is_denied))
        is_denied = bare != token
    return words


def _denies(said: Sequence[_Word], wanted: Sequence[_Word]) -> bool:
    """A word between the same neighbours is denied in one and affirmed everywhere in the other."""
    mine, theirs = _contexts(said), _contexts(wanted)
    both = ((mine[context], theirs[context]) for context in mine.keys() & theirs.keys())
    return any(len(one) == len(other) == 1 and one != other for one, other in both)


def _contexts(words: Sequence[_Word]) -> dict[tuple[str, str], set[bool]]:
    found: dict[tuple[str, str], set[bool]] = {}
    for left, right in itertools.pairwise(words):
        if left.text.isalnum() and right.text.isalnum():
            found.setdefault((left.text, right.text), set()).add(right.is_denied)
    return found


def _opens_otherwise(answer: str, reference: str) -> bool:
    return {_opening(answer), _opening(reference)} == {"yes", "no"}


def _opening(text: str) -> str:
    """What the text answers by its first word; `No problem` denies nothing, and `Sure?` affirms nothing."""
    tokens: list[str] = _TOKEN.findall(text.casefold().lstrip(" \n\"'*¡¿"))
    first, second = [*tokens[:2], "", ""][:2]
    if second in _NO_TROUBLE or second == "?":
        return ""
    return "yes" if first in _YES else "no" if first in _NO else ""


def _swaps(said: Sequence[_Word], wanted: Sequence[_Word]) -> bool:
    """Between the same neighbours one of a few stands for another: after for before, weeks for days."""
    heard = {
        (left.text, right.text): middle.text
        for left, middle, right in zip(wanted, wanted[1:], wanted[2:], strict=False)
    }
    spoken = {word.text for word in wanted}
    return any(
        (other := heard.get((left.text, right.text))) is not None
        and other != middle.text
        and not middle.is_denied
        and middle.text not in spoken
        and any({other, middle.text} <= few for few in _FEW)
        for left, middle, right in zip(said, said[1:], said[2:], strict=False)
    )


def _denies_unspaced(answer: str, scene: Scene) -> bool:
    """The same for scripts without blanks: without the negating characters the same four characters around."""
    mine, theirs = _unspaced_contexts(answer), _unspaced_contexts(scene.reference)
    return any(mine.get(context) != is_denied and context in mine for context, is_denied in theirs.items())


def _unspaced_contexts(text: str) -> dict[str, bool]:
    if not re.search(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]", text):
        return {}
    marked = re.sub("|".join(_UNSPACED), "\0", text)
    found: dict[str, bool] = {}
    for place in range(len(marked) - 4):
        window = marked[place : place + 5]
        bare = window.replace("\0", "")[:4]
        if len(bare) == 4 and "\0" not in (window[0], window[-1]):
            found[bare] = found.get(bare, False) or "\0" in window
    return found
