"""A visitor reads sentences; what a machine says of itself stays where operators are."""

import pytest

from nightschool import errors
from serve.chat.trouble import draw_trouble, notice_of, plain, plain_at_the_gate
from serve.vllm.supervisor import EngineState
from serve.words.catalogue import Words
from serve.words.choice import LANGUAGES
from serve.words.english import ENGLISH
from serve.words.german import GERMAN

SECRET = "boom /srv/model.safetensors"


@pytest.mark.parametrize("words", LANGUAGES)
@pytest.mark.parametrize("kind", [kind for kind in vars(errors).values() if isinstance(kind, type)])
def test_no_error_tells_a_visitor_what_the_machine_said(kind: type[errors.NightschoolError], words: Words) -> None:
    error = kind(SECRET, subject="support@3", remedy="See logs/engine.log.")
    for sentence in (plain(error, words), plain_at_the_gate(error, words)):
        assert sentence.endswith(".")
        assert not any(word in sentence for word in ("boom", "/srv", "support@3", "logs", ": "))


def test_who_asks_too_often_is_told_for_how_long() -> None:
    error = errors.TooManyRequests("more than 2", subject="x", remedy="y", retry_after_s=7)
    assert "7 s" in plain(error, ENGLISH)
    assert "in 7 s" in plain_at_the_gate(error, GERMAN)


@pytest.mark.parametrize(("state", "said"), [("starting", "waking up"), ("down", "brought back"), ("ready", "")])
def test_a_notice_says_why_no_answer_can_come(state: str, said: str) -> None:
    assert said in notice_of(EngineState(state), ENGLISH)
    assert bool(notice_of(EngineState(state), GERMAN)) is bool(said)


def test_a_sentence_is_announced_and_holds_no_tag() -> None:
    drawn = draw_trouble("<b>")
    assert 'role="alert"' in drawn
    assert "<b>" not in drawn
