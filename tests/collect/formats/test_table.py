"""Every format by a small row of its form, every container, and what fits none."""

import codecs
import contextlib
import gzip
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collect.formats.read import BadLine, ParsedConversation
from collect.formats.table import FORMATS, LOOKED_AT, NAMES, Parsed, read_file
from collect.formats.talk import Measure, ParsedNote, ParsedTree
from nightschool.errors import InvalidInput
from nightschool.records import Vote

MAX = 1_000_000
ASKED = {"role": "user", "content": "May I pay by card?"}
GOOD = {"role": "assistant", "content": "Yes, by any."}
BAD = {"role": "assistant", "content": "No."}
CHAT: dict[str, Any] = {
    "id": "c1", "user_id": "u1", "title": "Cards", "created_at": 1_760_000_000,
    "chat": {"history": {"messages": {
        "b": {"id": "b", "parentId": "a", "role": "assistant", "content": "No.", "timestamp": 1_760_000_001},
        "a": {"id": "a", "parentId": None, "role": "user", "content": "May I pay by card?"},
    }}},
}  # fmt: skip
RATED = {"data": {"rating": -1, "reason": "wrong", "comment": "you can"}, "meta": {"message_id": "b"}, "user_id": "u2"}
TOLD = json.dumps([{"type": "text", "text": "Yes, by any."}])
TO_TENSORZERO = json.dumps({"system": "Be kind.", "messages": [{"role": "user", "content": [
    {"type": "text", "value": {"topic": "cards"}}]}]})  # fmt: skip
TRACE = {"id": "t1", "timestamp": "2026-03-01T00:00:00Z", "input": json.dumps(json.dumps({"prompt": "Cards?"})),
         "output": "Yes.", "scores": [{"name": "user-feedback", "source": "API", "value": 1, "dataType": "NUMERIC"},
                                      {"name": "toxicity", "source": "EVAL", "value": 0, "dataType": "NUMERIC"}],
         "corrections": [{"dataType": "CORRECTION", "longStringValue": "Yes, by any.", "authorUserId": "eve"}],
         }  # fmt: skip
ROWS: list[tuple[str, dict[str, Any]]] = [
    ("openai-preference", {"input": {"messages": [ASKED]}, "preferred_output": [GOOD], "non_preferred_output": [BAD]}),
    ("openai-preference", {"input": {"messages": [ASKED]}, "preferred_completion": [GOOD],
                           "non_preferred_completion": [BAD]}),
    ("preference", {"prompt": [ASKED], "chosen": [GOOD], "rejected": [BAD]}),
    ("preference", {"prompt": "Cards?", "chosen": "Yes.", "rejected": "No."}),
    ("preference", {"chosen": [ASKED, GOOD], "rejected": [ASKED, BAD]}),
    ("preference", {"instruction": "Cards?", "input": "", "chosen": "Yes.", "rejected": "No."}),
    ("preference", {"conversations": [{"from": "human", "value": "Cards?"}], "chosen": {"from": "gpt", "value": "Yes."},
                    "rejected": {"from": "gpt", "value": "No."}}),
    ("kto", {"prompt": [ASKED], "completion": [GOOD], "label": True}),
    ("kto", {"prompt": "Cards?", "completion": "No.", "label": False}),
    ("kto", {"messages": [ASKED, BAD], "label": False}),
    ("kto", {"instruction": "Cards?", "output": "No.", "kto_tag": False}),
    ("openwebui-chat", CHAT),
    ("openwebui-feedback", RATED | {"snapshot": {"chat": CHAT}}),
    ("openwebui-feedback", RATED),
    ("langfuse-trace", {"trace": TRACE, "observations": []}),
    ("langfuse-trace", TRACE),
    ("langfuse-score", {"traceId": "t1", "name": "helpful", "source": "ANNOTATION", "value": 0, "dataType": "BOOLEAN"}),
    ("tensorzero-inference", {"id": "i1", "function_name": "f", "episode_id": "e1", "input": TO_TENSORZERO,
                              "output": TOLD}),
    ("tensorzero-datapoint", {"dataset_name": "d", "function_name": "f", "input": TO_TENSORZERO, "output": TOLD}),
    ("tensorzero-feedback", {"target_id": "i1", "metric_name": "solved", "value": True}),
    ("tensorzero-feedback", {"target_id": "i1", "metric_name": "score", "value": 0.5}),
    ("tensorzero-feedback", {"target_id": "e1", "id": "f1", "value": "a comment"}),
    ("tensorzero-feedback", {"inference_id": "i1", "value": TOLD}),
    ("openai-chat", {"messages": [ASKED, GOOD]}),
    ("prompt-completion", {"prompt": "Cards?", "completion": "Yes."}),
    ("prompt-completion", {"prompt": [ASKED], "completion": [GOOD]}),
    ("sharegpt", {"system": "Be kind.", "conversations": [{"from": "human", "value": "Cards?"},
                                                          {"from": "gpt", "value": "Yes."}]}),
    ("alpaca", {"instruction": "Cards?", "input": "Quickly.", "output": "Yes.", "history": [["Hi", "Hello"]]}),
    ("question-answer", {"question": "Cards?", "answer": "Yes."}),
]  # fmt: skip


def read(raw: bytes, *, name: str | None = None, max_bytes: int = MAX) -> tuple[list[Parsed | BadLine], list[str]]:
    names: list[str] = []
    found = list(read_file(io.BytesIO(raw), max_bytes=max_bytes, name=name, on_read=names.append))
    return found, names


def one(row: dict[str, Any]) -> Parsed:
    [found], _ = read(json.dumps(row).encode())
    assert not isinstance(found, BadLine), found
    return found


def votes(tree: Parsed) -> list[tuple[str, Vote]]:
    assert isinstance(tree, ParsedTree)
    return [(said.content, voice.vote) for said in tree.messages for voice in said.voices]


@pytest.mark.parametrize(("name", "row"), ROWS, ids=[f"{n}-{name}" for n, (name, _) in enumerate(ROWS)])
def test_a_row_of_every_form_is_known_and_read(name: str, row: dict[str, Any]) -> None:
    found, names = read(json.dumps(row).encode())
    assert names == [name], found
    assert read(json.dumps(row).encode(), name=name)[0] == found


def test_every_format_has_a_row_here() -> None:
    assert {name for name, _ in ROWS} == set(NAMES)
    assert len({each.read for each in FORMATS}) == len(NAMES)


def test_pairs_come_in_as_votes_on_two_answers_to_one_question() -> None:
    for name, row in ROWS:
        if "preference" in name:
            tree = one(row)
            assert [vote for _, vote in votes(tree)] == [Vote.UP, Vote.DOWN]
            assert isinstance(tree, ParsedTree)
            better, worse = tree.messages[-2:]
            assert (better.parent_id, better.weight, worse.weight) == (worse.parent_id, 1, 0)


def test_votes_reasons_and_corrections_of_others() -> None:
    rated = one(RATED | {"snapshot": {"chat": CHAT}})
    assert votes(rated) == [("No.", Vote.DOWN)]
    assert isinstance(rated, ParsedTree)
    [voice] = rated.messages[-1].voices
    assert (voice.voter, voice.reasons, voice.comment) == ("openwebui:u2", ("wrong",), "you can")
    trace = one(TRACE)
    assert votes(trace) == [("Yes.", Vote.UP)]
    assert isinstance(trace, ParsedTree)
    assert [(said.role, said.content) for said in trace.messages] == [("user", "Cards?"), ("assistant", "Yes.")]
    assert trace.messages[-1].correction is not None
    assert (trace.messages[-1].correction.reviewer, trace.messages[-1].correction.text) == (
        "langfuse:eve", "Yes, by any.")  # fmt: skip
    solved, score, comment, shown = (one(row) for name, row in ROWS if name == "tensorzero-feedback")
    assert all(isinstance(note, ParsedNote) for note in (solved, score, comment, shown))
    assert [note.voice and note.voice.vote for note in (solved, score, comment)] == [Vote.UP, None, Vote.NONE]  # type: ignore[union-attr]
    assert score.measure == Measure("tensorzero:score", "score", 0.5)  # type: ignore[union-attr]
    assert shown.correction is not None  # type: ignore[union-attr]
    assert shown.correction.text == "Yes, by any."  # type: ignore[union-attr]


def test_tools_are_kept_and_told_as_text() -> None:
    call = {"role": "assistant", "tool_calls": [{"function": {"name": "look", "arguments": "{}"}}]}
    row = {"tools": [{"type": "function"}], "messages": [
        {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello. Your order?"},
        {"role": "user", "content": "7"}, call, {"role": "tool", "content": "sent"},
        {"role": "assistant", "content": "It was sent."}, {"role": "user", "content": "And 8?"}, call]}  # fmt: skip
    found = one(row)
    assert isinstance(found, ParsedConversation)
    assert [(m["content"], m.get("weight")) for m in found.messages] == [
        ("Hi", 1), ("Hello. Your order?", 1), ("7", 1), ("It was sent.", 0)]  # fmt: skip
    assert json.loads(found.original_json or "") == row


LINES = "".join(
    f"{json.dumps({'messages': [ASKED | {'content': f'ü {n}'}, GOOD]}, ensure_ascii=False)}\r\n" for n in "ab"
)
WAYS = {
    "jsonl": LINES.encode(),
    "byte order mark": codecs.BOM_UTF8 + LINES.encode(),
    "utf-16": LINES.encode("utf-16"),
    "gzip": gzip.compress(LINES.encode()),
    "array": json.dumps([json.loads(line) for line in LINES.splitlines()], indent=1).encode(),
    "utf-16 array, packed": gzip.compress(f"[{','.join(LINES.splitlines())}]".encode("utf-16")),
    "data": json.dumps({"data": [json.loads(line) for line in LINES.splitlines()], "meta": {}}, indent=1).encode(),
    "csv": "\ufeffFrage;Antwort;Thema\r\n\"ü a\";\"Yes,\nby any.\";pay\r\n\r\nü b;Yes.;\r\n".encode(),
    "markdown": "# FAQ\n\n## ü a\n\nYes.\n\n- by any\n\n## ü b\n\nYes.\n".encode(),
    "html": "<html><body><h1>FAQ</h1><h2>ü a</h2><p>Yes.</p><h2>ü b</h2><p>No.</p></body></html>".encode(),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_containers_and_encodings(way: str) -> None:
    found, _ = read(WAYS[way])
    assert [item.messages[0]["content"] for item in found if isinstance(item, ParsedConversation)] == ["ü a", "ü b"], (
        found
    )


def test_a_sheet_and_a_parquet_file() -> None:
    book, sheet = openpyxl.Workbook(), io.BytesIO()
    for cells in (("Question", "Answer"), ("Cards?", "Yes."), ("Half?",)):
        book.active.append(cells)  # type: ignore[union-attr]
    book.save(sheet)
    good, bad = read(sheet.getvalue())[0]
    assert isinstance(good, ParsedConversation)
    assert isinstance(bad, BadLine)
    rows = io.BytesIO()
    pq.write_table(pa.table({"prompt": ["Cards?"], "completion": ["Yes."]}), rows)
    assert read(rows.getvalue())[1] == ["prompt-completion"]


def test_one_line_tells_of_a_file_that_fits_nothing() -> None:
    rows = b'{"instruction": "a", "x": 1}\n' * (3 * LOOKED_AT)
    [told], _ = read(rows)
    assert told == BadLine(
        1, "fits no format; the nearest is alpaca, which also has output", rows.splitlines()[0].decode()
    )
    [told], _ = read(b'{"x": 1}')
    assert isinstance(told, BadLine)
    assert told.reason.startswith("fits no format; known are openai-preference, ")
    after = json.dumps({"messages": [ASKED, GOOD]}).encode() + b"\n" + rows
    assert len(read(after)[0]) == 1 + 3 * LOOKED_AT


def test_bad_rows_are_told_by_number_and_stop_nothing() -> None:
    good = json.dumps({"prompt": "Cards?", "completion": "Yes."})
    half = json.dumps({"prompt": "Cards?", "completion": "\ud83d"})
    raw = "\n".join([good, "{", half, json.dumps({"prompt": "", "completion": "x"}), good]).encode() + b"\n\xff\n"
    found, _ = read(raw)
    told = [(item.line, item.reason) for item in found if isinstance(item, BadLine)]
    assert [line for line, _ in told] == [2, 3, 4, 6]
    assert [reason for _, reason in told][1:] == [
        "holds half of a surrogate pair, which is no character", "prompt is empty", "is not UTF-8"]  # fmt: skip


def test_a_bomb_and_a_cut_archive_are_refused() -> None:
    with pytest.raises(InvalidInput, match="too large when unpacked"):
        read(gzip.compress(b" " * 5_000_000), max_bytes=100_000)
    packed = gzip.compress(LINES.encode() * 100)
    with pytest.raises(InvalidInput, match="damaged gzip"):
        read(packed[: len(packed) // 2])
    sheet = io.BytesIO()
    with zipfile.ZipFile(sheet, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"0" * 20_000_000)
    with pytest.raises(InvalidInput, match="no Excel file"):
        read(sheet.getvalue())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = sorted({name for each in FORMATS for key in each.keys for name in key.split("|")})


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from([*KEYS, "role", "content", "history", "snapshot", "scores"]), JSON, max_size=7))
def test_no_row_raises(row: dict[str, Any]) -> None:
    read(json.dumps(row).encode())


@settings(max_examples=40)
@given(st.sampled_from(ROWS), st.data())
def test_no_row_with_a_part_exchanged_raises(given_: tuple[str, dict[str, Any]], data: st.DataObject) -> None:
    row = dict(given_[1])
    row[data.draw(st.sampled_from(sorted(row)))] = data.draw(JSON)
    read(json.dumps(row).encode())


@settings(max_examples=40)
@given(st.sampled_from([b"", b"[", b"{", b"\x1f\x8b", b"PK\x03\x04", b"PAR1", b"<", b"# a\n", b"question,answer\n",
                        codecs.BOM_UTF16_LE, b'[{"a":', b'{\n"a":']), st.binary(max_size=200))  # fmt: skip
def test_no_bytes_raise_but_as_bad_input(begin: bytes, rest: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        found, _ = read(begin + rest)
        assert all(one.reason for one in found if isinstance(one, BadLine))


def test_the_page_names_every_format() -> None:
    page = (Path(__file__).parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")
    page = page.partition("# What can be exported")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE) == sorted(
        NAMES, key=lambda name: page.index(f"| `{name}`")
    )
    assert f"first {LOOKED_AT} rows" in page
