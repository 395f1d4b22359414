"""A caller's JSON Schema: is it one, and small and flat enough to be worked with?

A schema may hold itself as deep as its JSON is; what walks down it would find its end, or the interpreter's. Does not
know which of its keywords are served, nor by whom.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

MAX_DEPTH: Final = 40
"""Lists and objects within one another: about twenty objects' properties."""


def check_schema(schema: Mapping[str, Any], *, max_chars: int | None = None) -> None:
    """Raises ValueError where it is none, is longer than that as JSON, or deeper than `MAX_DEPTH`."""
    # Imported here: the server starts without it.
    from jsonschema import SchemaError  # noqa: PLC0415
    from jsonschema.validators import Draft202012Validator  # noqa: PLC0415

    if _depth(schema) > MAX_DEPTH:
        raise ValueError(f"is more than {MAX_DEPTH} levels deep")
    if max_chars is not None and len(json.dumps(schema)) > max_chars:
        raise ValueError(f"is longer than {max_chars} characters")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"is no JSON Schema ({error.message[:120]})") from error


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level := [one for one in level if isinstance(one, dict | list)]:
        depth += 1
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    return depth
