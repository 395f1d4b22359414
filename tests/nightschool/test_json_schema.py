"""A caller's schema is looked at before anything walks down it."""

from typing import Any

import pytest

from nightschool.json_schema import MAX_DEPTH, check_schema


def nested(keyword: str, depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth - 1):
        schema = {keyword: schema}
    return schema


@pytest.mark.parametrize("keyword", ["not", "items", "additionalProperties"])
def test_it_may_be_so_deep_and_no_deeper(keyword: str) -> None:
    check_schema(nested(keyword, MAX_DEPTH), max_chars=10_000)
    with pytest.raises(ValueError, match="levels deep"):
        check_schema(nested(keyword, MAX_DEPTH + 1), max_chars=10_000)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "thing"}, "is no JSON Schema"),
        ({"enum": [[[[]]]], "required": 7}, "is no JSON Schema"),
        ({"title": "x" * 100}, "is longer than 99 characters"),
        ({"enum": [nested("a", 190)]}, "levels deep"),
    ],
)
def test_what_is_none_is_refused(schema: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_schema(schema, max_chars=99)
