"""Colours change no letter, and come only where the language is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.colours import MAX_CHARS, paint
from tests.serve.test_markup import Tags

CODE = "def price(plan: str) -> int:\n    return {'Grove': 4}[plan]  # a month\n"


def test_words_of_a_language_have_colours() -> None:
    painted = Tags(paint(CODE, "python"))
    assert {"hl-k", "hl-nf", "hl-s1", "hl-mi", "hl-c1"} <= {given["class"] for _, given in painted.seen}
    assert painted.text == CODE


@pytest.mark.parametrize("language", ["", "  ", "nobody-knows-it", "mermaid"])
def test_without_a_known_language_there_are_none(language: str) -> None:
    assert Tags(paint(CODE, language)).seen == []


def test_what_stands_behind_the_language_is_no_matter() -> None:
    assert Tags(paint(CODE, 'Python title="x"')).seen


def test_very_long_code_stays_plain() -> None:
    assert Tags(paint("x = 1\n" * MAX_CHARS, "python")).seen == []


@given(st.text(alphabet="ab<>&'\"/*#\n\t (){}1"), st.sampled_from(["python", "js", "html", "json", "bash", "sql"]))
def test_not_a_letter_is_changed(code: str, language: str) -> None:
    assert Tags(paint(code, language)).text == code
