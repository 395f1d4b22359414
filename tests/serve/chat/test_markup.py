"""What people and models write is shown, and nothing of it is alive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.records import Finish, Vote
from serve.chat.handlers import Line
from serve.chat.markup import draw_answer, draw_line, draw_question, thumbs, without_tags


def answer(text: str, *, finish: Finish | None = Finish.STOP, vote: Vote = Vote.NONE) -> Line:
    return Line("id", "assistant", text, "support@3", finish, vote)


@given(st.text())
def test_a_question_holds_no_tag(text: str) -> None:
    assert "<" not in draw_question(text)


def test_a_question_shows_marks_as_typed() -> None:
    assert draw_question("*a* `<b>` & #1") == r"\*a\* \`&lt;b\>\` &amp; \#1"


@given(st.text(alphabet="ab<>/ script\n"))
def test_an_answer_without_code_holds_no_tag(text: str) -> None:
    assert "<" not in without_tags(text)


def test_code_in_an_answer_stays_as_it_is() -> None:
    text = "Use `<b>` or\n```html\n<p>\n```\nnot <b>."
    assert without_tags(text) == text.replace("not <b>", "not &lt;b>")


def test_code_that_is_still_coming_stays_as_it_is() -> None:
    assert without_tags("```html\n<p>") == "```html\n<p>"


@pytest.mark.parametrize(
    ("finish", "label"),
    [
        (Finish.STOP, "support@3<"),
        (Finish.PARTIAL, "support@3 · stopped<"),
        (Finish.LENGTH, "support@3 · cut at its longest<"),
        (Finish.ERROR, "support@3 · failed<"),
        (None, "support@3<"),
    ],
)
def test_an_answer_says_who_gave_it_and_how_it_ended(finish: Finish | None, label: str) -> None:
    assert label in draw_answer(answer("Yes.", finish=finish))


def test_the_label_stays_out_of_code_that_was_cut_off() -> None:
    assert draw_answer(answer("```\nx = 1")).startswith("```\nx = 1\n```\n\n<span")


def test_an_empty_answer_is_not_an_empty_bubble() -> None:
    assert "No answer" in draw_answer(answer("", finish=Finish.ERROR))


def test_a_message_carries_its_id() -> None:
    assert draw_line(answer("Yes."))["metadata"] == {"id": "id"}


def test_thumbs_follow_the_answers() -> None:
    lines = (Line("q", "user", "?"), answer("a", vote=Vote.UP), Line("r", "user", "?"), answer("b", vote=Vote.DOWN))
    assert thumbs((*lines, answer("c"))) == ["Like", "Dislike", None]
