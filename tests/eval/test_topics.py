"""Questions without a topic are told apart by what they are about."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from eval.suites import SuiteRow
from eval.topics import Embed, name_topics
from nightschool.embedding import load_embedder
from nightschool.records import ChatMessage

KINDS = ("When is my parcel delivered to {}?", "How do I reset the password of {}?", "Can I pay my invoice with {}?")
NAMES = ("Oslo", "Kim", "gold", "June", "Lyon", "Ada", "cash", "May")


def row(number: int, question: str, *, topic: str | None = None) -> SuiteRow:
    return SuiteRow(f"r{number}", f"c{number}", (ChatMessage(role="user", content=question),), "Yes.", topic=topic)


def asked(count: int) -> list[SuiteRow]:
    return [row(n, KINDS[n % 3].format(NAMES[n % 8])) for n in range(count)]


def never() -> Embed:
    raise AssertionError("the vectors are not wanted")


def test_like_questions_share_a_topic_that_their_words_name() -> None:
    named = name_topics(asked(72), lambda: load_embedder().embed)
    kinds = [{n % 3 for n, found in enumerate(named) if found.topic == topic} for topic in {f.topic for f in named}]
    assert sum(len(mixed) == 1 for mixed in kinds) >= len(kinds) - 1
    words = (("delivered", "parcel"), ("password", "reset"), ("invoice",))
    hits = [any(word in (found.topic or "") for word in words[n % 3]) for n, found in enumerate(named)]
    assert sum(hits) >= 66


def test_labels_stay_and_few_rows_are_left_without() -> None:
    rows = asked(47) + [row(100 + n, "What now?", topic="returns") for n in range(60)]
    assert name_topics(rows, never) == tuple(rows)
    named = name_topics([*asked(48), *rows[47:]], lambda: load_embedder().embed)
    assert [found.topic for found in named[48:]] == ["returns"] * 60
    assert all(found.topic for found in named)
    assert [replace(found, topic=None) for found in named[:48]] == asked(48)


def test_texts_without_words_and_all_alike_are_borne() -> None:
    def blind(texts: Sequence[str]) -> NDArray[np.float64]:
        return np.zeros((len(texts), 4))

    topics = {found.topic for found in name_topics([row(n, "?!") for n in range(60)], lambda: blind)}
    assert all(topics)
