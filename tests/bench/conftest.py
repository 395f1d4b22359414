"""A server as the nights' benchmark makes it, with the fake engine."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from bench.common.moved_server import Site, served
from nightschool.prompt import Template
from nightschool.records import utc_now
from nightschool.settings import EngineSettings, NightSettings, ServerSettings, Settings, StoreSettings
from serve.app import open_parts
from serve.secrets import open_secrets

BOT = (
    'name = "ours"\ntitle = "Shop"\nsystem_prompt = "You are a shop."\n'
    '[privacy]\nmask = "off"\n[schedule]\nenabled = false\n'
)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """Its engine repeats the question, which pleases nobody."""
    bots = tmp_path / "bots"
    bots.mkdir()
    (bots / "ours.toml").write_text(BOT)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Settings(
        home=tmp_path / "data",
        bots=bots,
        server=ServerSettings(port=port, requests_per_minute=1_000_000),
        engine=EngineSettings(kind="echo"),
        store=StoreSettings(memory_gib=0.5, threads=1),
        night=NightSettings(min_free_gib=0),
    )
    settings.paths.create()
    secrets = open_secrets(settings.paths).secrets
    opening = open_parts(settings, base_model="echo", template=Template(), secrets=secrets)
    async with opening as parts, served(parts, settings):
        key = settings.paths.operator_key.read_text().strip()
        address, headers = f"http://127.0.0.1:{port}", {"authorization": f"Bearer {key}"}
        while parts.engine_status().state != "ready":
            await asyncio.sleep(0.05)
        async with httpx.AsyncClient(base_url=address, headers=headers) as operator:
            yield Site(parts, address, operator, utc_now)
