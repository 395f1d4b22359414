import pytest

from eval.metrics.refusal import is_refusal
from eval.metrics.task import accuracy, macro_f1, read_label
from eval.metrics.text import exact_match

LABELS = ("card_arrival", "card_linking", "card", "Refund not showing up")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("card_arrival", "card_arrival"),
        (" Card arrival. ", "card_arrival"),
        ("The intent is `card_linking`.", "card_linking"),
        ("refund_not_showing_up", "Refund not showing up"),
        # The shorter label stands inside the longer one, and is not meant.
        ("It is card arrival", "card_arrival"),
        ("my card", "card"),
        ("card_arrival or card_linking", None),
        ("discard", None),
        ("", None),
    ],
)
def test_the_label_that_an_answer_gives(answer: str, expected: str | None) -> None:
    assert read_label(answer, LABELS) == expected


def test_macro_f1_by_hand() -> None:
    given = ["a", "a", "b", None, "c"]
    right = ["a", "b", "b", "a", "a"]
    # a: hits 1, claimed 2, right 3: 2/5; b: hits 1, claimed 1, right 2: 2/3; c: 0 of 1: 0.
    assert macro_f1(given, right) == pytest.approx((2 / 5 + 2 / 3 + 0) / 3)
    assert accuracy(given, right) == pytest.approx(2 / 5)


def test_an_exact_match_knows_no_case_article_or_full_stop() -> None:
    assert exact_match("The 30 days.", reference="30 days")
    assert not exact_match("days 30", reference="30 days")


def test_refusals_in_several_languages() -> None:
    assert is_refusal("I'm sorry, but I can't help with that.")
    assert is_refusal("Es tut mir leid, dabei kann ich nicht helfen.")
    assert not is_refusal("You can send it back within 30 days.")
