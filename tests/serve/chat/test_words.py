"""A visitor reads sentences; what a machine says of itself stays where operators are."""

import pytest

from nightschool import errors
from serve.chat.words import draw_trouble, plain

SECRET = "boom /srv/model.safetensors"


@pytest.mark.parametrize("kind", [kind for kind in vars(errors).values() if isinstance(kind, type)])
def test_no_error_tells_a_visitor_what_the_machine_said(kind: type[errors.NightschoolError]) -> None:
    sentence = plain(kind(SECRET, subject="support@3", remedy="See logs/engine.log."))
    assert sentence.endswith(".")
    assert not any(word in sentence for word in ("boom", "/srv", "support@3", "logs", ": "))


def test_who_asks_too_often_is_told_for_how_long() -> None:
    error = errors.TooManyRequests("more than 2", subject="x", remedy="y", retry_after_s=7)
    assert "7 s" in plain(error)


def test_a_sentence_is_announced_and_holds_no_tag() -> None:
    drawn = draw_trouble("<b>")
    assert 'role="alert"' in drawn
    assert "<b>" not in drawn
