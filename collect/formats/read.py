"""Read conversations from JSONL: OpenAI's chat format and Hugging Face's conversational one.

A line is a conversation or says what is wrong with it; no line stops the others. One that uses tools is told as text
alone (`collect.formats.turns`), and kept beside as it came. Does not know the record, nor other formats
(`collect.formats.table`).
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from collect.formats.own import Kept, read_kept
from collect.formats.talk import MAX_CONTENT_CHARS, Unfit
from collect.formats.turns import told, uses_tools
from nightschool.errors import InvalidInput
from nightschool.records import ChatMessage
from nightschool.text import PeoplesText

MAX_TOPIC_CHARS: Final = 200
NOTHING_TO_LEARN: Final = "every assistant message has weight 0, so there is nothing to learn"
ROLES: Final = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


class _Line(BaseModel):
    """OpenAI: `messages`. Hugging Face: `messages`, or `prompt` and `completion` as lists of messages."""

    model_config = ConfigDict(extra="ignore")

    messages: list["_Said"] = Field(default=[])
    prompt: list["_Said"] = Field(default=[])
    completion: list["_Said"] = Field(default=[])
    metadata: Any = None
    """Ours, in an export of ours."""
    topic: PeoplesText | None = Field(default=None, max_length=MAX_TOPIC_CHARS)
    """What it is about; anything but a text is passed over, like keys that are not known."""

    @field_validator("topic", mode="before")
    @classmethod
    def _named(cls, topic: Any) -> Any:
        return (topic.strip() or None) if isinstance(topic, str) else None


class _Said(BaseModel):
    model_config = ConfigDict(extra="ignore")

    role: str
    content: PeoplesText
    weight: int = Field(default=1, ge=0, le=1)

    @field_validator("content", mode="before")
    @classmethod
    def _joined(cls, content: Any) -> Any:
        """OpenAI also writes content as a list of text parts."""
        if isinstance(content, list) and all(isinstance(p, dict) and p.get("type") == "text" for p in content):
            return "".join(str(part.get("text", "")) for part in content)
        return content

    @field_validator("weight", mode="before")
    @classmethod
    def _weighed(cls, weight: Any) -> Any:
        """A table's empty cell is written as null."""
        return 1 if weight is None else weight


@dataclass(frozen=True, slots=True)
class ParsedConversation:
    line: int
    messages: tuple[ChatMessage, ...]
    kept: Kept | None = None
    """All else that the record knew, in an export of ours."""
    topic: str | None = None
    original_json: str | None = None
    """Tools, their calls and results: the row's `tools` and `messages`, where there are any."""


@dataclass(frozen=True, slots=True)
class BadLine:
    line: int
    """From 1; of an array the entry's number."""
    reason: str
    text: str = ""
    """Its beginning, so that it can be kept aside."""


def read_conversations(lines: Iterable[str | bytes]) -> Iterator[ParsedConversation | BadLine]:
    """What each line is; blank lines are passed over, and so are keys that are not known, such as an id."""
    for number, raw in enumerate(lines, start=1):
        try:
            text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        except UnicodeDecodeError:
            yield BadLine(number, "is not UTF-8")
            continue
        text = text.removeprefix("\ufeff") if number == 1 else text
        if text.strip():
            yield _parse(number, text)


def _parse(number: int, text: str) -> ParsedConversation | BadLine:
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:  # a ValueError of its own: a number of thousands of digits
        where = f" at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
        return BadLine(number, f"is not JSON{where}")
    if not isinstance(tree, dict):
        return BadLine(number, "is not a JSON object")
    return read_chat(number, tree)


def read_chat(number: int, tree: dict[str, Any]) -> ParsedConversation | BadLine:
    """A row with `messages`, or with `prompt` and `completion` as lists of messages."""
    if tree.get("tools") or uses_tools(tree.get("messages")):
        return _with_tools(number, tree)
    try:
        line = _Line.model_validate(tree)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        told = fault["msg"].lower().removeprefix("value error, ")
        # Pydantic would name our class.
        told = "should be an object" if fault["type"] == "model_type" else told
        return BadLine(number, f"{'.'.join(str(part) for part in fault['loc'])}: {told}")
    said = line.messages or [*line.prompt, *line.completion]
    try:
        kept = read_kept(line.metadata)
    except ValueError as error:
        return BadLine(number, str(error))
    if reason := _fault(said) if kept is None else _fault_of_ours(said, kept):
        return BadLine(number, reason)
    return ParsedConversation(
        number,
        tuple(ChatMessage(role=ROLES[s.role], content=s.content, weight=s.weight) for s in said),  # type: ignore[typeddict-item]
        kept=kept,
        topic=line.topic,
    )


def _with_tools(number: int, tree: dict[str, Any]) -> ParsedConversation | BadLine:
    try:
        turns = told(tree.get("messages"))
    except Unfit as fault:
        return BadLine(number, str(fault))
    except InvalidInput as fault:
        return BadLine(number, fault.problem)
    said = [_Said(role=turn.role, content=turn.content, weight=turn.weight) for turn in turns]
    if not said:
        return BadLine(number, "has no answer in words, only calls of tools")
    if (reason := _fault(said)) and reason != NOTHING_TO_LEARN:
        return BadLine(number, reason)
    original = {key: tree[key] for key in ("tools", "messages") if tree.get(key)}
    messages = tuple(ChatMessage(role=t.role, content=t.content, weight=t.weight) for t in turns)
    return ParsedConversation(number, messages, original_json=json.dumps(original))


def _fault(said: list[_Said]) -> str | None:
    """Why these messages are no conversation to learn from; None where they are."""
    if not said:
        return "has no messages (wanted: `messages`, or `prompt` and `completion` as lists of messages)"
    for message in said:
        if message.role not in ROLES:
            return f"unknown role {message.role[:40]!r} (known: {', '.join(ROLES)})"
        if not message.content.strip():
            return f"a {message.role} message is empty"
        if len(message.content) > MAX_CONTENT_CHARS:
            return f"a message has more than {MAX_CONTENT_CHARS} characters"
    roles = [ROLES[message.role] for message in said]
    turns = roles[1:] if roles[0] == "system" else roles
    if "system" in turns:
        return "a system message may only come first"
    if turns != ["user", "assistant"] * (len(turns) // 2) or not turns:
        return "roles must alternate user, assistant, and end with the assistant"
    if not any(message.weight for message in said if message.role == "assistant"):
        return NOTHING_TO_LEARN
    return None


def _fault_of_ours(said: list[_Said], kept: Kept) -> str | None:
    """Why an export's line is none; what a caller may say to us need not alternate."""
    if len(said) != len(kept.messages):
        return f"has {len(said)} messages, and a record of {len(kept.messages)}"
    return next((f"unknown role {message.role[:40]!r}" for message in said if message.role not in ROLES), None)
