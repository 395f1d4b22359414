"""How near an answer stands to its reference, word by word.

Both measures share one idea of a word (`nightschool.wording`), but for SQuAD's own tokens. Compared are texts, not
meanings: a right answer in other words scores low, so read them as differences between contestants on the same rows.
Refusals are not judged here.
"""

import re
import unicodedata
from collections import Counter
from typing import Final

from nightschool.wording import UNSPACED, composed, words

_CHARACTER_OR_RUN: Final = re.compile(f"[{UNSPACED}]|[^\\s{UNSPACED}]+")
_ARTICLE: Final = re.compile(r"\b(a|an|the)\b")


def rouge_l(answer: str, *, reference: str) -> float:
    """F-measure 0..1 of the longest common subsequence of words (Lin 2004, ROUGE-L), without stemming."""
    # Imported here: it loads nltk, which the server does not need.
    from rouge_score.rouge_scorer import RougeScorer  # noqa: PLC0415

    # Its default tokenizer throws away every letter outside ASCII.
    scorer = RougeScorer(["rougeL"], use_stemmer=False, tokenizer=_Words())
    return float(scorer.score(reference, answer)["rougeL"].fmeasure)


def token_f1(answer: str, *, reference: str) -> float:
    """F1 0..1 of the bags of normalised tokens (Rajpurkar et al. 2016, SQuAD); two empty texts agree fully."""
    said, wanted = Counter(_squad_tokens(answer)), Counter(_squad_tokens(reference))
    if not said or not wanted:
        return float(said == wanted)
    shared = (said & wanted).total()
    return 2 * shared / (said.total() + wanted.total())


class _Words:
    def tokenize(self, text: str) -> list[str]:
        return words(text)


def _squad_tokens(text: str) -> list[str]:
    """SQuAD v1.1's normalisation; punctuation and symbols are Unicode's classes P and S instead of ASCII's."""
    lower = composed(text).lower()
    bare = "".join(c for c in lower if unicodedata.category(c)[0] not in "PS")
    return _CHARACTER_OR_RUN.findall(_ARTICLE.sub(" ", bare))
