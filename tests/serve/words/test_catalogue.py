"""What every language keeps, whoever wrote it."""

import string
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from serve.chat.handlers import REASONS
from serve.words.catalogue import Words
from serve.words.choice import LANGUAGES
from serve.words.english import ENGLISH


def texts_in(words: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """By where it stands: `side.pin`."""
    if isinstance(words, str):
        yield name, words
    elif is_dataclass(words):
        for field in fields(words):
            yield from texts_in(getattr(words, field.name), f"{name}.{field.name}".strip("."))
    else:
        for position, one in enumerate(words):
            yield from texts_in(one, f"{name}.{position}")


def places_in(text: str) -> set[str]:
    return {place for _, place, _, _ in string.Formatter().parse(text) if place is not None}


@pytest.mark.parametrize("words", LANGUAGES, ids=lambda words: words.code)
def test_a_language_says_everything_and_keeps_the_places_that_are_filled_in(words: Words) -> None:
    english, said = dict(texts_in(ENGLISH)), dict(texts_in(words))
    assert said.keys() == english.keys()
    assert [name for name, text in said.items() if not text.strip() or text != text.strip()] == []
    assert [name for name, text in said.items() if places_in(text) != places_in(english[name])] == []


@pytest.mark.parametrize("words", LANGUAGES, ids=lambda words: words.code)
def test_a_text_may_stand_in_html_attributes_and_templates_as_it_is(words: Words) -> None:
    assert [name for name, text in texts_in(words) if set(text) & set("<>&\"'`$\\\n")] == []


def test_each_language_has_a_code_of_its_own_and_says_hardly_anything_as_another_does() -> None:
    assert len({words.code for words in LANGUAGES}) == len(LANGUAGES)
    english = dict(texts_in(ENGLISH))
    for words in LANGUAGES[1:]:
        alike = [name for name, text in texts_in(words) if text == english[name]]
        assert alike == []


def test_every_reason_has_a_name() -> None:
    assert {len(words.reason.kinds) for words in LANGUAGES} == {len(REASONS)}
