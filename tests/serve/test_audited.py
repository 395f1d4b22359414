"""Who made the console's password stands in the audit, whether or not a server ran when they did."""

import asyncio
import errno
import os
import pwd
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from collect.events import list_events
from collect.store import Store
from nightschool.errors import RecordError, Unavailable
from nightschool.home import Home
from serve.audited import EVERY_BOT, follow_passwords
from serve.parts import Parts
from serve.secrets import Secrets, open_secrets, set_password

ME = f"{pwd.getpwuid(os.getuid()).pw_name} (command line)"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@asynccontextmanager
async def followed(secrets: Secrets, store: Store) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(follow_passwords(secrets, store, period_s=0.01))
        yield
        task.cancel()


async def makers(store: Store, *, at_least: int) -> list[str]:
    """Who made passwords, oldest first, once there are so many."""
    async with asyncio.timeout(20):
        while True:
            found = await store.read(partial(list_events, bot=EVERY_BOT))
            actors = [e.actor for e in reversed(found) if (e.action, e.subject) == ("made a password", "console")]
            if len(actors) >= at_least:
                return actors
            await asyncio.sleep(0.01)


async def test_each_password_leaves_its_line_once(parts: Parts, home: Home) -> None:
    opened = open_secrets(home)
    set_password(home)
    async with followed(opened.secrets, parts.store):
        assert await makers(parts.store, at_least=2) == ["the first start", ME]
        set_password(home)
        assert await makers(parts.store, at_least=3) == ["the first start", ME, ME]
    set_password(home)
    async with followed(open_secrets(home).secrets, parts.store):
        assert await makers(parts.store, at_least=4) == ["the first start", ME, ME, ME]


async def test_a_record_that_fails_has_the_line_later(
    parts: Parts, home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write = parts.store.write

    async def full_once(change: Callable[..., Any]) -> Any:
        monkeypatch.setattr(parts.store, "write", write)
        raise RecordError("could not do that", subject="record", remedy="Free disk space.")

    monkeypatch.setattr(parts.store, "write", full_once)
    async with followed(open_secrets(home).secrets, parts.store):
        assert await makers(parts.store, at_least=1) == ["the first start"]
    assert "not in the audit yet" in caplog.text


def test_of_many_at_once_the_last_password_counts_and_no_line_is_lost(home: Home) -> None:
    secrets = open_secrets(home).secrets
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: set_password(home), range(6)))
    assert [change.by for change in secrets.changes()] == ["the first start", *[ME] * 6]
    assert sum(map(secrets.check_password, made)) == 1


def test_the_file_does_not_grow_for_ever(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve.secrets.MAX_CHANGES", 3)
    secrets = open_secrets(home).secrets
    for _ in range(4):
        set_password(home)
    assert [change.by for change in secrets.changes()] == [ME] * 3


def test_on_a_full_disk_the_password_of_before_counts(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_secrets(home)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable, match=r"cannot be written \(No space left on device\)"):
        set_password(home)
    assert opened.secrets.check_password(opened.new_password or "")
    assert len(opened.secrets.changes()) == 1
