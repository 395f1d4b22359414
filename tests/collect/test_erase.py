"""Whose words an erasure is about."""

from collections.abc import Callable

from collect.erase import find_doomed, texts_of
from collect.store import Cursor
from nightschool.records import Feedback, Message, Vote

from .conftest import AT, give

Tell = Callable[..., list[Message]]


def test_a_keys_words_are_those_of_all_people_behind_it_and_of_nobody_else(cursor: Cursor, tell: Tell) -> None:
    _, answer = tell("Where is it?", "On its way.", owner="browser:ada")
    tell("And mine?", "Sent.", owner="key:shop/user-1")
    tell("And his?", "Lost.", owner="key:shop/x")
    for voter, comment in (("key:shop/user-1", "Late!"), ("key:shop", "Too late!"), ("key:shop/x", "Fine.")):
        give(cursor, Feedback(answer.message_id, answer.bot, voter, Vote.DOWN, (), comment, "", AT))
    doomed = find_doomed(cursor, kind="user", subject="key:shop")
    assert doomed.voted_ids == (answer.message_id,)
    assert set(texts_of(cursor, doomed=doomed, subject="key:shop")) == {"And mine?", "Sent.", "Late!", "Too late!"}
