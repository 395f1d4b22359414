"""How near an answer stands to its reference, word by word.

All but SQuAD's share one idea of a word (`nightschool.wording`). Compared are texts, not
meanings: a right answer in other words scores low, so read them as differences between contestants on the same rows.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from nightschool.wording import UNSPACED, composed, words

_CHARACTER_OR_RUN: Final = re.compile(f"[{UNSPACED}]|[^\\s{UNSPACED}]+")
_ARTICLE: Final = re.compile(r"\b(a|an|the)\b")


class Rouge(NamedTuple):
    """F-measures 0..1 (Lin 2004), without stemming."""

    one: float
    """Of words."""
    two: float
    """Of pairs of words."""
    longest: float
    """Of the longest common subsequence: ROUGE-L."""


def rouge(answer: str, *, reference: str) -> Rouge:
    score = _score_rouge(("rouge1", "rouge2", "rougeL"), answer, reference)
    return Rouge(score["rouge1"], score["rouge2"], score["rougeL"])


def rouge_l(answer: str, *, reference: str) -> float:
    """ROUGE-L alone."""
    return rouge_by("rougeL", answer, reference=reference)


def rouge_by(kind: str, answer: str, *, reference: str) -> float:
    """One of rouge_score's kinds alone: `rouge1` to `rouge9`, `rougeL`."""
    return _score_rouge((kind,), answer, reference)[kind]


def exact_match(answer: str, *, reference: str) -> bool:
    """Whether both are the same tokens in the same order, normalised (Rajpurkar et al. 2016, SQuAD)."""
    return _squad_tokens(answer) == _squad_tokens(reference)


def token_f1(answer: str, *, reference: str) -> float:
    """F1 0..1 of the bags of normalised tokens (Rajpurkar et al. 2016, SQuAD); two empty texts agree fully."""
    said, wanted = Counter(_squad_tokens(answer)), Counter(_squad_tokens(reference))
    if not said or not wanted:
        return float(said == wanted)
    shared = (said & wanted).total()
    return 2 * shared / (said.total() + wanted.total())


def _score_rouge(kinds: Sequence[str], answer: str, reference: str) -> dict[str, float]:
    # Imported here: it loads nltk, which the server does not need.
    from rouge_score.rouge_scorer import RougeScorer  # noqa: PLC0415

    # Its default tokenizer throws away every letter outside ASCII.
    scorer = RougeScorer(list(kinds), use_stemmer=False, tokenizer=_Words())
    return {kind: float(score.fmeasure) for kind, score in scorer.score(reference, answer).items()}


class _Words:
    def tokenize(self, text: str) -> list[str]:
        return words(text)


def _squad_tokens(text: str) -> list[str]:
    """SQuAD v1.1's normalisation; punctuation and symbols are Unicode's classes P and S instead of ASCII's."""
    lower = composed(text).lower()
    bare = "".join(c for c in lower if unicodedata.category(c)[0] not in "PS")
    return _CHARACTER_OR_RUN.findall(_ARTICLE.sub(" ", bare))
