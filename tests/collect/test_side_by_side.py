"""Two answers to one question given at once: kept with the answer, read with what was said of them, counted."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from collect.chat_settings import ChatSettings, keep_chat_settings
from collect.conversations import Told, record_turns
from collect.erase import Wish, erase_rows
from collect.preferences import Preferred, record_preference
from collect.side_by_side import Duel, TalkStanding, Tally, duels_in, standing_of, tally_duels
from collect.store import Cursor
from nightschool.records import Choice, Conversation, Message, Source

from .conftest import AT, BOT

Tell = Callable[..., list[Message]]


def answer_twice(cursor: Cursor, asked: Message, usual: Message, *, version: int | None = None) -> Duel:
    """What the turn beside production's leaves, told twice as after a crash."""
    other = replace(usual, message_id=f"{usual.message_id}-other", content="It is in the van.", version=version)
    talk = Conversation(asked.conversation_id, BOT, "browser:ada", Source.CHAT, "Where?", AT)
    told = Told(talk, (asked, other), usual_id=usual.message_id)
    assert [record_turns(cursor, [told]) for _ in range(2)] == [[None], [None]]
    return Duel(usual.message_id, other.message_id)


def choose(cursor: Cursor, usual: Message, choice: Choice, *, is_usual_left: bool, voter: str = "browser:ada") -> None:
    name = usual.message_id
    word = Preferred(usual.conversation_id, BOT, name, f"{name}-other", is_usual_left, voter, choice, AT)
    record_preference(cursor, preferred=word)


def test_the_two_are_kept_once_and_go_with_their_conversation(cursor: Cursor, tell: Tell) -> None:
    [asked, usual] = tell()
    duel = answer_twice(cursor, asked, usual)
    talk = asked.conversation_id
    assert duels_in(cursor, conversation_id=talk) == [duel]
    assert duels_in(cursor, conversation_id="elsewhere") == []
    erase_rows(cursor, wish=Wish("w", "conversation", talk, "whose it was", "", AT))
    assert cursor.execute("select count(*) from side_by_side").fetchall() == [(0,)]


@pytest.mark.parametrize(
    ("choice", "is_usual_left", "is_other_kept"),
    [
        (Choice.LEFT, False, True),
        (Choice.LEFT, True, False),
        (Choice.RIGHT, True, True),
        (Choice.RIGHT, False, False),
        (Choice.SAME, True, False),
        (Choice.BOTH_BAD, False, False),
        (None, False, False),
    ],
)
def test_the_talk_goes_on_with_production_unless_the_other_was_found_better(
    cursor: Cursor, tell: Tell, *, choice: Choice | None, is_usual_left: bool, is_other_kept: bool
) -> None:
    [asked, usual] = tell()
    answer_twice(cursor, asked, usual)
    if choice:
        choose(cursor, usual, choice, is_usual_left=is_usual_left)
    [duel] = duels_in(cursor, conversation_id=asked.conversation_id)
    assert duel.choice is choice
    assert duel.passed_over_id == (duel.usual_id if is_other_kept else duel.other_id)


def test_what_a_talk_says_of_its_next_question(cursor: Cursor, tell: Tell) -> None:
    [asked, usual] = tell()
    standing = partial(standing_of, cursor, conversation_id=asked.conversation_id)
    assert standing_of(cursor, conversation_id="new") == TalkStanding(0, False, False)
    assert standing() == TalkStanding(1, False, False)
    answer_twice(cursor, asked, usual)
    assert standing() == TalkStanding(1, True, False)
    tell(after=usual)
    assert standing() == TalkStanding(2, False, False)
    keep = partial(keep_chat_settings, cursor, conversation_id=asked.conversation_id, at=AT)
    keep(settings=ChatSettings(is_private=True))
    assert standing().is_private


def test_wins_are_counted_by_the_two_versions_and_by_person(cursor: Cursor, tell: Tell) -> None:
    for voter, choice, is_left in (
        ("browser:ada", Choice.LEFT, True),
        ("browser:ada", Choice.LEFT, False),
        ("browser:ben", Choice.SAME, True),
        ("browser:ben", Choice.BOTH_BAD, True),
        ("", None, True),
    ):
        [asked, usual] = tell()
        answer_twice(cursor, asked, usual, version=4)
        if choice:
            choose(cursor, usual, choice, is_usual_left=is_left, voter=voter)
    # The newest word counts, and another comparison, after a retry, is none of these.
    choose(cursor, usual, Choice.LEFT, is_usual_left=False, voter="browser:cid")
    choose(cursor, usual, Choice.RIGHT, is_usual_left=False, voter="browser:cid")
    [asked, older] = tell()
    newer = replace(older, message_id=f"{older.message_id}-other")
    talk = Conversation(asked.conversation_id, BOT, "browser:ada", Source.CHAT, "Where?", AT)
    record_turns(cursor, [Told(talk, (newer,))])
    choose(cursor, older, Choice.LEFT, is_usual_left=True)
    assert tally_duels(cursor, bot=BOT) == [
        Tally(usual.version, 4, "browser:ada", asked=2, usual_won=1, other_won=1, same=0, both_bad=0),
        Tally(usual.version, 4, "browser:ben", asked=2, usual_won=0, other_won=0, same=1, both_bad=1),
        Tally(usual.version, 4, "browser:cid", asked=1, usual_won=1, other_won=0, same=0, both_bad=0),
    ]
