"""Lines from outside: files as people make them, and numbers that point at the line."""

import json

import pytest

from collect.formats.read import BadLine, ParsedConversation, read_conversations

TALK = json.dumps({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]})


def outcome(raw: bytes) -> list[str]:
    return [
        f"{item.line}: {item.reason}" if isinstance(item, BadLine) else f"{item.line}: ok"
        for item in read_conversations(raw.splitlines())
    ]


@pytest.mark.parametrize(
    "raw",
    [
        f"{TALK}\n{TALK}\n".encode(),
        f"{TALK}\r\n{TALK}".encode(),
        f"\ufeff{TALK}\n{TALK}\n".encode(),
    ],
    ids=["unix", "windows", "byte order mark"],
)
def test_every_line_of_a_file_is_read(raw: bytes) -> None:
    assert outcome(raw) == ["1: ok", "2: ok"]


def test_numbers_count_lines_as_an_editor_does() -> None:
    raw = f"{TALK}\r\n\r\n{{\r\n{TALK}\r\n".encode() + b"\xff\n"
    assert outcome(raw) == ["1: ok", "3: is not JSON at character 2", "4: ok", "5: is not UTF-8"]


@pytest.mark.parametrize("line", ["9" * 5000, '{"messages": ' + "9" * 5000 + "}", "NaN", '"text"', "null"])
def test_json_that_is_no_conversation_stops_nothing(line: str) -> None:
    bad, good = read_conversations([line, TALK])
    assert isinstance(bad, BadLine)
    assert isinstance(good, ParsedConversation)


def test_a_hugging_face_line_is_read_from_prompt_to_completion() -> None:
    said = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello", "weight": 0},
        {"role": "user", "content": "And?"},
        {"role": "assistant", "content": "More."},
    ]
    line = json.dumps({"id": "7", "prompt": said[:4], "completion": said[4:]})
    [found] = read_conversations([line])
    assert isinstance(found, ParsedConversation)
    assert [(m["role"], m["content"], m.get("weight")) for m in found.messages] == [
        ("system", "Be kind.", 1),
        ("user", "Hi", 1),
        ("assistant", "Hello", 0),
        ("user", "And?", 1),
        ("assistant", "More.", 1),
    ]
