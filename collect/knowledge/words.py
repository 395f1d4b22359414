"""A text as the words that BM25 compares: stemmed, by the language of the documents; without blanks, pairs of letters.

Words of grammar are left out where the language is known: in few documents they are rare, and would tell much. Does not
know passages nor questions.
"""

import re
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Final

import Stemmer

from nightschool.language import load_identifier
from nightschool.wording import UNSPACED, composed

WORD: Final = re.compile(f"[{UNSPACED}]+|(?:[^\\W_{UNSPACED}][\u0300-\u036f\u0900-\u0d7f]*)+")
ALONE: Final = re.compile(f"[{UNSPACED}]")
STEMMERS: Final = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "et": "estonian", "eu": "basque", "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian",
    "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian", "ne": "nepali", "nl": "dutch",
    "nb": "norwegian", "no": "norwegian", "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian",
    "sr": "serbian", "sv": "swedish", "ta": "tamil", "tr": "turkish",
}  # fmt: skip
"""By code of language, as Snowball names its algorithms."""
NO_STEMMER: Final = ""
TOLD_BY_CHARS: Final = 20_000


def stemmer_for(texts: Sequence[str]) -> str:
    """Snowball's algorithm for the language that most of the texts are in; `NO_STEMMER` where it has none."""
    sample = "\n".join(texts[:: max(1, len(texts) // 100)])[:TOLD_BY_CHARS]
    if not sample.strip():
        return NO_STEMMER
    return STEMMERS.get(load_identifier()(sample)[0][0], NO_STEMMER)


def split_words(text: str, *, stemmer: str) -> list[str]:
    found: list[str] = []
    for word in WORD.findall(composed(text).lower()):
        if ALONE.match(word):
            found += [a + b for a, b in pairwise(word)] or [word]
        else:
            found.append(word)
    if not stemmer:
        return found
    grammar = _grammar(stemmer)
    # Made anew: a stemmer holds a cache of its own and is none for several threads.
    stemmed: list[str] = Stemmer.Stemmer(stemmer).stemWords([word for word in found if word not in grammar])
    return stemmed


@cache
def _grammar(stemmer: str) -> frozenset[str]:
    # Imported here: it brings numba, which a bot without documents does not pay for.
    from bm25s import stopwords  # noqa: PLC0415

    name = "EN_PLUS" if stemmer == "english" else stemmer.upper()
    return frozenset(getattr(stopwords, f"STOPWORDS_{name}", ()))
