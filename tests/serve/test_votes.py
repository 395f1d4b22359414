import asyncio
from contextlib import aclosing

import pytest

from nightschool.errors import InvalidInput, NotAllowed, NotFound
from nightschool.records import Feedback, Vote
from serve.parts import Parts
from serve.turns import Turn
from serve.votes import Opinion

OWNER = "browser:ada"


@pytest.fixture
async def turn(parts: Parts) -> Turn:
    """A question of Ada's that was answered."""
    turn = await parts.turns.begin_chat(parts.shelf.find("support"), owner=OWNER, conversation_id=None, text="hello")
    async with aclosing(parts.turns.answer(turn)) as deltas:
        async for _ in deltas:
            pass
    return turn


def opinion_of(row: Feedback) -> tuple[Vote, tuple[str, ...], str, str]:
    return row.vote, row.reasons, row.comment, row.ideal_answer


async def test_vote_retract_vote_equals_vote(parts: Parts, turn: Turn) -> None:
    once = await parts.votes.cast(turn.answer_id, Opinion(Vote.UP), owner=OWNER)
    await parts.votes.cast(turn.answer_id, Opinion(Vote.NONE), owner=OWNER)
    again = await parts.votes.cast(turn.answer_id, Opinion(Vote.UP), owner=OWNER)
    assert opinion_of(again) == opinion_of(once)
    assert await parts.votes.read(turn.answer_id, owner=OWNER) == again


async def test_what_is_not_said_stays_and_an_empty_word_clears(parts: Parts, turn: Turn) -> None:
    await parts.votes.cast(turn.answer_id, Opinion(Vote.DOWN, ["wrong"], "No", "Yes"), owner=OWNER)
    row = await parts.votes.cast(turn.answer_id, Opinion(comment="", reasons=[]), owner=OWNER)
    assert opinion_of(row) == (Vote.DOWN, (), "", "Yes")


async def test_a_vote_and_a_comment_at_once_lose_neither(parts: Parts, turn: Turn) -> None:
    await asyncio.gather(
        parts.votes.cast(turn.answer_id, Opinion(vote=Vote.DOWN), owner=OWNER),
        parts.votes.cast(turn.answer_id, Opinion(reasons=["rude"]), owner=OWNER),
        parts.votes.cast(turn.answer_id, Opinion(comment="No"), owner=OWNER),
        parts.votes.cast(turn.answer_id, Opinion(ideal_answer="Yes"), owner=OWNER),
    )
    row = await parts.votes.read(turn.answer_id, owner=OWNER)
    assert opinion_of(row) == (Vote.DOWN, ("rude",), "No", "Yes")


async def test_only_the_owner_and_an_operator_may_vote_or_look(parts: Parts, turn: Turn) -> None:
    for message_id, owner in ((turn.answer_id, "browser:eve"), ("nothing", OWNER)):
        with pytest.raises(NotFound):
            await parts.votes.cast(message_id, Opinion(Vote.UP), owner=owner)
        with pytest.raises(NotFound):
            await parts.votes.read(message_id, owner=owner)
    await parts.votes.cast(turn.answer_id, Opinion(Vote.DOWN), owner="key:boss", is_operator=True)
    with pytest.raises(NotFound, match="has no feedback"):
        await parts.votes.read(turn.answer_id, owner=OWNER)


async def test_a_question_is_nothing_to_vote_on(parts: Parts, turn: Turn) -> None:
    with pytest.raises(InvalidInput):
        await parts.votes.cast(turn.asked[-1].message_id, Opinion(Vote.UP), owner=OWNER)


async def test_what_is_too_long_is_named(parts: Parts, turn: Turn) -> None:
    for opinion, param in (
        (Opinion(reasons=["r"] * 11), "reasons"),
        (Opinion(reasons=["r" * 201]), "reasons"),
        (Opinion(comment="c" * 20_001), "comment"),
        (Opinion(ideal_answer="c" * 20_001), "ideal_answer"),
    ):
        with pytest.raises(InvalidInput) as refused:
            await parts.votes.cast(turn.answer_id, opinion, owner=OWNER)
        assert refused.value.param == param


async def test_the_votes_of_a_conversation_are_ones_own(parts: Parts, turn: Turn) -> None:
    mine = await parts.votes.cast(turn.answer_id, Opinion(Vote.UP), owner=OWNER)
    await parts.votes.cast(turn.answer_id, Opinion(Vote.DOWN), owner="key:boss", is_operator=True)
    found = await parts.votes.in_conversation(turn.conversation.conversation_id, owner=OWNER)
    assert found == {turn.answer_id: mine}


@pytest.mark.parametrize(
    ("switch", "refused", "taken"),
    [
        ("votes", Opinion(Vote.UP), Opinion(Vote.NONE)),
        ("votes", Opinion(reasons=["wrong"]), Opinion(Vote.NONE, [], "", "")),
        ("comments", Opinion(Vote.DOWN, comment="No"), Opinion(Vote.DOWN, ["wrong"], "", "")),
        ("comments", Opinion(ideal_answer="Yes"), Opinion(Vote.UP)),
    ],
)
async def test_a_bot_takes_no_words_that_its_file_switches_off(
    parts: Parts, turn: Turn, switch: str, refused: Opinion, taken: Opinion
) -> None:
    file = parts.settings.bots / "support.toml"
    file.write_text(f"{file.read_text()}\n[feedback]\n{switch} = false\n")
    parts.shelf.look()
    with pytest.raises(NotAllowed, match=f"feedback.{switch} is off") as caught:
        await parts.votes.cast(turn.answer_id, refused, owner=OWNER)
    assert caught.value.status == 403
    assert (await parts.votes.cast(turn.answer_id, taken, owner=OWNER)).vote is taken.vote
