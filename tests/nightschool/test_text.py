"""The one rule for characters that are no text. That every door asks it is tests/test_doors.py's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.errors import InvalidInput
from nightschool.text import check_name, clean_text, fold, gist, is_same


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("a\0b", "ab"),
        ("a\x1b[31mb", "a[31mb"),
        ("a\x9bb", "ab"),
        ("a\x7fb", "ab"),
        ("a\u202eb\u202c", "ab"),
        ("a\u2066b\u2069", "ab"),
        ("\ufeffa\ufeff", "a"),
        ("a\r\nb\rc\x85d", "a\nb\nc\nd"),
        ("a\tb\n", "a\tb\n"),
        ("שלום \u200fabc", "שלום \u200fabc"),
        ("👩\u200d🔧 nai\u0308ve", "👩\u200d🔧 nai\u0308ve"),
        ("one\u2028two", "one\u2028two"),
    ],
)
def test_what_nobody_sees_is_taken_out_and_what_people_write_stays(written: str, kept: str) -> None:
    assert clean_text(written, subject="text") == kept


@pytest.mark.parametrize("half", ["\ud800", "a\udfffb"])
def test_half_of_a_surrogate_pair_is_refused(half: str) -> None:
    with pytest.raises(InvalidInput, match="half of a surrogate pair"):
        clean_text(half, subject="question")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_what_is_clean_stays_as_it_is(text: str) -> None:
    once = clean_text(text, subject="text")
    assert clean_text(once, subject="text") == once


@pytest.mark.parametrize(
    "name", ["a\0", "\ufeff", "a\u202eb", "a\u200fb", "a\nb", "a\x9bb", "a\u2028b", " a", "a ", "\ud800", "a\u00adb"]
)
def test_a_name_that_is_not_what_it_looks_like_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        check_name(name, subject="key name")


@pytest.mark.parametrize("name", ["shop", "Änne's laptop", "店", "a b"])
def test_a_name_that_can_be_read_is_one(name: str) -> None:
    assert check_name(name, subject="key name") == name


def test_the_same_words_typed_otherwise_are_the_same() -> None:
    assert is_same("Within  30 days.\n", "within 30 Days.")
    assert is_same("na\u00efve", "nai\u0308ve")
    assert not is_same("Within 30 days.", "Within 3 days.")
    assert fold("10²") != fold("102")


def test_marks_around_words_do_not_change_what_was_said() -> None:
    assert gist("“Within 30 days!”") == gist("within 30 days")
    assert gist("It costs -3.50 €.") != gist("It costs 3.50 €")
    assert gist("3.5") != gist("35")


@pytest.mark.parametrize(
    ("one", "other", "is_near"),
    [
        ("Please just cancel the order.", "Cancel order", True),
        ("Orders can be cancelled within 14 days", "The orders can be canceled within 14 days.", True),
        ("Die Bestellung ist kostenlos", "die bestellung ist kostenlos, bitte", True),
        ("Within 30 days", "Within 14 days", False),
        ("You can return it", "You can not return it", False),
        ("Before you pay", "After you pay", False),
        ("It is unable", "It is enable", False),
        ("Model A55", "Model A5", False),
        ("The", "A", False),
        ("退货需要十四天", "退货需要三十天", False),
    ],
)
def test_who_writes_nearly_the_same_says_the_same_and_a_telling_word_makes_another(
    one: str, other: str, is_near: bool
) -> None:
    assert (gist(one) == gist(other)) is is_near
