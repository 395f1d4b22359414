"""Runs of 13 words, as columns of hashes, are what a plain loop finds."""

import random
from collections.abc import Sequence

import numpy as np
import pytest

from tune.passages import Known, PassageReader, Passages
from tune.shingles import TEXTS_AT_ONCE, UNSPACED_LETTER, split_words

WORDS = ("amber", "birch", "cedar", "花", "盆", "你", "好")


def read(texts: Sequence[str]) -> list[Passages]:
    return list(PassageReader().read(texts))


def plain_runs(text: str) -> list[tuple[str, ...]]:
    """Every run that just reaches 13 words, where a character of a script without blanks is half a one."""
    words, runs = split_words(text), []
    for start in range(len(words)):
        halves = 0
        for end in range(start, len(words)):
            halves += 1 if UNSPACED_LETTER.fullmatch(words[end]) else 2
            if halves >= 26:
                runs.append(tuple(words[start : end + 1]))
                break
    return runs


def test_runs_are_equal_where_their_words_are() -> None:
    chance = random.Random(3)
    texts = [" ".join(chance.choices(WORDS, k=chance.randrange(60))) for _ in range(200)]
    texts += [text[: len(text) // 2] for text in texts]
    texts += ["", "...", "amber", "花" * 26, "花" * 25, "amber " * 13, "amber " * 12]
    (found,) = read(texts)
    expected = [(place, run) for place, text in enumerate(texts) for run in plain_runs(text)]
    assert found.of.tolist() == [place for place, _ in expected]
    names: dict[tuple[str, ...], int] = {}
    for run, (_, words) in zip(found.runs.tolist(), expected, strict=True):
        assert names.setdefault(words, run) == run
    assert len(set(names.values())) == len(names)
    assert found.words.tolist() == [len(split_words(text)) for text in texts]


def test_a_whole_text_is_known_by_its_words() -> None:
    (found,) = read(["Amber, birch!", "amber birch", "birch amber", "amber", ""])
    wholes = found.wholes.tolist()
    assert wholes[0] == wholes[1]
    assert len(set(wholes)) == 4


def test_many_texts_come_in_parts_and_equal_words_stay_equal() -> None:
    parts = read(["amber birch"] * (TEXTS_AT_ONCE + 1))
    assert [len(part.words) for part in parts] == [TEXTS_AT_ONCE, 1]
    assert {int(whole) for part in parts for whole in part.wholes} == {int(parts[0].wholes[0])}
    assert read([]) == []


@pytest.mark.parametrize("count", [0, 1, 5_000])
def test_what_is_known_is_found_and_nothing_else(count: int) -> None:
    chance = np.random.default_rng(3)
    known = chance.integers(0, 2**64, count, np.uint64)
    # Neighbours share the table's place with one that is known.
    asked = np.concatenate([known, known + np.uint64(1), chance.integers(0, 2**64, 1_000, np.uint64)])
    found = Known(known).find(asked)
    assert found.places.tolist() == list(range(count))
    assert np.sort(known)[found.which].tolist() == known.tolist()
    assert Known(known).find(np.empty(0, np.uint64)).places.tolist() == []
