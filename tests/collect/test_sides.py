"""A side is decided once; another import mark moves what was not trained on and is refused for what was."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from collect.cycles import start_cycle, update_cycle
from collect.formats.read import ParsedConversation, read_conversations
from collect.formats.write import export_conversations
from collect.imports import Imported, import_conversations
from collect.migrations.runner import migrate
from collect.registry import register_adapter
from collect.sides import keep_sides
from collect.snapshot import write_snapshot
from collect.store import Cursor
from nightschool.errors import Busy, InvalidInput
from nightschool.records import Adapter, BotName, ChatMessage, Cycle, CycleState, Event, Message, Stage

from .conftest import AT, BOT

Tell = Callable[..., list[Message]]
HOUR = timedelta(hours=1)


def parsed(question: str, *, topic: str | None = None) -> ParsedConversation:
    said = ChatMessage(role="user", content=question), ChatMessage(role="assistant", content="So it is.")
    return ParsedConversation(1, said, topic=topic)


def take_in(
    cursor: Cursor, *talks: ParsedConversation, held_out: bool | None = None, bot: BotName = BOT, at: datetime = AT
) -> Imported:
    return import_conversations(cursor, bot=bot, conversations=talks, is_held_out=held_out, at=at)


def talks_of(cursor: Cursor, folder: Path) -> list[dict[str, Any]]:
    write_snapshot(cursor, bot=BOT, folder=folder, at=AT + 9 * HOUR)
    rows: list[dict[str, Any]] = pq.read_table(folder / "conversations.parquet").to_pylist()
    return rows


def run_night(cursor: Cursor, *, at: datetime, is_over: bool = True, trains: bool = True) -> None:
    cycle = Cycle(f"night-{at:%H}", BOT, "operator", None, CycleState.RUNNING, "train", 0.0, at)
    start_cycle(cursor, cycle=cycle)
    if trains:
        adapter = Adapter(
            bot=BOT, version=at.hour, content_hash="c", folder="f", stage=Stage.CANDIDATE, cycle_id=cycle.cycle_id,
            dataset_hash="d", created_at=at + HOUR / 2,
        )  # fmt: skip
        event = Event(f"e-{at:%H}", at, BOT, "clock", "registered", "support@1", "")
        register_adapter(cursor, adapter=adapter, event=event)
    if is_over:
        update_cycle(
            cursor, cycle=Cycle(**{f: getattr(cycle, f) for f in cycle.__slots__} | {"state": CycleState.DONE})
        )


def test_the_first_word_wins_and_the_snapshot_tells_it(cursor: Cursor, tell: Tell, tmp_path: Path) -> None:
    first, second = tell("What?")[0].conversation_id, tell("Where?")[0].conversation_id
    elsewhere = tell("Whose?", bot="reviewer")[0].conversation_id
    keep_sides(cursor, bot=BOT, sides={first: "train", elsewhere: "train", "gone": "held-out"}, at=AT)
    keep_sides(cursor, bot=BOT, sides={first: "held-out", second: "held-out"}, at=AT)
    keep_sides(cursor, bot=BOT, sides={}, at=AT)
    sides = {row["conversation_id"]: row["side"] for row in talks_of(cursor, tmp_path)}
    assert sides == {first: "train", second: "held-out"}
    assert cursor.execute("select count(*) from sides").fetchone() == (2,)


def test_a_night_that_decides_nothing_disturbs_nothing(cursor: Cursor, tmp_path: Path) -> None:
    cursor.begin()
    take_in(cursor, parsed("One?"), parsed("Two?"))
    keep_sides(cursor, bot=BOT, sides={}, at=AT)
    cursor.commit()
    assert {row["side"] for row in talks_of(cursor, tmp_path)} == {None}


def test_another_mark_moves_what_no_adapter_has_learnt(cursor: Cursor, tmp_path: Path) -> None:
    assert take_in(cursor, parsed("One?"), parsed("Two?"), held_out=False) == Imported(2, 0)
    assert take_in(cursor, parsed("One?"), parsed("Three?"), held_out=True) == Imported(1, 1, moved=1)
    assert sorted(row["is_held_out"] for row in talks_of(cursor, tmp_path)) == [False, True, True]
    assert take_in(cursor, parsed("One?"), held_out=None) == Imported(0, 1), "no word is no other word"


def test_a_side_that_a_night_without_training_chose_gives_way(cursor: Cursor, tmp_path: Path) -> None:
    take_in(cursor, parsed("One?"))
    [talk] = talks_of(cursor, tmp_path)
    keep_sides(cursor, bot=BOT, sides={talk["conversation_id"]: "train"}, at=AT)
    run_night(cursor, at=AT - HOUR)
    run_night(cursor, at=AT + HOUR, trains=False)
    assert take_in(cursor, parsed("One?"), held_out=True).moved == 1
    assert talks_of(cursor, tmp_path)[0] == talk | {"is_held_out": True, "side": None}


def test_what_was_trained_on_can_never_be_held_out(cursor: Cursor, tmp_path: Path) -> None:
    take_in(cursor, parsed("One?"), held_out=False)
    [before] = talks_of(cursor, tmp_path)
    keep_sides(cursor, bot=BOT, sides={before["conversation_id"]: "train"}, at=AT)
    run_night(cursor, at=AT)
    with pytest.raises(InvalidInput, match="1 conversations that an adapter was trained on"):
        take_in(cursor, parsed("One?"), held_out=True)
    [after] = talks_of(cursor, tmp_path)
    assert (after["is_held_out"], after["side"]) == (False, "train")


def test_what_a_record_without_sides_trained_on_can_never_be_held_out(cursor: Cursor) -> None:
    take_in(cursor, parsed("One?"), held_out=False)
    run_night(cursor, at=AT + HOUR)
    cursor.execute("update migrations set applied_at = $at where name = 'm003_sides'", {"at": AT + 2 * HOUR})
    with pytest.raises(InvalidInput, match="trained on"):
        take_in(cursor, parsed("One?"), held_out=True)


def test_what_was_held_out_may_be_learnt_from_now_on(cursor: Cursor, tmp_path: Path) -> None:
    take_in(cursor, parsed("One?"), held_out=True)
    [talk] = talks_of(cursor, tmp_path)
    keep_sides(cursor, bot=BOT, sides={talk["conversation_id"]: "held-out"}, at=AT)
    run_night(cursor, at=AT)
    assert take_in(cursor, parsed("One?"), held_out=False).moved == 1
    assert talks_of(cursor, tmp_path)[0]["side"] is None


def test_a_running_night_keeps_the_marks_it_saw(cursor: Cursor) -> None:
    take_in(cursor, parsed("One?"), held_out=False)
    run_night(cursor, at=AT, is_over=False, trains=False)
    with pytest.raises(Busy, match="at school"):
        take_in(cursor, parsed("One?"), held_out=True)
    assert take_in(cursor, parsed("Two?"), held_out=True) == Imported(1, 0), "what is new disturbs no night"


def test_a_topic_goes_out_and_comes_in_again(cursor: Cursor) -> None:
    take_in(cursor, parsed("One?", topic="returns"), parsed("Two?"))
    lines = list(export_conversations(cursor, bot=BOT))
    assert sorted(str(json.loads(line).get("topic")) for line in lines) == ["None", "returns"]
    back = [talk for talk in read_conversations(lines) if isinstance(talk, ParsedConversation)]
    other = BotName("reviewer")
    assert take_in(cursor, *back, bot=other) == Imported(2, 0)
    topics = cursor.execute("select topic from conversations where bot = 'reviewer' order by topic").fetchall()
    assert topics == [("returns",), (None,)]
    assert take_in(cursor, *back, bot=other, held_out=True).moved == 2, "an export of ours can be marked anew as well"


def test_an_export_brings_the_decided_sides_with_it_unless_the_import_says_otherwise(
    cursor: Cursor, tell: Tell
) -> None:
    sides = {tell(f"What of {n}?")[0].conversation_id: side for n, side in enumerate(["train", "held-out"])}
    tell("And what of this?")
    keep_sides(cursor, bot=BOT, sides=sides, at=AT)
    lines = list(export_conversations(cursor, bot=BOT))
    back = [talk for talk in read_conversations(lines) if isinstance(talk, ParsedConversation)]

    def sides_after_import(*, held_out: bool | None) -> list[str]:
        with duckdb.connect() as fresh:
            migrate(fresh)
            assert take_in(fresh, *back, held_out=held_out) == Imported(3, 0)
            assert take_in(fresh, *back, held_out=held_out) == Imported(0, 3), "once more changes nothing"
            return [side for (side,) in fresh.execute("select side from sides order by side").fetchall()]

    assert sides_after_import(held_out=None) == ["held-out", "train"]
    assert sides_after_import(held_out=True) == []


@pytest.mark.parametrize(("topic", "kept"), [(" orders ", "orders"), ("", None), (7, None), (["a"], None)])
def test_a_topic_is_a_text_or_passed_over(topic: object, kept: str | None) -> None:
    said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    [read] = read_conversations([json.dumps({"topic": topic, "messages": said})])
    assert isinstance(read, ParsedConversation)
    assert read.topic == kept


def test_a_topic_is_kept_and_a_later_import_may_name_it(cursor: Cursor, tmp_path: Path) -> None:
    take_in(cursor, parsed("One?", topic="returns"), parsed("Two?"))
    assert sorted(str(row["topic"]) for row in talks_of(cursor, tmp_path)) == ["None", "returns"]
    take_in(cursor, parsed("One?"), parsed("Two?", topic="orders"))
    assert sorted(str(row["topic"]) for row in talks_of(cursor, tmp_path)) == ["orders", "returns"]
