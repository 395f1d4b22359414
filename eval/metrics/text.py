"""How near an answer stands to its reference, word by word, and how much it repeats itself.

All three measures share one idea of a word (`words`). Compared are texts, not meanings: a right answer in other words
scores low, so read them as differences between contestants on the same rows. Refusals are not judged here.
"""

import re
import unicodedata
from collections import Counter
from typing import Final

# Scripts written without spaces: each character counts as a word, as in CMRC 2018's mixed segmentation.
_UNSPACED: Final = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD: Final = re.compile(f"[{_UNSPACED}]|[^\\W_{_UNSPACED}]+")
_CHARACTER_OR_RUN: Final = re.compile(f"[{_UNSPACED}]|[^\\s{_UNSPACED}]+")
_ARTICLE: Final = re.compile(r"\b(a|an|the)\b")
REPEATED_WORDS: Final = 4


def words(text: str) -> list[str]:
    """Runs of letters and digits in lower case; on ASCII the same words as rouge-score's own tokenizer."""
    return _WORD.findall(_composed(text).lower())


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


def repetition(answer: str) -> float:
    """Share 0..1 of word 4-grams that were said before (Welleck et al. 2020, seq-rep-4); below four words nothing."""
    said = words(answer)
    grams = [tuple(said[i : i + REPEATED_WORDS]) for i in range(len(said) - REPEATED_WORDS + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


class _Words:
    def tokenize(self, text: str) -> list[str]:
        return words(text)


def _squad_tokens(text: str) -> list[str]:
    """SQuAD v1.1's normalisation; punctuation and symbols are Unicode's classes P and S instead of ASCII's."""
    lower = _composed(text).lower()
    bare = "".join(c for c in lower if unicodedata.category(c)[0] not in "PS")
    return _CHARACTER_OR_RUN.findall(_ARTICLE.sub(" ", bare))


def _composed(text: str) -> str:
    # One letter may be written as one code point or as two; without this the two would differ.
    return unicodedata.normalize("NFKC", text)
