"""What other programmes recorded, in the record: once, with its votes, and taught as what it is."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from collect.formats.read import BadLine
from collect.formats.table import read_file
from collect.imports import Imported, import_conversations
from collect.reviews import record_review
from collect.snapshot import write_snapshot
from collect.store import Cursor
from nightschool.records import BotName, Review
from tests.collect.formats.test_table import ASKED, BAD, CHAT, GOOD, RATED, ROWS, TRACE
from tune.dataset import build_dataset

from ..tables import read_table

BOT = BotName("support")
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
PUBLIC = Path(__file__).parents[3] / "shared" / "data" / "import_formats"


def take_in(cursor: Cursor, *rows: dict[str, Any], bot: BotName = BOT, **more: Any) -> Imported:
    return take_in_raw(cursor, "".join(f"{json.dumps(row)}\n" for row in rows).encode(), bot=bot, **more)[0]


def take_in_raw(
    cursor: Cursor, raw: bytes, *, bot: BotName = BOT, held_out: bool | None = None, at: datetime = AT
) -> tuple[Imported, list[BadLine]]:
    found = list(read_file(io.BytesIO(raw), max_bytes=100_000_000))
    bad = [item for item in found if isinstance(item, BadLine)]
    good = [item for item in found if not isinstance(item, BadLine)]
    return import_conversations(cursor, bot=bot, conversations=good, is_held_out=held_out, at=at), bad


def stored(cursor: Cursor) -> list[tuple[Any, ...]]:
    tables = ("conversations", "messages", "feedback", "reviews", "scores")
    return [row for name in tables for row in cursor.execute(f"select * from {name} order by all").fetchall()]


def votes(cursor: Cursor) -> list[tuple[str, str]]:
    return cursor.execute(
        "select content, vote from feedback join messages using (message_id) where vote <> 'none' order by all"
    ).fetchall()


def test_importing_again_adds_nothing_but_a_changed_mark_counts(cursor: Cursor) -> None:
    rows = [row for _, row in ROWS]
    first = take_in(cursor, *rows)
    assert first.imported > 12
    assert first.votes > 10
    before = stored(cursor)
    again = take_in(cursor, *rows, at=AT + timedelta(days=1))
    assert (again.imported, again.votes, again.corrections, again.lost) == (0, 0, 0, first.lost)
    assert stored(cursor) == before
    assert take_in(cursor, *rows, held_out=True).moved == first.imported
    assert take_in(cursor, *rows, bot=BotName("reviewer")).imported == first.imported


def test_a_vote_comes_to_a_chat_that_another_file_brought(cursor: Cursor) -> None:
    alone = take_in(cursor, RATED)
    assert (alone.votes, alone.lost) == (0, (1,))
    take_in(cursor, CHAT)
    assert take_in(cursor, RATED).votes == 1
    assert votes(cursor) == [("No.", "down")]
    early, late = (RATED | {"data": {"rating": 1}, "updated_at": when} for when in (1_000_000_000, 1_760_000_500))
    newer = take_in(cursor, late)
    assert (newer.votes, take_in(cursor, early).votes, take_in(cursor, late).votes) == (0, 0, 0)
    dated = RATED | {"user_id": "u3", "updated_at": 1_760_000_100}
    assert take_in(cursor, dated).votes == 1
    assert take_in(cursor, dated | {"data": {"rating": 1}, "updated_at": 1_760_000_200}).votes == 1
    assert votes(cursor) == [("No.", "down"), ("No.", "up")]
    assert cursor.execute("select vote from feedback_history").fetchall() == [("down",)]


def test_a_chat_that_grew_brings_what_is_new(cursor: Cursor) -> None:
    take_in(cursor, CHAT)
    grown = json.loads(json.dumps(CHAT))
    grown["chat"]["history"]["messages"]["c"] = {"id": "c", "parentId": "a", "role": "assistant", "content": "Yes."}
    assert take_in(cursor, grown) == Imported(0, 1)
    parents = cursor.execute("select count(distinct parent_id), count(*) from messages where role = 'assistant'")
    assert parents.fetchall() == [(1, 2)]


def test_feedback_on_an_episode_is_about_its_last_answer(cursor: Cursor) -> None:
    inference = next(row for name, row in ROWS if name == "tensorzero-inference")
    take_in(cursor, inference)
    assert take_in(cursor, {"target_id": "e1", "metric_name": "solved", "value": False}).votes == 1
    assert votes(cursor) == [("Yes, by any.", "down")]


def scores(cursor: Cursor) -> list[tuple[Any, ...]]:
    return cursor.execute("""
        select coalesce(m.content, 'an episode'), s.name, coalesce(s.category, s.number::text), s.voter
        from scores as s semi join conversations using (conversation_id) left join messages as m using (message_id)
        order by s.said_at, s.name
    """).fetchall()


def test_what_is_no_vote_comes_in_as_a_named_score(cursor: Cursor) -> None:
    inference = next(row for name, row in ROWS if name == "tensorzero-inference")
    take_in(cursor, inference)
    for target, value in (("i1", 0.25), ("e1", 3)):
        done = take_in(cursor, {"target_id": target, "metric_name": "score", "value": value})
        assert (done.votes, done.scores) == (0, 1)
    assert scores(cursor) == [
        ("Yes, by any.", "score", "0.25", "tensorzero:score"),
        ("an episode", "score", "3.0", "tensorzero:score"),
    ]
    again = take_in(cursor, {"target_id": "i1", "metric_name": "score", "value": 0.5}, at=AT + timedelta(days=1))
    assert again.scores == 0  # an undated word is no newer one
    assert take_in(cursor, {"target_id": "i9", "metric_name": "score", "value": 0.5}).lost == (1,)


def test_a_trace_s_scores_are_kept_whoever_gave_them(cursor: Cursor) -> None:
    given = [
        {"name": "toxicity", "source": "EVAL", "value": 0.125, "dataType": "NUMERIC"},
        {"name": "tone", "source": "ANNOTATION", "dataType": "CATEGORICAL", "stringValue": "warm", "value": 2,
         "authorUserId": "eve"},
        {"name": "grounded", "source": "EVAL", "dataType": "BOOLEAN", "value": 1, "stringValue": "True"},
        {"name": "odd", "source": "EVAL", "value": [1]},
        {"name": "thumb", "source": "API", "value": 0},
    ]  # fmt: skip
    done = take_in(cursor, TRACE | {"scores": given})
    assert (done.imported, done.votes, done.scores) == (1, 1, 3)
    assert [(name, value, who) for _, name, value, who in scores(cursor)] == [
        ("grounded", "1.0", "langfuse:grounded"), ("tone", "warm", "langfuse:eve"),
        ("toxicity", "0.125", "langfuse:toxicity"),
    ]  # fmt: skip
    later = {"traceId": "t1", "name": "toxicity", "source": "EVAL", "value": 0.5, "timestamp": "2026-03-01T13:00:00Z"}
    assert take_in(cursor, later, at=AT + timedelta(days=1)).scores == 1
    assert take_in(cursor, later, at=AT + timedelta(days=2)).scores == 0
    _, bad = take_in_raw(cursor, json.dumps(later | {"value": None, "name": "x" * 65}).encode())
    assert [line.reason for line in bad] == ["scores a name has 65 characters"]


def test_an_operators_ruling_stays(cursor: Cursor) -> None:
    take_in(cursor, TRACE | {"corrections": [], "scores": []})
    [(name,)] = cursor.execute("select message_id from messages where role = 'assistant'").fetchall()
    record_review(cursor, review=Review(name, BOT, "boss", False, "", (), AT))
    assert take_in(cursor, TRACE).corrections == 0
    [(reviewer,)] = cursor.execute("select reviewer from reviews").fetchall()
    assert reviewer == "boss"


def test_what_is_taught_of_it(cursor: Cursor, tmp_path: Path) -> None:
    question = {"role": "user", "content": "Where is parcel seven?"}
    pair = {"prompt": [ASKED], "chosen": [GOOD], "rejected": [BAD]}
    kto = {"prompt": [question], "completion": [{"role": "assistant", "content": "Gone."}], "label": False}
    unrated = {"id": "t2", "timestamp": "", "input": "Is it raining there?", "output": "Perhaps it is."}
    call = {"id": "t3", "timestamp": "", "input": "Weather?", "output": [{"toolName": "look"}],
            "scores": [{"name": "vote", "value": 1}]}  # fmt: skip
    take_in(cursor, pair, kto, unrated, call, TRACE)
    write_snapshot(cursor, bot=BOT, folder=tmp_path / "snapshot", at=AT)
    built = build_dataset(tmp_path / "snapshot", tmp_path / "sets", system_prompt="Be kind.", held_out_share=0, seed=1)
    folder = tmp_path / "sets" / built.folder_name
    said = {row["messages"][-1]["content"] for row in read_table(folder / "sft_train.parquet")}
    assert said == {"Yes, by any."}
    pairs = {(row["chosen"], row["rejected"]) for row in read_table(folder / "pairs_train.parquet")}
    assert pairs == {("Yes, by any.", "No."), ("Yes, by any.", "Yes.")}
    assert "Gone." in {row["answer"] for row in read_table(folder / "votes_train.parquet")}


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each text of a row."""
    if isinstance(value, str):
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from leaves(inner, (*path, key))


@pytest.mark.parametrize("text", ["\ud83d", "a\0b\ufeff", "", "x" * 300])
def test_no_text_of_any_row_breaks_the_record(cursor: Cursor, text: str) -> None:
    spoilt = []
    for _, row in ROWS:
        for path in leaves(row):
            copy: Any = json.loads(json.dumps(row))
            inner = copy
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = text
            spoilt.append(copy)
    take_in(cursor, *spoilt)
    kept = [cell for row in stored(cursor) for cell in row if isinstance(cell, str)]
    assert not [cell for cell in kept if "\0" in cell or "\ufeff" in cell]
    [(orphans,)] = cursor.execute(
        "select count(*) from messages where parent_id not in (select message_id from messages)"
    ).fetchall()
    assert orphans == 0


# File: conversations, votes (opinions without a thumb too), corrections, bad lines.
COUNTS = {
    "openai_chat_toy.jsonl": (4, 0, 0, 1),
    "openai_chat_tools_retail.jsonl.gz": (60, 0, 0, 0),
    "openai_preference_orca.jsonl": (150, 300, 0, 0),
    "alpaca_identity.json": (91, 0, 0, 0),
    "alpaca_seed_tasks.json": (175, 0, 0, 0),
    "sharegpt_dummy.json": (500, 0, 0, 0),
    "langfuse_trace_pydantic-ai-2025-06-06.json": (1, 0, 1, 0),
    "langfuse_trace_vercel-aisdk-2025-11-17.json": (1, 0, 0, 0),
    "langfuse_trace_claude-agent-2025-12-22.json": (1, 0, 0, 0),
    "langfuse_trace_microsoft-agent-2025-12-17.json": (1, 0, 0, 0),
    "langfuse_trace_google-gemini-2025-08-01.json": (1, 0, 0, 0),
    "tensorzero_chat_inferences.jsonl": (199, 0, 0, 0),
    "tensorzero_boolean_metric_feedback.jsonl": (0, 271, 0, 0),
    "tensorzero_float_metric_feedback.jsonl": (0, 0, 0, 0),
    "tensorzero_comment_feedback.jsonl": (0, 26, 0, 0),
    "tensorzero_demonstration_feedback.jsonl": (0, 0, 195, 0),
    "tensorzero_datapoints.jsonl": (31, 0, 0, 10),
    "openwebui_chat_export.json": (3, 0, 0, 0),
    "openwebui_feedback_export.json": (0, 6, 0, 0),
}


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="the public files are not here")
def test_the_public_files_come_in_with_their_votes(cursor: Cursor) -> None:
    told = {}
    for name in COUNTS:
        done, bad = take_in_raw(cursor, (PUBLIC / name).read_bytes())
        told[name] = (done.imported, done.votes, done.corrections, len(bad) + len(done.lost))
    assert told == COUNTS
    before = stored(cursor)
    for name in COUNTS:
        done, _ = take_in_raw(cursor, (PUBLIC / name).read_bytes(), at=AT + timedelta(days=1))
        assert (done.imported, done.votes, done.corrections) == (0, 0, 0), name
    assert stored(cursor) == before
