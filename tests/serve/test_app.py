"""Every part of a server goes by the clock that it was given."""

import asyncio
import errno
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from functools import partial
from unittest.mock import Mock

import duckdb
import pytest

from collect import cycles
from collect.conversations import conversation_messages
from nightschool.errors import RecordError
from nightschool.prompt import Template
from nightschool.records import BotName, Vote
from nightschool.settings import Settings
from serve.app import open_parts
from serve.cli.up import known_failure
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


async def test_a_page_that_changes_while_the_server_runs_counts_within_seconds(
    settings: Settings, secrets: OpenedSecrets
) -> None:
    settings.paths.create()
    page, file = settings.bots / "pages" / "shipping.md", settings.bots / "support.toml"
    page.parent.mkdir()
    file.write_text(file.read_text() + '[knowledge]\nfolder = "pages"\n')
    async with open_parts(settings, base_model="echo", template=Template(), secrets=secrets.secrets) as parts:
        for told in (["Express costs 12 euro."], ["Express costs 14 euro."], []):
            page.write_text(told[0]) if told else page.unlink()
            async with asyncio.timeout(20):
                while [
                    p.text for p in parts.knowledge.search(BotName("support"), ["What is express?"]).passages
                ] != told:
                    await asyncio.sleep(0.05)


async def test_nothing_of_an_export_stays_that_a_killed_server_was_writing(
    settings: Settings, secrets: OpenedSecrets
) -> None:
    settings.paths.create()
    (left := settings.paths.temp / "export-left").write_text("What people said.")
    async with open_parts(settings, base_model="echo", template=Template(), secrets=secrets.secrets):
        assert not left.exists()


async def test_a_disk_that_is_full_as_the_server_starts_is_told_in_words(
    settings: Settings, secrets: OpenedSecrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.paths.create()
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr("serve.app.write_atomic", Mock(side_effect=full))
    with pytest.raises(ExceptionGroup) as ended:
        async with open_parts(settings, base_model="echo", template=Template(), secrets=secrets.secrets):
            pass
    assert known_failure(ended.value) is full


async def test_a_record_that_was_closed_by_a_failure_ends_the_server(
    settings: Settings, secrets: OpenedSecrets
) -> None:
    """So that whoever supervises it starts it again: `run_up` ends with the error's own exit code."""
    settings.paths.create()

    def break_down(_: object) -> None:
        raise duckdb.FatalException("Failed to create checkpoint: No space left on device")

    async def serve() -> None:
        async with open_parts(settings, base_model="echo", template=Template(), secrets=secrets.secrets) as parts:
            with suppress(RecordError):
                await parts.store.write(break_down)
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as ended:
        await serve()
    known = known_failure(ended.value)
    assert isinstance(known, RecordError)
    assert (known.exit_code, "finds no room on its disk" in str(known)) == (1, True)
