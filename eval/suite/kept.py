"""Replies that were given before, line by line in a file, so that no contestant is asked the same twice.

A line is written as soon as its reply is there; a last one that a crash tore is cut off, and its case asked again.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from eval.suite.case import Reply
from nightschool.errors import InvalidInput


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    key: str
    reply: Reply


class KeptReplies:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._replies = {line.key: line.reply for line in _read_lines(file)}

    def find(self, key: str) -> Reply | None:
        return self._replies.get(key)

    def keep(self, key: str, reply: Reply) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("ab") as file:
            file.write(_Line(key=key, reply=reply).model_dump_json().encode() + b"\n")
        self._replies[key] = reply


def _read_lines(file: Path) -> list[_Line]:
    if not file.exists():
        return []
    content = file.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        with file.open("r+b") as torn:
            torn.truncate(len(whole))
    try:
        return [_Line.model_validate_json(line) for line in whole.split(b"\n")[:-1]]
    except ValidationError as error:
        raise InvalidInput(
            "holds a line that is not a reply", subject=str(file), remedy="Delete it; its cases are asked again."
        ) from error
