"""Every part of a server goes by the clock that it was given."""

from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial

from collect import cycles
from collect.conversations import conversation_messages
from nightschool.prompt import Template
from nightschool.records import BotName, Vote
from nightschool.settings import Settings
from serve.app import open_parts
from serve.secrets import OpenedSecrets
from serve.votes import Opinion

NEXT_YEAR = datetime(2031, 5, 4, 12, tzinfo=UTC)


async def test_answers_votes_and_nights_are_dated_by_the_clock_that_is_given(
    settings: Settings, secrets: OpenedSecrets
) -> None:
    settings.paths.create()
    opening = open_parts(
        settings, base_model="echo", template=Template(), secrets=secrets.secrets, now=lambda: NEXT_YEAR
    )
    async with opening as parts:
        bot = parts.shelf.find("support")
        turn = await parts.turns.begin_chat(bot, owner="browser:1", conversation_id=None, text="Hello?")
        async with aclosing(parts.turns.answer(turn)) as deltas:
            async for _ in deltas:
                pass
        vote = await parts.votes.cast(turn.answer_id, Opinion(Vote.UP), owner="browser:1")
        night = await parts.nights.start(BotName("support"), actor="test")
        read = partial(conversation_messages, conversation_id=turn.conversation.conversation_id)
        said = await parts.store.read(read)
        [row] = await parts.store.read(cycles.list_cycles)
    assert {message.created_at for message in said} == {NEXT_YEAR}
    assert (vote.voted_at, night.started_at, row.started_at) == (NEXT_YEAR,) * 3
