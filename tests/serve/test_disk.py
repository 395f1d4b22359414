"""A disk that fills is heard of before anything fails for it."""

import asyncio
import logging
import shutil
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from nightschool.settings import Settings
from serve.disk import GIB, look_at_disk, watch_disk


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
