"""When two answers answer the same question: a place is what was asked, wherever that was.

A question that says little by itself ("And then?") is the same one only after the same answer, or at the start of a
conversation. Does not know who answered what.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from nightschool.records import ChatMessage
from nightschool.text import fold
from tune.snapshot import Said

MIN_QUESTION_CHARS: Final = 15
"""A shorter question says little by itself."""


class Place(NamedTuple):
    question: str
    before: str
    """The answer before it where the question says nothing by itself, else empty."""


def place_of(answer: Said, by_id: Mapping[str, Said]) -> Place:
    """What an answer answers; `by_id` holds its conversation."""
    asked = by_id.get(answer.parent_id or "")
    if asked is None:
        return Place("", "")
    before = by_id.get(asked.parent_id or "")
    is_answer = before is not None and before.role == "assistant"
    return _place(asked.content, before.content if before is not None and is_answer else None)


def place_at_end(prompt: Sequence[ChatMessage]) -> Place:
    """What is asked at the end of a prompt."""
    *_, before, asked = [ChatMessage(role="system", content=""), *prompt]
    return _place(asked["content"], before["content"] if before["role"] == "assistant" else None)


def _place(asked: str, before: str | None) -> Place:
    question = fold(asked)
    return Place(question, "" if len(question) >= MIN_QUESTION_CHARS or before is None else fold(before))
