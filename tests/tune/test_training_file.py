import io
import json
from typing import Any

import pytest

from nightschool.errors import InvalidFile
from tune.select import Lesson, Pair, Rated
from tune.training_file import Checked, Fault, Line, check_file, read_lines
from tune.training_lines import Format

USER = {"role": "user", "content": "Where is my parcel?"}
SAID = {"role": "assistant", "content": "On its way."}
CHAT = {"messages": [USER, SAID]}
PREFERENCE = {
    "input": {"messages": [USER]},
    "preferred_output": [SAID],
    "non_preferred_output": [{**SAID, "content": "No."}],
}
OTHER_SPELLING = {key.replace("output", "completion"): value for key, value in PREFERENCE.items()}
COMPLETION = {"prompt": "Where?", "completion": "There."}
TOOL = {"type": "function", "function": {"name": "track", "parameters": {"type": "object"}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "track", "arguments": '{"id": 7}'}}


def lines(*rows: Any) -> bytes:
    return b"".join(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows)


def check(content: bytes, context_tokens: int = 2048) -> Checked:
    return check_file(io.BytesIO(content), subject="file", context_tokens=context_tokens, count=len)


def taught(row: Any) -> Any:
    [(_, line)] = read_lines(io.BytesIO(lines(row)))
    assert isinstance(line, Line), line
    return line.taught


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (CHAT, Format.CHAT),
        (PREFERENCE, Format.PREFERENCE),
        (OTHER_SPELLING, Format.PREFERENCE),
        (COMPLETION, Format.COMPLETION),
        ({**COMPLETION, "label": True}, Format.LABELLED),
    ],
)  # fmt: skip
def test_each_format_is_known_by_its_lines(row: dict[str, Any], kind: Format) -> None:
    found = check(lines(row, row, b"\n"))
    assert (found.format, found.rows) == (kind, 2)
    assert 0 < found.trained_tokens < found.tokens


def test_a_fault_is_told_with_its_line_however_long_the_file() -> None:
    rows: list[Any] = [CHAT] * 500
    rows[36] = {"messages": [USER, {"role": "robot", "content": "hi"}]}
    rows[40] = b"{\n"
    with pytest.raises(InvalidFile, match=r"^file, line 37: messages\[1\]\.role: .*and 1 more, in line 41"):
        check(lines(*rows))


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (b"\xff\xfe{}\n", "is not UTF-8"),
        (b"[1]\n", "is not a JSON object"),
        (b'{"messages": NaN}\n', "is not a JSON object"),
        (b"[" * 100_000 + b"\n", "is not a JSON object"),
        (b'{"messages": "' + b"x" * 4_000_000 + b'"}\n', "is longer than"),
        ({}, "neither messages"),
        ({"messages": []}, "messages: "),
        ({"messages": [SAID, USER]}, "last message must be the assistant's"),
        ({"messages": [USER, {**SAID, "weight": 0}]}, "nothing would be learnt"),
        ({"messages": [{**USER, "weight": 1}, SAID]}, "only an assistant's"),
        ({"messages": [USER, {**SAID, "weight": 2}]}, r"messages\[1\]\.weight"),
        ({"messages": [USER, {**SAID, "content": None}]}, "has no content"),
        ({"messages": [USER, {**SAID, "content": "  "}]}, "must say something"),
        ({"messages": [{"role": "tool", "content": "7"}, SAID]}, "tool_call_id"),
        ({**CHAT, "mesages": 1}, "mesages: is not a field here"),
        ({"prompt": "p"}, "completion: is missing"),
        ({**PREFERENCE, "non_preferred_output": [SAID]}, "both answers are the same"),
        ({**PREFERENCE, "preferred_output": []}, "preferred_output"),
        (b'{"prompt": "a\\ud800", "completion": "b"}\n', "line 1: is not a JSON object"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(row: Any, problem: str) -> None:
    with pytest.raises(InvalidFile, match=problem):
        check(lines(row))


def test_a_file_has_one_format() -> None:
    with pytest.raises(InvalidFile, match="line 2: is a completion where the lines before are chats"):
        check(lines(CHAT, COMPLETION))


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidFile, match="holds no row"):
        check(content)


def test_a_file_of_rows_that_are_all_too_long_is_refused() -> None:
    long = {"messages": [USER, {**SAID, "content": "x" * 3000}]}
    with pytest.raises(InvalidFile, match="fits the context of 2048 tokens"):
        check(lines(long, long))
    assert check(lines(long, CHAT)).rows == 2
    # Only its oldest turns would be lost.
    assert check(lines({"messages": [{**USER, "content": "x" * 3000}, SAID, USER, SAID]})).rows == 1


def test_tokens_of_many_rows_are_estimated_from_the_first() -> None:
    one, many = check(lines(CHAT)), check(lines(*[CHAT] * 1000))
    assert many.tokens == pytest.approx(1000 * one.tokens, rel=0.01)
    assert one.trained_tokens == len("On its way.") + 1


def test_a_chat_keeps_weights_tools_and_calls() -> None:
    row = taught(
        {
            "messages": [
                {"role": "developer", "content": [{"type": "text", "text": "Be"}, {"type": "text", "text": "kind."}]},
                USER,
                {"role": "assistant", "content": None, "tool_calls": [CALL], "weight": 0},
                {"role": "tool", "tool_call_id": "c1", "content": "Leipzig"},
                SAID,
            ],
            "tools": [TOOL],
        }
    )
    assert isinstance(row, Lesson)
    assert [message["role"] for message in row.messages] == ["system", "user", "assistant", "user", "assistant"]
    assert row.messages[0]["content"].startswith("Be\nkind.\n\nTools that may be called")
    assert '"name": "track"' in row.messages[0]["content"]
    assert row.messages[2] == {
        "role": "assistant",
        "content": '{"name": "track", "arguments": "{\\"id\\": 7}"}',
        "weight": 0,
    }


def test_answers_are_compared_and_rated() -> None:
    pair, rated = taught(PREFERENCE), taught({**COMPLETION, "label": False})
    assert isinstance(pair, Pair)
    assert (pair.chosen, pair.rejected) == ("On its way.", "No.")
    assert isinstance(rated, Rated)
    assert (rated.answer, rated.is_good) == ("There.", False)


def test_lines_behind_a_fault_are_read_on() -> None:
    found = list(read_lines(io.BytesIO(lines(b"{\n", CHAT, COMPLETION, CHAT))))
    assert [isinstance(line, Fault) for _, line in found] == [True, False, True, False]
