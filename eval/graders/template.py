"""Templates of graders and prompts: `{{item.question}}` and `{{sample.output_text}}` filled in from one row.

A path goes through objects by name and through lists by number (`item.input.0.content`). What is no text is written as
JSON. Pure.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

ROOTS: Final = ("item", "sample")
MAX_CHARS: Final = 200_000
"""Of a filled template: a short one may name a long text many times."""
_HOLE: Final = re.compile(r"\{\{([^{}]{1,200})\}\}")
_INDEX: Final = re.compile(r"\[(\d{1,6})\]")


class Ungraded(Exception):
    """A row on which a grader can say nothing, in words."""


def check_template(text: str) -> str:
    """The template. Raises ValueError where it names anything but item and sample."""
    for path in paths_of(text):
        if path.split(".")[0] not in ROOTS:
            raise ValueError(f"names {path[:60]!r}, and only item and sample are there")
    return text


def paths_of(text: str) -> list[str]:
    return [_path(hole) for hole in _HOLE.findall(text)]


def fill(text: str, values: Mapping[str, Any]) -> str:
    """Raises Ungraded where a value is missing, or the text would be longer than `MAX_CHARS`."""
    filled, size = [], 0
    for piece in _pieces(text, values):
        size += len(piece)
        if size > MAX_CHARS:
            raise Ungraded(f"a template is longer than {MAX_CHARS} characters once it is filled")
        filled.append(piece)
    return "".join(filled)


def look_up(path: str, values: Mapping[str, Any]) -> Any:
    """Raises Ungraded where nothing is there."""
    found: Any = values
    for name in path.split("."):
        match found:
            case {**inner} if name in inner:
                found = inner[name]
            case [*inner] if name.isascii() and name.isdecimal() and len(name) < 7 and int(name) < len(inner):
                found = inner[int(name)]
            case _:
                raise Ungraded(f"{path[:80]} is not there")
    return found


def _pieces(text: str, values: Mapping[str, Any]) -> Iterator[str]:
    end = 0
    for hole in _HOLE.finditer(text):
        yield text[end : hole.start()]
        value = look_up(_path(hole[1]), values)
        yield value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        end = hole.end()
    yield text[end:]


def _path(hole: str) -> str:
    return _INDEX.sub(r".\1", hole.strip())
