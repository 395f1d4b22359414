from datetime import UTC, datetime

import pytest

from collect.side_by_side import Duel
from nightschool.errors import NotFound
from nightschool.records import BotName, Choice, Finish, Message, Source
from serve.branches import Tree, is_torso, without_torsos


def said(message_id: str, parent_id: str | None, content: str = "words", finish: Finish | None = None) -> Message:
    """A question where the id begins with q, else an answer."""
    role = "user" if message_id.startswith("q") else "assistant"
    ended = None if role == "user" else finish or Finish.STOP
    return Message(
        message_id=message_id,
        conversation_id="c",
        bot=BotName("support"),
        parent_id=parent_id,
        role=role,  # type: ignore[arg-type]
        content=content,
        source=Source.CHAT,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        finish=ended,
    )


def path_of(tree: Tree, below: str | None = None) -> list[str]:
    return [message.message_id for message in tree.path(tree.newest_leaf(below))]


def test_an_empty_conversation_has_no_branch() -> None:
    assert path_of(Tree([])) == []


def test_the_newest_branch_is_shown() -> None:
    tree = Tree([said("q1", None), said("a1", "q1"), said("q2", "a1"), said("a2", "q2"), said("a1'", "q1")])
    assert path_of(tree) == ["q1", "a1'"]
    assert path_of(tree, below="a1") == ["q1", "a1", "q2", "a2"]
    assert tree.siblings(tree.path("a1")[-1]) == ("a1", "a1'")


@pytest.mark.parametrize(("content", "finish"), [("wor", Finish.ERROR), ("", Finish.STOP), (" \n", Finish.PARTIAL)])
def test_a_torso_never_stands_before_a_whole_answer(content: str, finish: Finish) -> None:
    tree = Tree([said("q1", None), said("a1", "q1"), said("torso", "q1", content, finish)])
    assert path_of(tree) == ["q1", "a1"]
    assert path_of(tree, below="torso") == ["q1", "torso"]
    assert path_of(Tree([said("q1", None), said("torso", "q1", content, finish)])) == ["q1", "torso"]


def test_a_stopped_answer_is_no_torso() -> None:
    assert not is_torso(said("a", "q", "wor", Finish.PARTIAL))


def test_a_prompt_holds_neither_torsos_nor_what_they_failed_to_answer() -> None:
    path = [said("q1", None), said("a1", "q1", "", Finish.ERROR), said("q2", "a1"), said("a2", "q2")]
    assert [message.message_id for message in without_torsos(path)] == ["q2", "a2"]


def test_a_message_of_another_conversation_has_no_path() -> None:
    with pytest.raises(NotFound):
        Tree([said("q1", None)]).path("elsewhere")


def answered_twice(*more: Message, choice: Choice | None = None) -> Tree:
    """Of `a` and `b`, of which production's `a` was recorded first and stood left."""
    return Tree([said("q", None), said("a", "q"), said("b", "q"), *more], [Duel("a", "b", choice, is_usual_left=True)])


@pytest.mark.parametrize(
    ("choice", "leaf"),
    [(None, "a"), (Choice.LEFT, "a"), (Choice.SAME, "a"), (Choice.BOTH_BAD, "a"), (Choice.RIGHT, "b")],
)
def test_of_two_that_were_given_at_once_the_better_one_is_gone_on_with(choice: Choice | None, leaf: str) -> None:
    tree = answered_twice(choice=choice)
    assert tree.newest_leaf() == leaf
    assert (tree.newest_leaf("a"), tree.newest_leaf("b")) == ("a", "b")
    assert (tree.undecided(leaf) is None) == (choice is not None)


def test_whoever_went_on_from_the_other_one_is_there_again() -> None:
    assert answered_twice(said("q2", "b"), said("a2", "q2")).newest_leaf() == "a2"
    assert answered_twice(said("retry", "q"), choice=Choice.RIGHT).newest_leaf() == "retry"
    assert answered_twice(said("retry", "q"), choice=Choice.LEFT).newest_leaf() == "retry"


def test_where_production_failed_the_other_one_is_shown() -> None:
    tree = Tree([said("q", None), said("a", "q", "", Finish.ERROR), said("b", "q")], [Duel("a", "b")])
    assert tree.newest_leaf() == "b"


def test_what_was_gone_on_from_tried_again_or_came_alone_is_not_asked_about() -> None:
    assert answered_twice().undecided("b") == Duel("a", "b", None, is_usual_left=True)
    assert answered_twice().undecided("q") is None
    assert answered_twice(said("q2", "a")).undecided("a") is None
    assert answered_twice(said("retry", "q")).undecided("a") is None
    assert Tree([said("q", None), said("b", "q")], [Duel("a", "b")]).undecided("b") is None
