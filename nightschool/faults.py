"""Say every fault of a settings tree at once: where it came from, which key, and how to mend it.

Used for `nightschool.toml` and the bots' files, which are both pydantic trees read from TOML. No secret is told: what
stands in a secret's place is not quoted, nor is what a URL has before an @ or behind a question mark.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import BaseModel, ValidationError

MAX_QUOTED_CHARS: Final = 80
MAX_QUOTED_BITS: Final = 64
SECRET_PARTS: Final = re.compile(r"[^\s'\"]*:[^\s'\"]*@|(?<=\?)[^\s'\"]+")
"""Of a URL."""
SAY_ALL: Final = frozenset({"no_section", "no_boolean"})
"""Faults that need no quotation."""


def describe_faults(error: ValidationError, origins: Mapping[str, str], *, model: type[BaseModel]) -> str:
    """One line for each fault of `error`; `origins` maps dotted keys to the file or variable that set them."""
    secrets = {key for key, annotation in _keys(model) if "SecretStr" in str(annotation)}
    lines = []
    for fault in error.errors(include_url=False):
        key = ".".join(str(part) for part in fault["loc"])
        origin = origins.get(key) or next((o for k, o in origins.items() if k.startswith(f"{key}.")), "default")
        told = fault["msg"].removeprefix("Value error, ")
        told = f"{told[0].lower()}{told[1:]}"
        if fault["type"] == "extra_forbidden":
            told = f"unknown key; {_advice(key, model)}"
        elif fault["type"] == "missing":
            told = "is missing; set it"
        elif key not in secrets and fault["type"] not in SAY_ALL and (quoted := _quoted(fault["input"])):
            told = f"{told}, but it is {quoted}"
        lines.append("  " + ": ".join(filter(None, (origin, key, told))))
    return f"{len(lines)} fault{'s' if len(lines) > 1 else ''}\n" + "\n".join(lines) + "\n"


def dotted_keys(model: type[BaseModel]) -> list[str]:
    """Every key of the tree, `section.key`."""
    return [key for key, _ in _keys(model)]


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _keys(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", inner


def _advice(key: str, model: type[BaseModel]) -> str:
    keys = dotted_keys(model)
    known = [(*key.rpartition("."), key) for key in {*keys, *(key.rpartition(".")[0] for key in keys)}]
    section, _, name = key.rpartition(".")
    beside = {other: full for place, _, other, full in known if place == section}
    anywhere = {other: full for _, _, other, full in known}
    for names, nearness in ((beside, 0.6), (anywhere, 0.8)):
        if close := difflib.get_close_matches(name, names, n=1, cutoff=nearness):
            return f"did you mean {names[close[0]]}?"
    return "remove it"


def _quoted(given: object) -> str | None:
    """What was given, where that helps and is not too long."""
    if isinstance(given, int) and given.bit_length() > MAX_QUOTED_BITS:
        return "a number of too many digits"
    if isinstance(given, list):
        return "a list"
    if isinstance(given, BaseModel | Mapping):
        return None
    text = SECRET_PARTS.sub("***", repr(given))
    return text if len(text) <= MAX_QUOTED_CHARS else f"{text[:MAX_QUOTED_CHARS]}..."
