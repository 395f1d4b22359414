"""Faults of a request in OpenAI's words: which parameter, what is wrong with it, and OpenAI's code for that.

Turns what pydantic found into an error of ours. Does not know HTTP.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from nightschool.errors import InvalidInput

REMEDY: Final = "docs/api.md explains every parameter."
MAX_QUOTED_CHARS: Final = 80
CODES: Final[Mapping[str, str]] = {
    "missing": "missing_required_parameter",
    "extra_forbidden": "unknown_parameter",
    "unsupported": "unsupported_parameter",
    "json_invalid": "invalid_json",
}
"""By pydantic's word for the fault; `..._type` is `invalid_type`, the rest `invalid_value`."""


class BadParameter(InvalidInput):
    """A parameter that cannot be served. `openai_code` is OpenAI's word for why."""

    def __init__(self, problem: str, *, param: str | None, openai_code: str, remedy: str = REMEDY) -> None:
        super().__init__(problem, subject=param or "body", remedy=remedy, param=param)
        self.openai_code = openai_code


class BodyTooLarge(InvalidInput):
    status, code = 413, "request_too_large"


def invalid_request(faults: Sequence[Mapping[str, Any]]) -> BadParameter:
    """The first of pydantic's faults; the others are counted."""
    fault = faults[0]
    kind = str(fault["type"])
    message = str(fault["msg"]).removeprefix("Value error, ")
    problem = message[:1].lower() + message[1:]
    if kind not in {"missing", "json_invalid", "extra_forbidden"} and isinstance(fault["input"], str | int | float):
        problem += f", but it is {_quote(fault['input'])}"
    if len(faults) > 1:
        problem += f" (and {len(faults) - 1} more)"
    fallback = "invalid_type" if kind.endswith("_type") else "invalid_value"
    return BadParameter(problem, param=param_name(fault["loc"]), openai_code=CODES.get(kind, fallback))


def param_name(location: Sequence[str | int]) -> str | None:
    """`messages[0].content` of ("messages", 0, "content")."""
    name = ""
    for part in location:
        name += f"[{part}]" if isinstance(part, int) else f".{part}"
    return name.removeprefix(".") or None


def _quote(given: object) -> str:
    text = repr(given)
    return text if len(text) <= MAX_QUOTED_CHARS else f"{text[:MAX_QUOTED_CHARS]}..."
