"""What an index holds for a question: by its words (BM25) and by its meaning (word vectors), fused by reciprocal rank.

A question may lean on the one before ("and express?"), so what was asked before counts a little. The score of a passage
is how near it is to the question, 0..1: by cosine, and by how much of the question's rarer words stand in it, weighed
as labelled questions taught (docs/knowledge.md). Does not know bots.
"""

import math
from collections.abc import Collection, Sequence
from itertools import accumulate
from typing import Final

import numpy as np
from numpy.typing import NDArray

from collect.knowledge.index import Embed, Index, whole_text
from collect.knowledge.passages import count_tokens
from collect.knowledge.words import split_words
from nightschool.knowledge import Found, Passage

Scores = NDArray[np.float32]
FUSED_FROM: Final = 10
"""Of reciprocal rank fusion (Cormack et al. 2009), who took 60 for lists of a thousand."""
CANDIDATES: Final = 30
"""Of each way to search."""
LEANING: Final = 1.5
"""What the question before counts beside one of grammar alone; the more telling words a question has, the less."""
MAX_QUESTION_CHARS: Final = 2_000
"""More says no more about what is wanted."""
WEIGHTS: Final = (6.7, 5.0, -3.5)
"""Of cosine and coverage, and the offset: a logistic regression, right passages against others."""


def search(
    index: Index,
    said: Sequence[str],
    *,
    embed: Embed,
    passages: int,
    min_score: float,
    apart_from: Collection[str] = (),
) -> Found:
    """At most `passages`, best first, none below `min_score`, and none of the conversations `apart_from`. `said`:
    questions, oldest first, the last is asked."""
    if not index.passages or not said:
        return Found(index_hash=index.content_hash)
    asked = [question[:MAX_QUESTION_CHARS] for question in said[-2:]]
    words = [split_words(question, stemmer=index.stemmer) for question in asked]
    weights = _weights(words)
    meant = _weighted(embed(asked).astype(np.float32), weights)
    cosines = index.vectors @ meant / max(float(np.linalg.norm(meant)), 1e-9)
    by_words = _weighted(np.stack([_bm25(index, one) for one in words]), weights)
    if apart_from:
        is_apart = [passage.conversation_id in apart_from for passage in index.passages]
        by_words, cosines = (np.where(is_apart, -1.0, scores) for scores in (by_words, cosines))
    fused = _reciprocal(by_words) + _reciprocal(cosines)
    best = [place for place in _largest(fused, passages).tolist() if fused[place] > 0]
    rarity = _rarity(index, words, weights)
    scored = [(index.passages[place], _nearness(index, place, float(cosines[place]), rarity)) for place in best]
    kept = [(passage, score) for passage, score in scored if score >= min_score]
    return Found(tuple(p for p, _ in kept), tuple(s for _, s in kept), index.content_hash)


def merged(pages: Found, answers: Found) -> Found:
    """Of two indexes, by how near each passage is; what was found in one alone stays as it is."""
    if not answers.passages:
        return Found(pages.passages, pages.scores, _both(pages, answers))
    both = [*zip(pages.passages, pages.scores, strict=True), *zip(answers.passages, answers.scores, strict=True)]
    ranked = sorted(both, key=lambda one: -one[1])
    return Found(tuple(p for p, _ in ranked), tuple(score for _, score in ranked), _both(pages, answers))


def within(found: Found, *, max_tokens: int) -> Found:
    """The best of it that have no more tokens together, about counted."""
    sizes = accumulate(count_tokens(whole_text(passage)) for passage in found.passages)
    kept = sum(1 for size in sizes if size <= max_tokens)
    return Found(found.passages[:kept], found.scores[:kept], found.index_hash)


def _both(pages: Found, answers: Found) -> str:
    return "+".join(filter(None, (pages.index_hash, answers.index_hash)))


def _weights(words: Sequence[Sequence[str]]) -> Scores:
    """What each question counts."""
    return np.array([*(LEANING / (1 + len(words[-1])) for _ in words[:-1]), 1.0], np.float32)


def _weighted(by_question: Scores, weights: Scores) -> Scores:
    total: Scores = weights @ by_question
    return total


def _bm25(index: Index, words: Sequence[str]) -> Scores:
    known = [word for word in words if index.words is not None and word in index.words.vocab_dict]
    if index.words is None or not known:
        return np.zeros(len(index.passages), np.float32)
    return np.asarray(index.words.get_scores(known), np.float32)


def _reciprocal(scores: Scores) -> NDArray[np.float64]:
    """By rank, for the best few that have anything to do with the question; 0 for all others."""
    best = _largest(scores, CANDIDATES)
    fused = np.zeros(len(scores))
    fused[best] = np.where(scores[best] > 0, 1 / (FUSED_FROM + np.arange(len(best))), 0.0)
    return fused


def _largest(scores: NDArray[np.floating], count: int) -> NDArray[np.intp]:
    """Where the largest stand, largest first; of equal ones the earlier first."""
    if count >= len(scores):
        return np.argsort(-scores, kind="stable")
    least = np.partition(scores, len(scores) - count)[len(scores) - count]
    held = np.flatnonzero(scores >= least)
    largest: NDArray[np.intp] = held[np.argsort(-scores[held], kind="stable")[:count]]
    return largest


def _rarity(index: Index, words: Sequence[Sequence[str]], weights: Scores) -> dict[str, float]:
    """How much each word of the question tells: its inverse document frequency, less where it was asked before."""
    count = len(index.passages)
    found: dict[str, float] = {}
    for weight, asked in reversed(list(zip(weights.tolist(), words, strict=True))):
        for word in asked:
            found.setdefault(word, weight * math.log(1 + count / (0.5 + _holding(index, word))))
    return found


def _holding(index: Index, word: str) -> int:
    """Passages that hold it."""
    if index.words is None or word not in index.words.vocab_dict:
        return 0
    place = index.words.vocab_dict[word]
    ends = index.words.scores["indptr"]
    return int(ends[place + 1] - ends[place])


def _nearness(index: Index, place: int, cosine: float, rarity: dict[str, float]) -> float:
    covered = _covered(index.passages[place], rarity, stemmer=index.stemmer)
    by_cosine, by_words, offset = WEIGHTS
    return round(1 / (1 + math.exp(-(by_cosine * cosine + by_words * covered + offset))), 4)


def _covered(passage: Passage, rarity: dict[str, float], *, stemmer: str) -> float:
    """Share 0..1 of what the question's words tell that stands in the passage."""
    whole = sum(rarity.values())
    if not whole:
        return 0.0
    held = frozenset(split_words(whole_text(passage), stemmer=stemmer))
    return sum(weight for word, weight in rarity.items() if word in held) / whole
