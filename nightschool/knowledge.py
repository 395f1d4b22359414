"""What a bot's documents, and its team's answers, say to a question, and how it is put to the model: one rendering for
serving and training.

A passage is data. Each stands on one line of its own behind a number, so that nothing in it can close the frame or
begin another; and what people write cannot look like a line of the frame, since its first letter gets a word joiner.
Where passages belong is the last question: the system prompt and the history before it stay the same from turn to turn,
and an engine's prefix cache with them. Does not know where passages come from (`collect.knowledge`) nor tokenizers.
"""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from nightschool.prompt import JOINER
from nightschool.records import BotName, ChatMessage

HEAD: Final = "From our pages:"
TEAM: Final = "Our team's answer"
"""In place of a document's title."""
ASKED: Final = "Question:"
FRAME: Final = re.compile(rf"^(?=[ \t]*(?:{HEAD}|{ASKED}|\[\d+\]))([ \t]*)(.)", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document, or what the team answered to somebody, small enough to stand in a prompt beside others."""

    passage_id: str
    """16 hexadecimal digits: a hash of all the rest."""
    document: str
    """Title, as people know it: `Returns`; of an answer `TEAM`."""
    heading: str
    """Headings above it, outermost first, without the title: `Refund time > By card`; empty at the top. Of an answer
    the question."""
    text: str
    conversation_id: str = ""
    """In which it was answered; empty for a piece of a document."""

    @property
    def place(self) -> str:
        """`Returns > Refund time`."""
        return " > ".join(part for part in (self.document, self.heading) if part)

    @property
    def shown_heading(self) -> str:
        """For whoever reads the answer: not what another person asked."""
        return "" if self.conversation_id else self.heading

    @property
    def stated(self) -> str:
        """What an answer may state because of it: not what somebody asked."""
        return self.text if self.conversation_id else f"{self.place} {self.text}"


@dataclass(frozen=True, slots=True)
class Found:
    """What an index holds for a question, best first; all empty where nothing fits or the bot has no documents."""

    passages: tuple[Passage, ...] = ()
    scores: tuple[float, ...] = ()
    """One a passage, of 0 to 1: how near it is to the question."""
    index_hash: str = ""
    """Content hash of the index that was asked; empty where there is none."""


Search = Callable[[BotName, Sequence[str]], Found]
"""A bot's documents asked by a conversation's questions, oldest first."""


class SearchApart(Protocol):
    """A search that finds no answer which was given in some conversations: for rows that are made of these."""

    def __call__(self, bot: BotName, said: Sequence[str], /, *, apart_from: Collection[str] = ()) -> Found: ...


Stands = Callable[[str], bool]
"""Whether every fact of a text stands where it should."""
StandingIn = Callable[[Sequence[str], Sequence[str]], Stands]
"""Texts, and names that count as facts -> whether a text's facts all stand in them."""


def find_nothing(_bot: BotName, _said: Sequence[str], /, *, apart_from: Collection[str] = ()) -> Found:
    """The search of an installation without documents."""
    del apart_from
    return Found()


def key_of(asked: Sequence[str]) -> str:
    """By which the passages of a course of questions, oldest first, are found again."""
    return hashlib.sha256(json.dumps(list(asked), ensure_ascii=False).encode()).hexdigest()[:32]


def with_passages(question: str, passages: Sequence[Passage]) -> str:
    """The question as the model reads it, below the passages that were found for it."""
    asked = unframed(question)
    if not passages:
        return asked
    lines = (f"[{number}] {_line(passage)}" for number, passage in enumerate(passages, 1))
    return "\n".join([HEAD, *lines, "", f"{ASKED} {asked}"])


def question_in(content: str) -> str:
    """What `with_passages` was given, as it stands there."""
    return _split(content)[1]


def grounds_in(messages: Sequence[ChatMessage]) -> list[str]:
    """Texts of a whole prompt in which a fact of its answer may stand: the bot's own, passages, what people asked and
    tools found. Not what the bot answered before, nor what another person had asked the team."""
    found: list[str] = []
    for message in messages:
        if message["role"] == "user":
            head, question = _split(message["content"])
            found += [_stated(line) for line in head.split("\n")[1:]] + [question]
        elif message["role"] != "assistant":
            found.append(message["content"])
    return found


def with_one_passage_less(content: str) -> str | None:
    """A question that stands below passages, without the worst of them; None where it stands below none."""
    head, question = _split(content)
    if not head:
        return None
    *kept, _ = head.split("\n")
    return "\n".join([*kept, "", f"{ASKED} {question}"]) if len(kept) > 1 else question


def _split(content: str) -> tuple[str, str]:
    """The frame with its passages, empty where there is none, and the question."""
    head, behind, question = content.partition(f"\n\n{ASKED} ")
    return (head, question) if behind and head.startswith(f"{HEAD}\n") else ("", content)


def render(system_prompt: str, said: Sequence[ChatMessage], passages: Sequence[Passage] = ()) -> list[ChatMessage]:
    """A whole prompt: the bot's system prompt, the history, and the last question with its passages.

    `said` holds no system message, and nothing behind the question but calls of tools and what they found.
    """
    last = max(place for place, turn in enumerate(said) if turn["role"] == "user")
    return [
        ChatMessage(role="system", content=system_prompt),
        *map(_as_said, said[:last]),
        ChatMessage(role="user", content=with_passages(said[last]["content"], passages)),
        *map(_as_said, said[last + 1 :]),
    ]


def unframed(text: str) -> str:
    """What a person wrote, with no line that reads like one of the frame. Twice is once."""
    return FRAME.sub(rf"\1\2{JOINER}", text)


def _as_said(turn: ChatMessage) -> ChatMessage:
    said = ChatMessage(
        role=turn["role"], content=unframed(turn["content"]) if turn["role"] == "user" else turn["content"]
    )
    if "tool_calls" in turn:
        said["tool_calls"] = turn["tool_calls"]
    if "tool_call_id" in turn:
        said["tool_call_id"] = turn["tool_call_id"]
    return said


def _line(passage: Passage) -> str:
    place = " ".join(passage.place.split())
    if passage.conversation_id:
        # So that it is seen where the question ends.
        place = place.replace(": ", f":{JOINER} ")
    return " ".join(f"{place}: {passage.text}".split())


def _stated(line: str) -> str:
    """What `Passage.stated` holds, of a line of the frame."""
    text = line.partition("] ")[2]
    return text.partition(": ")[2] if text.startswith(f"{TEAM} > ") else text
