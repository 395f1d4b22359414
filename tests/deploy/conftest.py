"""A real record and the fake engine, for what stands between them."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from collect.store import Store, open_store
from nightschool.echo import EchoEngine
from nightschool.home import Home


@pytest.fixture
async def store(tmp_path: Path, blank_record: Path) -> AsyncIterator[Store]:
    file = shutil.copyfile(blank_record, tmp_path / "record.duckdb")
    async with open_store(file, temp=tmp_path / "temp", memory_gib=0.5, threads=1) as store:
        yield store


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def engine() -> EchoEngine:
    return EchoEngine()
