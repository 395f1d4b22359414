"""Which answers of the record are the team's, may be told to others, and are no exam's."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from collect.chat_settings import ChatSettings, keep_chat_settings
from collect.conversations import record_turn
from collect.formats.read import ParsedConversation
from collect.imports import import_conversations
from collect.knowledge.answers import is_for_others, list_answers, read_mark
from collect.reviews import record_review
from collect.sides import keep_sides
from collect.store import Cursor
from collect.verified.served import switch
from nightschool.knowledge import TEAM, Passage
from nightschool.records import BotName, ChatMessage, Conversation, Message, Review, Source

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 3, 2, 12, tzinfo=UTC)
BOT = BotName("support")
Tell = Callable[..., list[Message]]


def rule(cursor: Cursor, said: Message, *, approved: bool = True, answer: str | None = None) -> None:
    words = (said.content if answer is None else answer) if approved else ""
    record_review(cursor, review=Review(said.message_id, said.bot, "ada", approved, words, (), AT))


def bring(cursor: Cursor, *turns: str, weight: int = 1, is_held_out: bool | None = False) -> None:
    messages = tuple(
        ChatMessage(role="assistant", content=text, weight=weight)
        if place % 2
        else ChatMessage(role="user", content=text)
        for place, text in enumerate(turns)
    )
    import_conversations(
        cursor, bot=BOT, conversations=[ParsedConversation(1, messages)], is_held_out=is_held_out, at=AT
    )


def told(cursor: Cursor) -> list[tuple[str, str]]:
    return sorted((one.heading, one.text) for one in list_answers(cursor, bot=BOT))


def test_what_an_operator_let_in_at_any_turn_and_what_was_imported_to_teach(cursor: Cursor, tell: Tell) -> None:
    _, first = tell("May I return it?", "Yes.")
    _, second = tell("Until when?", "No idea.", after=first)
    tell("Nobody looked at", "this.")
    rule(cursor, first)
    rule(cursor, second, answer="Within 30 days.")
    bring(cursor, "How long is the\nwarranty?", "Two years.", "And abroad?", "Too.")
    bring(cursor, "Context?", "Alone.", weight=0)
    assert told(cursor) == [
        ("And abroad?", "Too."), ("How long is the warranty?", "Two years."), ("May I return it?", "Yes."),
        ("Until when?", "Within 30 days."),
    ]  # fmt: skip
    [found] = [one for one in list_answers(cursor, bot=BOT) if one.text == "Within 30 days."]
    assert (found.document, found.conversation_id, len(found.passage_id)) == (TEAM, second.conversation_id, 16)
    assert list_answers(cursor, bot=BotName("another")) == []


def test_none_that_an_exam_asks_for(cursor: Cursor, tell: Tell) -> None:
    bring(cursor, "Held out by an import?", "Yes.", is_held_out=True)
    _, said = tell("Held out by a night?", "Yes.")
    rule(cursor, said)
    assert told(cursor) == [("Held out by a night?", "Yes.")]
    keep_sides(cursor, bot=BOT, sides={said.conversation_id: "held-out"}, at=AT)
    assert told(cursor) == []


def test_none_that_was_refused_switched_off_or_is_private(cursor: Cursor, tell: Tell) -> None:
    bring(cursor, "Imported?", "And refused later.")
    [imported] = list_answers(cursor, bot=BOT)
    [(message_id,)] = cursor.execute("select message_id from messages where role = 'assistant'").fetchall()
    record_review(cursor, review=Review(message_id, BOT, "ada", False, "", (), AT))
    _, off = tell("Switched off?", "Yes.")
    _, private = tell("Private?", "Yes.")
    for said in (off, private):
        rule(cursor, said)
    assert imported.heading == "Imported?"
    assert told(cursor) == [("Private?", "Yes."), ("Switched off?", "Yes.")]
    switch(cursor, bot=BOT, message_id=off.message_id, is_on=False, actor="ada", reason="wrong now", at=LATER)
    settings = ChatSettings(is_private=True)
    keep_chat_settings(cursor, conversation_id=private.conversation_id, settings=settings, at=LATER)
    assert told(cursor) == []


def test_none_that_rests_on_what_a_tool_found(cursor: Cursor) -> None:
    talk = Conversation("c", BOT, "browser:ada", Source.CHAT, "", AT)
    asked = Message("q", "c", BOT, None, "user", "Where is it?", Source.CHAT, AT)
    called = Message("t", "c", BOT, "q", "assistant", "", Source.CHAT, AT, tools_json='{"tool_calls": []}')
    said = Message("a", "c", BOT, "q", "assistant", "In Bonn.", Source.CHAT, AT)
    record_turn(cursor, conversation=talk, messages=[asked, replace(called, parent_id="q"), said])
    rule(cursor, said)
    assert told(cursor) == []


@pytest.mark.parametrize(
    ("question", "answer", "is_free"),
    [
        ("What does Grove cost?", "4 euro a month.", True),
        ("How do I reach you?", "Write to help@shop.example or call 0800 555 0142.", True),
        ("I am ada@mail.example, what now?", "Wait.", False),
        ("What now?", "We wrote to ada@mail.example.", False),
        ("Where is it?", "Order 771203 is on its way.", False),
        ("Where is order 771203?", "On its way.", False),
        ("What now?", "We called +49 170 1234567.", False),
        ("Where to?", "It went to 12 Birch Lane.", False),
        ("My name is Quendolyn, what now?", "Wait.", False),
        ("What now?", "Dear Quendolyn, wait.", False),
        ("Dear Fern, what now?", "Wait.", True),
        ("Am I [NAME_1]?", "Yes.", False),
        ("What now?", "Wait. " * 300, False),
    ],
)
def test_nothing_about_one_person_is_for_others(question: str, answer: str, *, is_free: bool) -> None:
    own = "fern\nwrite to help@shop.example or call 0800 555 0142"
    assert is_for_others(Passage("a", TEAM, question, answer, "c"), own=own) is is_free


def test_the_mark_changes_with_what_is_found(cursor: Cursor, tell: Tell) -> None:
    seen = {read_mark(cursor, bot=BOT)}
    _, said = tell("May I return it?", "Yes.")
    seen.add(read_mark(cursor, bot=BOT))
    assert len(seen) == 1
    rule(cursor, said)
    seen.add(read_mark(cursor, bot=BOT))
    bring(cursor, "How long?", "Two years.")
    seen.add(read_mark(cursor, bot=BOT))
    keep_sides(cursor, bot=BOT, sides={said.conversation_id: "held-out"}, at=AT)
    seen.add(read_mark(cursor, bot=BOT))
    bring(cursor, "How long?", "Two years.", is_held_out=True)
    seen.add(read_mark(cursor, bot=BOT))
    settings = ChatSettings(is_private=True)
    keep_chat_settings(cursor, conversation_id=said.conversation_id, settings=settings, at=LATER)
    seen.add(read_mark(cursor, bot=BOT))
    assert len(seen) == 6
