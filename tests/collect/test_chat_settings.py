"""What people set for their own chats, and that nothing is made of those that they closed to learning."""

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from collect.chat_settings import ChatSettings, chat_settings, keep_chat_settings
from collect.conversations import conversations_of
from collect.formats.write import export_conversations
from collect.own_data import own_data
from collect.reviews import record_review
from collect.snapshot import write_snapshot
from collect.store import Cursor
from collect.verified.pairs import list_pairs, read_mark
from nightschool.records import Feedback, Message, Review, Vote

from .conftest import AT, BOT, give

Tell = Callable[..., list[Message]]


def close_to_learning(cursor: Cursor, conversation_id: str, *, is_private: bool = True) -> None:
    settings = ChatSettings(is_private=is_private)
    keep_chat_settings(cursor, conversation_id=conversation_id, settings=settings, at=AT)


def test_settings_are_as_set_last_and_begin_as_nothing(cursor: Cursor) -> None:
    assert chat_settings(cursor, conversation_id="c") == ChatSettings("", is_pinned=False, is_private=False)
    for settings in (ChatSettings("One"), ChatSettings("Two", is_pinned=True), ChatSettings("", is_private=True)):
        keep_chat_settings(cursor, conversation_id="c", settings=settings, at=AT)
        assert chat_settings(cursor, conversation_id="c") == settings


def test_pinned_chats_stand_on_top_and_names_and_words_are_searched(cursor: Cursor, tell: Tell) -> None:
    [old, _] = tell("Über 100% Zebras?", "Yes.")
    [new, _] = tell("Lions?", "No.")
    tell("Zebras of somebody else", "No.", owner="browser:ben")
    keep_chat_settings(cursor, conversation_id=old.conversation_id, settings=ChatSettings("Z", is_pinned=True), at=AT)
    mine = conversations_of(cursor, bot=BOT, owner="browser:ada")
    assert [(one.title, one.is_pinned) for one in mine] == [("Z", True), ("Lions?", False)]
    for sought, found in (("über 100% z", [old]), ("NO.", [new]), ("z", [old]), ("_", []), ("' or 1=1 --", [])):
        names = [one.conversation_id for one in conversations_of(cursor, bot=BOT, owner="browser:ada", sought=sought)]
        assert names == [message.conversation_id for message in found]


def test_what_is_closed_to_learning_is_in_no_dataset_export_or_verified_answer(
    cursor: Cursor, tell: Tell, tmp_path: Path
) -> None:
    [_, said] = tell("Where is it?", "Here.")
    give(cursor, Feedback(said.message_id, BOT, "browser:ada", Vote.UP, (), "", "", AT))
    record_review(cursor, review=Review(said.message_id, BOT, "boss", True, "", (), AT))

    def made() -> list[int]:
        write_snapshot(cursor, bot=BOT, folder=tmp_path, at=AT)
        files = [tmp_path / f"{name}.parquet" for name in ("conversations", "messages", "feedback", "reviews")]
        rows = [pq.read_table(file).num_rows for file in files]
        return [*rows, len(list(export_conversations(cursor, bot=BOT))), len(list_pairs(cursor, bot=BOT))]

    assert made() == [1, 2, 1, 1, 1, 1]
    mark = read_mark(cursor, bot=BOT)
    close_to_learning(cursor, said.conversation_id)
    assert made() == [0, 0, 0, 0, 0, 0]
    assert read_mark(cursor, bot=BOT) != mark
    close_to_learning(cursor, said.conversation_id, is_private=False)
    assert made() == [1, 2, 1, 1, 1, 1]


def test_people_get_their_own_chats_and_votes_and_nobody_elses(cursor: Cursor, tell: Tell) -> None:
    [asked, said] = tell("Where is it?", "Here.")
    tell("A secret", "Kept.", owner="browser:ben")
    give(cursor, Feedback(said.message_id, BOT, "browser:ada", Vote.DOWN, ("wrong",), "There!", "", AT))
    found = own_data(cursor, owner="browser:ada")
    [chat] = found["conversations"]
    assert [line["content"] for line in chat["messages"]] == [asked.content, said.content]
    assert chat["created_at"] == AT.isoformat()
    assert [(vote["vote"], vote["comment"]) for vote in found["votes"]] == [("down", "There!")]
    assert "secret" not in str(found)
    assert own_data(cursor, owner="browser:nobody")["conversations"] == []
