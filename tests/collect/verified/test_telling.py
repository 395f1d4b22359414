"""Words on which an answer turns, however near two questions are otherwise."""

from dataclasses import replace

import pytest

from collect.verified.telling import are_opposed, find_names, read_telling, swapped_word

NAMES = find_names(["The plan Grove costs 4 euro.", "We have the Canopy plan too.", "Ask about the plan, please."])


def test_names_are_what_the_record_writes_with_a_capital_inside_a_sentence() -> None:
    assert {"grove", "canopy"} <= NAMES
    assert not {"the", "plan", "we", "ask"} & NAMES


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("how much is grove", "how much is canopy"),
        ("Can I return it?", "Can I not return it?"),
        ("Can I pay?", "Can't I pay?"),
        ("Kann ich das zurückgeben?", "Kann ich das nicht zurückgeben?"),
        ("back within 2 days?", "back within 10 days?"),
        ("Where is order 12345678?", "Where is order 87654321?"),
        ("How long does Zephyr last?", "How long does Grove last?"),
    ],
)
def test_they_tell_these_apart(one: str, other: str) -> None:
    assert read_telling(one, names=NAMES) != read_telling(other, names=NAMES)


@pytest.mark.parametrize(
    ("one", "other"),
    [("How much is Grove?", "what does grove cost"), ("I HAVE A QUESTION", "i have a question"), ("", "\u200b🙂 ...")],
)
def test_they_do_not_tell_these_apart(one: str, other: str) -> None:
    first, second = (read_telling(text, names=NAMES) for text in (one, other))
    assert replace(first, words=frozenset()) == replace(second, words=frozenset())


def test_opposites() -> None:
    on, off, both = (
        read_telling(text, names=NAMES)
        for text in ("how do I enable alerts", "how do I disable alerts", "enable or disable alerts")
    )
    assert are_opposed(on, off)
    assert are_opposed(off, on)
    assert not are_opposed(on, on)
    assert not are_opposed(on, both)
    done, undone = (read_telling(f"how do i {word} a lamp", names=NAMES) for word in ("pair", "unpair"))
    assert are_opposed(done, undone)
    assert are_opposed(undone, done)


def test_twins_differ_in_one_word() -> None:
    express, standard, other = (
        read_telling(text, names=NAMES)
        for text in ("what does express shipping cost", "what does standard shipping cost", "what is your address")
    )
    assert swapped_word(standard, express) == "standard"
    assert swapped_word(express, express) is None
    assert swapped_word(other, express) is None
