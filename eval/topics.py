"""Topics for rows that nobody labelled: questions that stand near one another in meaning, named by their own words.

A gate that looks at the mean alone lets a corner be ruined; where a bot's conversations name no topics, these are the
corners. Made of questions before anybody answers, so no topic is chosen by how it came out. Pure but for the vectors.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

from eval.suites import SuiteRow

Embed = Callable[[Sequence[str]], NDArray[np.float64]]
"""(n, d) vectors of length 1, or of zeros, for n texts."""
LEAST_ROWS: Final = 48
"""Fewer fall into groups of which none is large enough to be judged."""
ROWS_A_TOPIC: Final = 12
MOST_TOPICS: Final = 8
"""Each is one more look, for which all pay."""
WORDS: Final = 3
_WORD: Final = re.compile(r"[^\W\d_]{4,24}")


def name_topics(rows: Sequence[SuiteRow], load: Callable[[], Embed]) -> tuple[SuiteRow, ...]:
    """The rows in their order, those without a topic with one where they are many. `load` is called only then."""
    nameless = [row for row in rows if row.topic is None]
    if len(nameless) < LEAST_ROWS:
        return tuple(rows)
    questions = [_asked(row) for row in nameless]
    names = dict(zip((row.row_id for row in nameless), _group(questions, load()), strict=True))
    return tuple(replace(row, topic=names[row.row_id]) if row.row_id in names else row for row in rows)


def _group(questions: Sequence[str], embed: Embed) -> list[str]:
    """A name for each question. Ward 1963 (JASA 58:236): groups are joined where their spread grows least."""
    count = min(MOST_TOPICS, len(questions) // ROWS_A_TOPIC)
    groups = fcluster(linkage(embed(questions), method="ward"), count, criterion="maxclust")
    names = dict(_name(questions, groups))
    return [names[group] for group in groups.tolist()]


def _name(questions: Sequence[str], groups: NDArray[np.int32]) -> Iterator[tuple[int, str]]:
    """Each group by the words that more of its questions hold than of the others'."""
    said = [frozenset(_WORD.findall(question.lower())) for question in questions]
    everywhere = Counter(word for words in said for word in words)
    for group in np.unique(groups).tolist():
        inside = [words for words, of in zip(said, groups.tolist(), strict=True) if of == group]
        here = Counter(word for words in inside for word in words)
        others = max(len(said) - len(inside), 1)
        telling = sorted(here, key=lambda w: (-(here[w] / len(inside) - (everywhere[w] - here[w]) / others), w))
        yield group, f"{group}: {', '.join(telling[:WORDS])}" if telling else f"{group}"


def _asked(row: SuiteRow) -> str:
    return "\n".join(message["content"] for message in row.messages if message["role"] == "user")
