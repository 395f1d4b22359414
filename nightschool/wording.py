"""What a word and a sentence of an answer are, and how much an answer repeats itself: one idea for training and exam.

Compares nothing. Does not know whose words they are.
"""

import re
import unicodedata
from typing import Final

# Scripts written without spaces: each character counts as a word, as in CMRC 2018's mixed segmentation.
UNSPACED: Final = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD: Final = re.compile(f"[{UNSPACED}]|[^\\W_{UNSPACED}]+")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")
REPEATED_WORDS: Final = 4


def composed(text: str) -> str:
    """One letter may be written as one code point or as two; without this the two would differ."""
    return unicodedata.normalize("NFKC", text)


def plain(text: str) -> str:
    """Look-alike forms made equal: full width letters, and what is invisible between letters left out."""
    return "".join(c for c in composed(text) if unicodedata.category(c) != "Cf")


def words(text: str) -> list[str]:
    """Runs of letters and digits in lower case; on ASCII the same words as rouge-score's own tokenizer."""
    return _WORD.findall(composed(text).lower())


def sentences(text: str) -> list[str]:
    return [sentence.strip() for sentence in _SENTENCE_END.split(text) if sentence.strip()]


def repetition(text: str) -> float:
    """Share 0..1 of word 4-grams that were said before (Welleck et al. 2020, seq-rep-4); below four words nothing."""
    said = words(text)
    grams = [tuple(said[i : i + REPEATED_WORDS]) for i in range(len(said) - REPEATED_WORDS + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0
