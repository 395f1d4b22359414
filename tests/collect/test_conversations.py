"""Turns: kept once, in their place, and nobody else's."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from collect.conversations import (
    Told,
    conversation,
    conversation_messages,
    conversations_of,
    message,
    path_to,
    record_turn,
    record_turns,
)
from collect.formats.read import ParsedConversation
from collect.imports import import_conversations
from collect.store import Cursor
from nightschool.errors import InvalidInput, NotAllowed, NotFound
from nightschool.records import BotName, ChatMessage, Conversation, Message, Source

Tell = Callable[..., list[Message]]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SUPPORT = BotName("support")


def again(cursor: Cursor, messages: list[Message], **changes: object) -> None:
    """Record the turn once more, its conversation changed by `changes`."""
    stored = conversation(cursor, messages[0].conversation_id)
    record_turn(cursor, conversation=replace(stored, **changes), messages=messages)  # type: ignore[arg-type]


def test_a_turn_is_read_back_as_it_was(cursor: Cursor, tell: Tell) -> None:
    asked, said = tell("Wo ist mein Päckchen? 📦", "Unterwegs.")
    assert conversation_messages(cursor, conversation_id=asked.conversation_id) == [asked, said]
    assert message(cursor, message_id=said.message_id) == said
    assert conversation(cursor, asked.conversation_id) == Conversation(
        asked.conversation_id, SUPPORT, "browser:ada", Source.CHAT, "Wo ist mein Päckchen? 📦", NOON
    )


def test_a_turn_kept_twice_is_kept_once(cursor: Cursor, tell: Tell) -> None:
    turn = tell()
    again(cursor, turn)
    assert conversation_messages(cursor, conversation_id=turn[0].conversation_id) == turn


def test_a_retried_turn_that_was_cut_off_is_completed(cursor: Cursor, tell: Tell) -> None:
    asked, said = tell()
    another = replace(said, message_id="another", content="Sibling.")
    again(cursor, [asked, another])
    assert conversation_messages(cursor, conversation_id=asked.conversation_id) == [asked, said, another]


def test_a_path_runs_through_one_branch_of_the_tree(cursor: Cursor, tell: Tell) -> None:
    asked, first = tell()
    second = replace(first, message_id="second", content="Or rather here.")
    again(cursor, [asked, second])
    follow_up, end = tell("Since when?", "Monday.", after=first)
    assert path_to(cursor, message_id=end.message_id) == [asked, first, follow_up, end]
    assert path_to(cursor, message_id="second") == [asked, second]


@pytest.mark.parametrize("change", [{"owner": "browser:eve"}, {"bot": BotName("reviewer")}])
def test_nobody_writes_into_anothers_conversation(cursor: Cursor, tell: Tell, change: dict[str, str]) -> None:
    turn = tell()
    with pytest.raises(NotAllowed, match="another person's"):
        again(cursor, turn, **change)


@pytest.mark.parametrize(
    "change",
    [
        {"parent_id": "unknown"},
        {"parent_id": "new", "message_id": "new"},
        {"conversation_id": "other"},
        {"bot": BotName("reviewer")},
    ],
)
def test_a_message_without_a_place_is_refused(cursor: Cursor, tell: Tell, change: dict[str, str]) -> None:
    asked, said = tell()
    stray = replace(said, **({"message_id": "new"} | change))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="no place"):
        again(cursor, [asked, stray])


def test_a_parent_in_another_conversation_is_no_parent(cursor: Cursor, tell: Tell) -> None:
    _, elsewhere = tell()
    asked, said = tell()
    with pytest.raises(InvalidInput, match="no place"):
        again(cursor, [asked, replace(said, message_id="new", parent_id=elsewhere.message_id)])


def test_a_long_history_stays_in_order(cursor: Cursor) -> None:
    talk = Conversation("long", SUPPORT, "key:ci", Source.API, "", NOON)
    said = [
        Message(f"m{n}", "long", SUPPORT, f"m{n - 1}" if n else None, "user", str(n), Source.CLIENT, NOON)
        for n in range(300)
    ]
    record_turn(cursor, conversation=talk, messages=said)
    assert conversation_messages(cursor, conversation_id="long") == said


def test_turns_told_together_are_kept_in_their_order_and_a_refused_one_adds_nothing(cursor: Cursor, tell: Tell) -> None:
    asked, said = tell()
    stored = conversation(cursor, asked.conversation_id)
    first, second = replace(asked, message_id="first", parent_id=said.message_id), replace(said, message_id="second")
    second = replace(second, parent_id="first")
    new = replace(stored, conversation_id="new")
    stray = replace(said, message_id="stray", conversation_id="new", parent_id="unknown")
    root = replace(asked, message_id="root", conversation_id="new")
    eve = replace(stored, owner="browser:eve")
    refused = record_turns(
        cursor,
        [
            Told(stored, [first]),
            Told(new, [stray]),
            Told(eve, [replace(asked, message_id="eve")]),
            Told(stored, [first, second]),
            Told(new, [root]),
        ],
    )
    assert [type(each) for each in refused] == [type(None), InvalidInput, NotAllowed, type(None), type(None)]
    assert conversation_messages(cursor, conversation_id=asked.conversation_id) == [asked, said, first, second]
    assert conversation_messages(cursor, conversation_id="new") == [root]


def test_an_imported_conversation_is_read_in_its_order(cursor: Cursor) -> None:
    said: list[ChatMessage] = [
        {"role": role, "content": f"{role} {turn}"} for turn in range(12) for role in ("user", "assistant")
    ]
    parsed = ParsedConversation(1, tuple(said))
    import_conversations(cursor, bot=SUPPORT, conversations=[parsed], is_held_out=None, at=NOON)
    [(conversation_id,)] = cursor.execute("select conversation_id from conversations").fetchall()
    found = conversation_messages(cursor, conversation_id=conversation_id)
    assert [m.content for m in found] == [m["content"] for m in said]
    assert conversation(cursor, conversation_id).owner == "import"


def test_a_person_sees_their_own_conversations_newest_first(cursor: Cursor, tell: Tell) -> None:
    tell("Oldest", at=NOON)
    _, answer = tell("Revived", at=NOON + timedelta(hours=1))
    tell("Middle", at=NOON + timedelta(hours=2))
    tell("More", after=answer, at=NOON + timedelta(hours=3))
    tell("Eve's", owner="browser:eve")
    tell("Of another bot", bot="reviewer")
    mine = conversations_of(cursor, bot=SUPPORT, owner="browser:ada")
    assert [(each.title, each.messages) for each in mine] == [("Revived", 4), ("Middle", 2), ("Oldest", 2)]
    assert mine[0].updated_at == NOON + timedelta(hours=3)
    assert conversations_of(cursor, bot=SUPPORT, owner="browser:ada", limit=1) == mine[:1]


def test_what_is_not_there_is_said(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()
    with pytest.raises(NotFound):
        conversation(cursor, "nowhere")
    with pytest.raises(NotFound):
        path_to(cursor, message_id="nowhere")
    with pytest.raises(NotFound):
        message(cursor, bot=BotName("reviewer"), message_id=said.message_id)
