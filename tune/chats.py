"""Read the chats of files that a bot's file names: JSON Lines, a chat a line as `{"messages": [...]}`.

Roles are system, user and assistant; whatever else a line holds is none of our business. Does not know what the chats
are for.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nightschool.errors import InvalidInput
from nightschool.records import ChatMessage

Chat = tuple[ChatMessage, ...]
FORM: Final = 'one chat a line, {"messages": [{"role": "user", "content": "..."}, ...]}'


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    role: Literal["system", "user", "assistant"]
    content: str


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    messages: tuple[_Message, ...] = Field(min_length=1)


def read_chats(place: Path, *, key: str) -> Iterator[Chat]:
    """The chats of a file, or of every `*.jsonl` below a folder, in order of their names; `key` is what named it.

    Raises InvalidInput, which names the line, also where there is none.
    """
    files = sorted(place.rglob("*.jsonl")) if place.is_dir() else [place]
    count = 0
    for file in files:
        for chat in _read(file, key=key):
            count += 1
            yield chat
    if not count:
        raise InvalidInput("holds no chats", subject=str(place), remedy=f"Name in {key} a file with {FORM}.")


def _read(file: Path, *, key: str) -> Iterator[Chat]:
    try:
        with file.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _chat(line, subject=f"{file}, line {number}")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InvalidInput(
            f"cannot be read ({why})", subject=str(file), remedy=f"Name in {key} a file with {FORM}."
        ) from error


def _chat(line: str, *, subject: str) -> Chat:
    try:
        parsed = _Line.model_validate_json(line)
    except ValidationError as error:
        raise InvalidInput(
            f"is no chat ({error.errors(include_url=False)[0]['msg']})", subject=subject, remedy=f"Write {FORM}."
        ) from error
    return tuple(ChatMessage(role=message.role, content=message.content) for message in parsed.messages)
