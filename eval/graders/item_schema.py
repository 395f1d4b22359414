"""Does an item look as its eval says? By JSON Schema, without what strangers could keep a server busy with.

`pattern`, `uniqueItems` and references are refused by name: their time has no bound. Does not know where items lie.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from nightschool.json_schema import check_schema

MAX_CHARS: Final = 64_000
KEYWORDS: Final = (
    "type", "enum", "const", "properties", "required", "additionalProperties", "minProperties", "maxProperties",
    "items", "minItems", "maxItems", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum", "anyOf", "oneOf", "allOf", "not",
)  # fmt: skip
TELLING: Final = frozenset(
    {"$schema", "$comment", "title", "description", "default", "examples", "format", "deprecated"}
)
"""Say something about an item and ask nothing of it."""

Check = Callable[[Mapping[str, Any]], str | None]
"""What is wrong with an item; None where nothing is."""


def check_of(schema: Mapping[str, Any]) -> Check:
    """Raises ValueError where it is no schema, or has keywords that are not checked here."""
    # Imported here: the server starts without it.
    from jsonschema.validators import Draft202012Validator  # noqa: PLC0415

    check_schema(schema, max_chars=MAX_CHARS)
    _refuse_others(schema)
    validator = Draft202012Validator(schema)

    def check(item: Mapping[str, Any]) -> str | None:
        fault = next(validator.iter_errors(item), None)
        return None if fault is None else f"{fault.json_path.replace('$', 'item', 1)}: {fault.message[:200]}"

    return check


def _refuse_others(schema: Any) -> None:
    """A schema in a schema stands under a keyword, or under a property's name."""
    if not isinstance(schema, Mapping):
        return
    for keyword, value in schema.items():
        if keyword not in KEYWORDS and keyword not in TELLING:
            raise ValueError(f"holds {keyword[:60]!r}, which is not checked here")
        match keyword, value:
            case "properties", {**inner}:
                for one in inner.values():
                    _refuse_others(one)
            case (("anyOf" | "oneOf" | "allOf"), [*inner]):
                for one in inner:
                    _refuse_others(one)
            case (("items" | "additionalProperties" | "not"), one):
                _refuse_others(one)
