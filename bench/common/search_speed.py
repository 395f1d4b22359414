"""How fast documents are indexed and searched, and how large an index is.

The passages are invented: sentences of random words of which few are frequent, as in any language. Knows no bot.
"""

import random
import time
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Final

from collect.knowledge.index import Embed, read_index, write_index
from collect.knowledge.passages import make_passage
from collect.knowledge.search import search

WORDS: Final = 20_000
PASSAGE_WORDS: Final = 70
QUESTION_WORDS: Final = 8
QUESTIONS: Final = 200


@dataclass(frozen=True, slots=True)
class SearchSpeed:
    search_ms: float
    """Median of a question with the one before it."""
    index_s: float
    """From passages to an index that is searched."""
    size_mb: float
    """On disk."""


def measure_speed(folder: Path, *, passages: int, embed: Embed, seed: int = 17) -> SearchSpeed:
    """Index so many passages below `folder`, and ask two hundred questions."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdefghijklmnoprstuvw", k=rng.randint(3, 9))) for _ in range(WORDS)]
    # By Zipf's law.
    weights = list(accumulate(1 / rank for rank in range(1, WORDS + 1)))

    def text(count: int) -> str:
        return " ".join(rng.choices(words, cum_weights=weights, k=count))

    made = [make_passage(f"Page {place // 10}", f"Part {place % 10}", text(PASSAGE_WORDS)) for place in range(passages)]
    begin_s = time.perf_counter()
    written = write_index(made, folder, embed=embed)
    index = read_index(written)
    index_s = time.perf_counter() - begin_s
    took_s = []
    for _ in range(QUESTIONS):
        said = [text(QUESTION_WORDS), text(QUESTION_WORDS)]
        begin_s = time.perf_counter()
        search(index, said, embed=embed, passages=4, min_score=0.0)
        took_s.append(time.perf_counter() - begin_s)
    size_bytes = sum(file.stat().st_size for file in written.rglob("*") if file.is_file())
    return SearchSpeed(1_000 * sorted(took_s)[QUESTIONS // 2], index_s, size_bytes / 1e6)
