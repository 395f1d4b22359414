"""Which of two answers people found better: kept with how they were shown, and taken by the night as who beat whom."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from collect.chat_settings import ChatSettings, keep_chat_settings
from collect.conversations import Told, record_turn, record_turns
from collect.erase import Wish, erase_rows
from collect.own_data import own_data
from collect.preferences import Preferred, record_preference
from collect.snapshot import write_snapshot
from collect.store import Cursor
from nightschool.errors import InvalidInput, NotFound
from nightschool.records import Choice, Conversation, Message, Source

from ..compared import PreferenceCounts, count_preferences
from .conftest import AT, BOT

Tell = Callable[..., list[Message]]
Choose = Callable[..., None]


@pytest.fixture
def siblings(cursor: Cursor, tell: Tell) -> list[Message]:
    """Two answers to one question, the older one first."""
    [asked, older] = tell()
    newer = replace(older, message_id="newer", content="It is in the van.")
    talk = Conversation(asked.conversation_id, BOT, "browser:ada", Source.CHAT, "Where?", AT)
    record_turn(cursor, conversation=talk, messages=[newer])
    return [older, newer]


@pytest.fixture
def choose(cursor: Cursor, siblings: list[Message]) -> Choose:
    older, newer = siblings
    first = Preferred(
        older.conversation_id, BOT, older.message_id, newer.message_id, True, "browser:ada", Choice.LEFT, AT
    )

    def choose(choice: Choice, *, is_older_left: bool = True, **changed: object) -> None:
        preferred = replace(first, choice=choice, is_older_left=is_older_left, **changed)  # type: ignore[arg-type]
        record_preference(cursor, preferred=preferred)

    return choose


def won(cursor: Cursor, folder: Path) -> list[tuple[str, str]]:
    """Better and worse, as a night is given them."""
    write_snapshot(cursor, bot=BOT, folder=folder, at=AT + timedelta(days=1))
    rows = pq.read_table(folder / "preferences.parquet").to_pylist()
    return [(row["better_id"], row["worse_id"]) for row in rows]


@pytest.mark.parametrize(
    ("choice", "is_older_left", "is_older_better"),
    [
        (Choice.LEFT, True, True),
        (Choice.LEFT, False, False),
        (Choice.RIGHT, True, False),
        (Choice.RIGHT, False, True),
        (Choice.SAME, True, None),
        (Choice.BOTH_BAD, False, None),
    ],
)
def test_the_night_is_given_who_beat_whom_whichever_side_it_stood_on(  # noqa: PLR0917
    cursor: Cursor,
    siblings: list[Message],
    choose: Choose,
    tmp_path: Path,
    choice: Choice,
    is_older_left: bool,
    is_older_better: bool | None,
) -> None:
    older, newer = (message.message_id for message in siblings)
    choose(choice, is_older_left=is_older_left)
    expected = {True: [(older, newer)], False: [(newer, older)], None: []}[is_older_better]
    assert won(cursor, tmp_path) == expected


def test_the_newest_word_counts_and_the_same_word_is_there_once(
    cursor: Cursor, siblings: list[Message], choose: Choose, tmp_path: Path
) -> None:
    # All at one moment, as where a clock was set back in between.
    for choice in (Choice.LEFT, Choice.LEFT, Choice.RIGHT):
        choose(choice)
    assert cursor.execute("select count(*) from preferences").fetchall() == [(2,)]
    older, newer = (message.message_id for message in siblings)
    assert won(cursor, tmp_path) == [(newer, older)]
    assert count_preferences(cursor, bot=BOT) == PreferenceCounts(0, 0, older=0, newer=1, left=0, right=1)


def test_only_two_answers_to_one_question_of_the_conversation_are_compared(
    cursor: Cursor, siblings: list[Message], choose: Choose, tell: Tell
) -> None:
    [asked, _] = tell(after=siblings[0])
    [_, elsewhere] = tell(owner="browser:ben")
    for name, refusal in (
        (siblings[0].message_id, InvalidInput),
        (asked.message_id, InvalidInput),
        (elsewhere.message_id, NotFound),
        ("none", NotFound),
    ):
        with pytest.raises(refusal):
            choose(Choice.LEFT, newer_id=name)
    assert cursor.execute("select count(*) from preferences").fetchall() == [(0,)]


def test_it_is_taken_along_kept_from_the_night_on_wish_and_erased(
    cursor: Cursor, siblings: list[Message], choose: Choose, tmp_path: Path
) -> None:
    choose(Choice.LEFT)
    [own] = own_data(cursor, owner="browser:ada")["comparisons"]
    assert (own["choice"], own["is_older_left"]) == ("left", True)
    name = siblings[0].conversation_id
    private = partial(keep_chat_settings, cursor, conversation_id=name, settings=ChatSettings(is_private=True))
    private(at=AT)
    assert won(cursor, tmp_path) == []
    erase_rows(cursor, wish=Wish("w", "conversation", name, "whose it was", "", AT))
    assert cursor.execute("select count(*) from preferences").fetchall() == [(0,)]


def test_the_night_is_told_which_two_were_put_before_somebody(
    cursor: Cursor, siblings: list[Message], choose: Choose, tell: Tell, tmp_path: Path
) -> None:
    older, newer = siblings
    choose(Choice.SAME)
    [asked, usual] = tell()
    other = replace(usual, message_id="other", content="It is in the van.")
    talk = Conversation(asked.conversation_id, BOT, "browser:ada", Source.CHAT, "Where?", AT)
    record_turns(cursor, [Told(talk, (other,), usual_id=usual.message_id)])
    assert won(cursor, tmp_path) == []
    rows = pq.read_table(tmp_path / "seen_together.parquet").to_pylist()
    pairs = {frozenset(row.values()) for row in rows}
    assert pairs == {frozenset({older.message_id, newer.message_id}), frozenset({usual.message_id, "other"})}
