"""What people do without a word is kept with the answer, orders the queue a little, and goes with the conversation."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from collect.conversations import record_turn
from collect.erase import Wish, erase_rows
from collect.formats.answer_rows import Wanted, write_answers
from collect.gaps import list_gaps
from collect.outcomes import Said, record_outcome
from collect.own_data import own_data
from collect.review_queue import list_queue
from collect.signals.deeds import keep_deed, keep_leaving
from collect.signals.detect import Kind
from collect.signals.found import keep_span, look_at_span
from collect.signals.phrases import read_phrases
from collect.store import Cursor
from nightschool.errors import NotFound
from nightschool.records import Conversation, Feedback, Finish, Message, Source, Vote, new_id

from ..conftest import AT, BOT, give

Tell = Callable[..., list[Message]]
ADA = "browser:ada"
DEEDS = (Kind.COPY, Kind.RETRY, Kind.ABANDON)


def kinds(cursor: Cursor) -> list[tuple[str, str]]:
    return cursor.execute("select message_id, kind from signals order by kind").fetchall()


def do(cursor: Cursor, kind: Kind, about: Message, *, owner: str = ADA) -> None:
    keep_deed(cursor, kind=kind, message_id=about.message_id, owner=owner, at=AT)


def half(cursor: Cursor, question: str, *, finish: Finish = Finish.PARTIAL, owner: str = ADA) -> Message:
    """An answer that ended so."""
    talk = Conversation(new_id(), BOT, owner, Source.CHAT, question, AT)
    asked = Message(new_id(), talk.conversation_id, BOT, None, "user", question, Source.CHAT, AT)
    said = replace(
        asked, message_id=new_id(), parent_id=asked.message_id, role="assistant", content="It", finish=finish
    )
    record_turn(cursor, conversation=talk, messages=[asked, said])
    return said


def reasons(cursor: Cursor) -> dict[str, tuple[str, ...]]:
    return {row.question: row.reasons for row in list_queue(cursor, now=AT)}


@pytest.mark.parametrize("kind", DEEDS)
def test_a_deed_is_kept_once_for_an_answer(cursor: Cursor, tell: Tell, kind: Kind) -> None:
    asked, said = tell()
    do(cursor, kind, said)
    do(cursor, kind, said)
    assert kinds(cursor) == [(said.message_id, kind)]
    for other, owner in ((asked, ADA), (said, "browser:ben"), (replace(said, message_id="none"), ADA)):
        with pytest.raises(NotFound):
            do(cursor, kind, other, owner=owner)
    assert len(kinds(cursor)) == 1


def test_what_failed_was_neither_copied_nor_tried_again(cursor: Cursor) -> None:
    do(cursor, Kind.RETRY, half(cursor, "Where?", finish=Finish.ERROR))
    assert kinds(cursor) == []


def test_who_leaves_in_mid_answer_is_told_from_who_saw_it_whole(cursor: Cursor, tell: Tell) -> None:
    _, whole = tell()
    cut = half(cursor, "Where?")
    for said in (whole, cut):
        keep_leaving(cursor, conversation_id=said.conversation_id, owner=ADA, at=AT)
    assert kinds(cursor) == [(cut.message_id, "abandon")]
    for name, owner in ((cut.conversation_id, "browser:ben"), ("none", ADA)):
        with pytest.raises(NotFound):
            keep_leaving(cursor, conversation_id=name, owner=owner, at=AT)


def test_retries_and_leavings_stand_last_in_the_queue_and_copies_in_none(cursor: Cursor, tell: Tell) -> None:
    for question, kind in (("copied", Kind.COPY), ("retried", Kind.RETRY)):
        do(cursor, kind, tell(question)[1])
    do(cursor, Kind.ABANDON, half(cursor, "left"))
    disliked = tell("disliked")[1]
    give(cursor, Feedback(disliked.message_id, BOT, "ben", Vote.DOWN, (), "", "", AT))
    do(cursor, Kind.COPY, disliked)
    assert reasons(cursor) == {
        "disliked": ("1 thumb down", "yet it was copied"),
        "left": ("left before it was whole",),
        "retried": ("asked for another answer",),
    }
    assert [row.question for row in list_queue(cursor, now=AT, kind=Kind.RETRY)] == ["retried"]
    scores = {row.question: row.score for row in list_queue(cursor, now=AT)}
    assert scores == {"disliked": 2, "left": 0.5, "retried": 0.5}


def test_what_is_only_done_is_no_gap(cursor: Cursor, tell: Tell) -> None:
    _, said = tell("Why is my planter so loud?")
    for kind in DEEDS:
        do(cursor, kind, said)
    assert list_gaps(cursor) == []
    give(cursor, Feedback(said.message_id, BOT, "ben", Vote.DOWN, (), "", "", AT))
    assert [gap.question for gap in list_gaps(cursor)] == ["Why is my planter so loud?"]


def test_a_copy_keeps_nothing_young_and_adds_no_weight(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()
    give(cursor, Feedback(said.message_id, BOT, "ben", Vote.DOWN, (), "", "", AT - timedelta(days=14)))
    do(cursor, Kind.COPY, said)
    assert [row.score for row in list_queue(cursor, now=AT)] == [1.0]


def test_who_comes_back_and_goes_on_has_not_left(cursor: Cursor, tell: Tell) -> None:
    cut = half(cursor, "Where is it?")
    keep_leaving(cursor, conversation_id=cut.conversation_id, owner=ADA, at=AT)
    assert list(reasons(cursor)) == ["Where is it?"]
    tell("And when?", "Soon.", after=cut)
    assert reasons(cursor) == {}


def test_what_people_say_of_the_outcome_stands_in_the_queue(cursor: Cursor, tell: Tell) -> None:
    def say(about: Message, *, is_resolved: bool) -> None:
        said = Said(about.conversation_id, about.message_id, BOT, is_resolved, AT)
        record_outcome(cursor, said=said)

    solved, unsolved, changed = (tell(name)[1] for name in ("solved", "unsolved", "changed"))
    say(solved, is_resolved=True)
    say(unsolved, is_resolved=False)
    say(changed, is_resolved=False)
    say(changed, is_resolved=True)
    do(cursor, Kind.RETRY, changed)
    assert reasons(cursor) == {
        "unsolved": ("said that it did not solve it",),
        "changed": ("asked for another answer", "yet it was said to solve it"),
    }


def test_new_rules_for_words_leave_deeds_as_they_are(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()
    for kind in DEEDS:
        do(cursor, kind, said)
    while (span := look_at_span(cursor, phrases=read_phrases())) is not None:
        keep_span(cursor, span=span)
    assert [kind for _, kind in kinds(cursor)] == ["abandon", "copy", "retry"]


def test_deeds_are_taken_along_exported_and_erased_with_the_conversation(
    cursor: Cursor, tell: Tell, tmp_path: Path
) -> None:
    mine, theirs = tell()[1], tell(owner="browser:ben")[1]
    do(cursor, Kind.COPY, mine)
    do(cursor, Kind.COPY, theirs, owner="browser:ben")
    own = own_data(cursor, owner=ADA)["signals"]
    assert own == [{"message_id": mine.message_id, "kind": "copy", "at": AT.isoformat()}]
    write_answers(cursor, bot=BOT, form="parquet", wanted=Wanted(), target=tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet")["signals"].to_pylist() == [["copy"], ["copy"]]
    erase_rows(cursor, wish=Wish("e1", "conversation", mine.conversation_id, "test", "asked for", AT))
    assert kinds(cursor) == [(theirs.message_id, "copy")]
