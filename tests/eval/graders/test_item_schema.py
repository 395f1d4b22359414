"""Which items a schema lets through, and which schemas are taken."""

from typing import Any

import pytest

from eval.graders.item_schema import check_of

SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "A question",
    "properties": {
        "q": {"type": "string", "minLength": 1},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
        "pattern": {"type": "string"},
    },
    "required": ["q"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("item", "fault"),
    [
        ({"q": "x", "tags": ["a"], "pattern": "y"}, None),
        ({}, "item: 'q' is a required property"),
        ({"q": 1}, "item.q: 1 is not of type 'string'"),
        ({"q": "x", "tags": ["a", "z"]}, "item.tags[1]: 'z' is not one of"),
        ({"q": "x", "more": 1}, "item: Additional properties are not allowed"),
    ],
)
def test_an_item_is_checked(item: dict[str, Any], fault: str | None) -> None:
    found = check_of(SCHEMA)(item)
    assert found is None if fault is None else (found or "").startswith(fault)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "thing"},
        {"properties": 1},
        {"pattern": "(a+)+$"},
        {"properties": {"a": {"$ref": "http://127.0.0.1/"}}},
        {"anyOf": [{"patternProperties": {"x": {}}}]},
        {"items": {"not": {"uniqueItems": True}}},
        {"additionalProperties": {"$dynamicRef": "#x"}},
        {"description": "x" * 70_000},
    ],
)
def test_a_schema_that_could_keep_a_server_busy_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"is no JSON Schema|is not checked here|is longer than"):
        check_of(schema)
