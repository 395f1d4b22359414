"""Words on which an answer turns, however near two questions are otherwise."""

import pytest

from collect.verified.telling import are_opposed, find_names, read_telling

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
    assert read_telling(one, names=NAMES) == read_telling(other, names=NAMES)


def test_opposites() -> None:
    on, off, both = (
        read_telling(text, names=NAMES)
        for text in ("how do I enable alerts", "how do I disable alerts", "enable or disable alerts")
    )
    assert are_opposed(on, off)
    assert are_opposed(off, on)
    assert not are_opposed(on, on)
    assert not are_opposed(on, both)
