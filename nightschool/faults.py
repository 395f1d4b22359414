"""Say every fault of a settings tree at once: where it came from, which key, and how to mend it.

Used for `nightschool.toml` and the bots' files, which are both pydantic trees read from TOML.
"""

import difflib
from collections.abc import Mapping

from pydantic import BaseModel, ValidationError


def describe_faults(error: ValidationError, origins: Mapping[str, str], *, model: type[BaseModel]) -> str:
    """One line for each fault of `error`; `origins` maps dotted keys to the file or variable that set them."""
    lines = []
    for fault in error.errors(include_url=False):
        key = ".".join(str(part) for part in fault["loc"])
        origin = origins.get(key) or next((o for k, o in origins.items() if k.startswith(f"{key}.")), "default")
        lines.append(f"  {origin}: {key}: {_remedy(key, fault['type'], fault['msg'], fault['input'], model)}")
    return f"{len(lines)} fault{'s' if len(lines) > 1 else ''}\n" + "\n".join(lines) + "\n"


def dotted_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Every key of the tree, `section.key`."""
    keys = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            keys += dotted_keys(inner, f"{prefix}{name}.")
        else:
            keys.append(f"{prefix}{name}")
    return keys


def _remedy(key: str, kind: str, message: str, given: object, model: type[BaseModel]) -> str:
    if kind == "extra_forbidden":
        close = difflib.get_close_matches(key, dotted_keys(model), n=1)
        return f"unknown key{f'; did you mean {close[0]}?' if close else '; remove it'}"
    if kind == "missing":
        return "is missing; set it"
    return f"{message[0].lower()}{message[1:]}, but it is {given!r}"
