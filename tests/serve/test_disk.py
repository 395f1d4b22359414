"""A disk that fills is heard of before anything fails for it."""

import asyncio
import gzip
import logging
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from nightschool.room import MIB
from nightschool.settings import Settings
from serve.api import receiving
from serve.disk import GIB, look_at_disk, watch_disk
from serve.parts import Parts


class Usage(NamedTuple):
    free: int


async def test_each_change_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    rooms = iter([3.0, 1.5, 1.4, 1.3, 3.0, 3.0, 1.0])
    seen = asyncio.Event()
    loop = asyncio.get_running_loop()

    def usage(_: Path) -> Usage:
        with suppress(StopIteration):
            return Usage(free=int(next(rooms) * GIB))
        loop.call_soon_threadsafe(seen.set)
        return Usage(free=GIB)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    caplog.set_level(logging.INFO, "serve.disk")
    watching = asyncio.create_task(watch_disk(tmp_path, min_free_gib=2, period_s=0))
    async with asyncio.timeout(10):
        await seen.wait()
    watching.cancel()
    told = [(record.levelname, record.getMessage().split()[0]) for record in caplog.records]
    assert told == [("WARNING", "disk=low"), ("INFO", "disk=ok"), ("WARNING", "disk=low")]


def test_a_folder_that_is_gone_has_no_room(tmp_path: Path) -> None:
    assert look_at_disk(tmp_path / "gone", min_free_gib=0.1).is_low
    assert not look_at_disk(tmp_path, min_free_gib=0).is_low


class TestWhereItIsLow:
    @pytest.fixture
    def settings(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
        """1.5 GiB of room where 2 are wanted."""
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free=int(1.5 * GIB)))
        return settings.model_copy(update={"night": settings.night.model_copy(update={"min_free_gib": 2.0})})

    async def test_readiness_and_status_say_so(self, anonymous: httpx.AsyncClient, operator: httpx.AsyncClient) -> None:
        ready = await anonymous.get("/readyz")
        assert (ready.status_code, ready.json()["disk"]) == (200, "low")
        assert (await operator.get("/ops/status")).json()["disk"] == {"free_gib": 1.5, "is_low": True}

    async def test_no_night_begins_and_the_reason_is_told(self, operator: httpx.AsyncClient) -> None:
        refused = await operator.post("/ops/night", json={"bot": "support"})
        assert refused.status_code == 503
        assert "only 1.5 GiB of disk are free" in refused.json()["error"]["message"]

    async def test_what_would_fill_it_is_refused_before_it_begins(
        self, operator: httpx.AsyncClient, client: httpx.AsyncClient, parts: Parts
    ) -> None:
        line = b'{"question": "How?", "answer": "So."}\n'
        sent, purpose = {"file": ("rows.jsonl", line)}, {"purpose": "fine-tune"}
        refused = [
            await operator.post("/ops/import", params={"bot": "support"}, content=line),
            await operator.get("/ops/export/answers", params={"bot": "support"}),
            await operator.post("/ops/datasets", json={"bot": "support"}),
            await operator.post("/ops/adapters", params={"bot": "support", "name": "mine"}, content=b"tar"),
            await client.post("/v1/files", files=sent, data=purpose),
            await client.post("/v1/fine_tuning/jobs", json={"model": "support", "training_file": "file-none"}),
        ]
        for reply in refused:
            error = reply.json()["error"]
            assert (reply.status_code, error["type"], error["code"]) == (503, "server_error", "unavailable"), error
            assert "of disk are free" in error["message"]
            assert "ree some" in error["message"]
            assert str(parts.home.root) not in error["message"]
        assert await parts.store.read(lambda cursor: cursor.execute("select count(*) from messages").fetchone()) == (0,)
        assert list(parts.home.temp.iterdir()) == []


class TestBodies:
    """What is sent goes by its size: 100 MiB are free, of which 40 must stay so."""

    @pytest.fixture
    def settings(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free=100 * MIB))
        return settings.model_copy(update={"night": settings.night.model_copy(update={"min_free_gib": 40 / 1024})})

    async def test_an_import_that_fits_is_taken_and_one_that_does_not_is_refused_by_its_announced_size(
        self, operator: httpx.AsyncClient
    ) -> None:
        line = b'{"question": "How?", "answer": "So."}\n'
        done = await operator.post("/ops/import", params={"bot": "support"}, content=line)
        assert done.json()["imported"] == 1

        async def body() -> AsyncIterator[bytes]:
            yield line

        headers = {"content-length": str(16 * MIB)}
        refused = await operator.post("/ops/import", params={"bot": "support"}, content=body(), headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
        assert "100 MiB of disk are free, it may take 64 and 40 must stay free" in refused.json()["error"]["message"]

    async def test_one_of_unknown_size_is_refused_once_it_turns_out_too_large(
        self, operator: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(receiving, "LOOK_BYTES", 2 * MIB)
        sent = 0

        async def body() -> AsyncIterator[bytes]:
            nonlocal sent
            for _ in range(64):
                sent += MIB
                yield b"x" * MIB

        refused = await operator.post("/ops/import", params={"bot": "support"}, content=body())
        assert refused.status_code == 503
        assert 20 * MIB < sent < 24 * MIB

    async def test_a_packed_one_counts_as_what_it_unpacks_to(self, operator: httpx.AsyncClient) -> None:
        packed = gzip.compress(b" " * 21 * MIB)
        refused = await operator.post("/ops/import", params={"bot": "support"}, content=packed)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
