"""Export: what people thought goes with it, and it comes in again as it went out."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collect.conversations import conversation, record_turn
from collect.formats.read import ParsedConversation, read_conversations
from collect.formats.write import export_conversations
from collect.imports import Imported, import_conversations
from collect.reviews import record_review
from collect.store import Cursor
from nightschool.records import BotName, ChatMessage, Feedback, Finish, Message, Review, Vote
from nightschool.text import clean_text

from ..conftest import AT, BOT, give

Tell = Callable[..., list[Message]]
OTHER = BotName("reviewer")


def exported(cursor: Cursor, *, bot: BotName = BOT) -> list[dict[str, Any]]:
    return [json.loads(line) for line in export_conversations(cursor, bot=bot)]


def texts(line: dict[str, Any]) -> list[str]:
    return [message["content"] for message in line["messages"]]


def test_votes_and_approvals_go_with_the_answer(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()
    opinions = [("browser:ada", Vote.UP), ("browser:eve", Vote.DOWN), ("browser:ada", Vote.NONE)]
    for minute, (voter, vote) in enumerate(opinions):
        voted_at = AT + timedelta(minutes=minute)
        give(cursor, Feedback(said.message_id, BOT, voter, vote, (), "", "", voted_at))
    record_review(cursor, review=Review(said.message_id, BOT, "boss", True, "", (), AT))
    [line] = exported(cursor)
    assert line["metadata"]["votes"] == {said.message_id: "down"}
    assert line["metadata"]["approved"] == [said.message_id]


@pytest.mark.parametrize("words", ["", "  "])
def test_a_question_that_was_never_answered_costs_no_other(cursor: Cursor, tell: Tell, words: str) -> None:
    _, first = tell("One?", "1")
    _, failed = tell("Two?", words, after=first)
    _, last = tell("Three?", "3", after=failed)
    assert [texts(line) for line in exported(cursor)] == [["One?", "1", "Three?", "3"]]
    tell("Four?", words, after=last)
    assert [texts(line) for line in exported(cursor)] == [["One?", "1", "Three?", "3"]]


def test_each_branch_is_a_line(cursor: Cursor, tell: Tell) -> None:
    asked, said = tell("One?", "1")
    sibling = replace(said, message_id="sibling", content="uno", finish=Finish.STOP)
    record_turn(cursor, conversation=conversation(cursor, said.conversation_id), messages=[asked, sibling])
    tell("Two?", "2", after=said)
    assert sorted(texts(line) for line in exported(cursor)) == [["One?", "1", "Two?", "2"], ["One?", "uno"]]


TEXT = (
    st.text(alphabet=st.characters(codec="utf-8"), min_size=1)
    .map(lambda text: clean_text(text, subject="text"))
    .filter(str.strip)
)
TALKS = st.lists(st.lists(st.tuples(TEXT, TEXT, st.booleans()), min_size=1, max_size=3), min_size=1, max_size=4)


def talk_of(turns: list[tuple[str, str, bool]], number: int) -> ParsedConversation:
    said: list[ChatMessage] = []
    for question, answer, is_target in turns:
        said.append({"role": "user", "content": question, "weight": 1})
        said.append({"role": "assistant", "content": answer, "weight": int(is_target)})
    said[-1]["weight"] = 1  # something to learn
    return ParsedConversation(number, tuple(said))


def plain(talk: ParsedConversation) -> tuple[tuple[str, str, int], ...]:
    return tuple((m["role"], m["content"], m.get("weight", 1)) for m in talk.messages)


def test_what_goes_out_comes_in_again_and_only_once(cursor: Cursor) -> None:
    @given(TALKS)
    @settings(max_examples=20, deadline=None)
    def check(given_talks: list[list[tuple[str, str, bool]]]) -> None:
        talks = [talk_of(turns, number) for number, turns in enumerate(given_talks)]
        cursor.begin()
        import_conversations(cursor, bot=BOT, conversations=talks, is_held_out=None, at=AT)
        lines = list(export_conversations(cursor, bot=BOT))
        back = [item for item in read_conversations(lines) if isinstance(item, ParsedConversation)]
        assert {plain(talk) for talk in back} == {plain(talk) for talk in talks}
        again = import_conversations(cursor, bot=BOT, conversations=back, is_held_out=True, at=AT)
        assert again == Imported(0, len(lines), moved=len(lines))
        elsewhere = import_conversations(cursor, bot=OTHER, conversations=back, is_held_out=None, at=AT)
        assert elsewhere == Imported(len(lines), 0)
        cursor.rollback()

    check()
