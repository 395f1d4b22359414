"""Alike pairs are those that comparing everything with everything finds; shingles are the words' own."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tune.alike import CROWD, find_alike
from tune.shingles import Sets, Shingler, distinct, split_words


def sets_of(*given: set[int]) -> Sets:
    members = [np.array(sorted(some), np.uint64) for some in given]
    starts = np.concatenate([[0], np.cumsum([len(some) for some in given])])
    return Sets(np.concatenate([np.empty(0, np.uint64), *members]), starts.astype(np.int64))


@settings(deadline=None)
@given(st.lists(st.sets(st.integers(0, 12), max_size=8), max_size=20), st.sampled_from([0.3, 0.5, 0.8, 1.0]))
def test_every_alike_pair_is_found_with_its_exact_likeness(given: list[set[int]], threshold: float) -> None:
    expected = {
        (one, other): len(given[one] & given[other]) / len(given[one] | given[other])
        for one in range(len(given))
        for other in range(one + 1, len(given))
        if given[one] | given[other]
    }
    found = find_alike(sets_of(*given), threshold=threshold)
    pairs = dict(zip(zip(found.one.tolist(), found.other.tolist(), strict=True), found.likeness.tolist(), strict=True))
    assert pairs == pytest.approx({pair: likeness for pair, likeness in expected.items() if likeness >= threshold})
    assert list(pairs) == sorted(pairs)


def test_a_crowd_costs_its_size_and_each_of_it_is_found_alike_to_some() -> None:
    crowd = [{0, 1, 2, 3, 4, 100 + n} for n in range(2_000)]
    found = find_alike(sets_of(*crowd), threshold=0.5)
    assert len(found.one) <= CROWD * len(crowd)
    assert set(found.one.tolist()) | set(found.other.tolist()) == set(range(len(crowd)))


def test_equal_sets_are_one_and_stand_where_the_first_stood() -> None:
    found = distinct(sets_of({5}, {1, 2}, {5}, set(), {1, 2}, {7}))
    assert found.first.tolist() == [0, 1, 3, 5]
    assert found.which.tolist() == [0, 1, 0, 2, 1, 3]
    assert found.sets.sizes.tolist() == [1, 2, 0, 1]


def jaccard(one: str, other: str, *, least_words: int = 1) -> float:
    sets = Shingler().pairs([one, other], least_words=least_words)
    a, b = (set(sets.members[sets.starts[n] : sets.starts[n + 1]].tolist()) for n in range(2))
    return len(a & b) / max(len(a | b), 1)


def test_shingles_are_words_and_word_pairs_of_one_text() -> None:
    # how, do, i, how do, do i | do, i, go, do i, i go: 3 of 7.
    assert jaccard("How do I", "do I go") == pytest.approx(3 / 7)
    assert jaccard("Order 12345!", "order 777 ?") == 1.0
    assert jaccard("ＡＢＣ straße", "abc STRASSE") == 1.0  # noqa: RUF001
    assert jaccard("one two three", "one two three", least_words=4) == 0.0


def test_triples_of_a_short_text_are_all_its_words() -> None:
    sets = Shingler().triples(["", "hi", "hi there", "hi there you", "hi there you all", "..."])
    assert sets.sizes.tolist() == [0, 1, 1, 1, 2, 0]
    assert len(set(sets.members.tolist())) == 4


def test_scripts_without_blanks_are_read_by_characters() -> None:
    assert split_words("返品 ok 2024年") == ["返", "品", "ok", "0", "年"]


def test_shingles_are_the_same_in_every_process() -> None:
    script = "from tune.shingles import Shingler; print(Shingler().triples(['a b c d', 'ü']).members.tolist())"
    told = {subprocess.check_output([sys.executable, "-c", script]) for _ in range(2)}
    assert len(told) == 1
