"""Tiers: which tests this machine can run. In CI only `gpu` may be skipped, so there a missing tool is a failure."""

import importlib.util
import os
import shutil
from pathlib import Path
from typing import Final

import duckdb
import pytest

from collect.migrations.runner import migrate


@pytest.fixture(scope="session")
def blank_record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new record, to be copied: its migrations take longer than most tests."""
    file = tmp_path_factory.mktemp("blank") / "record.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("set global TimeZone = 'UTC'")
        migrate(connection)
    return file


def missing_tool(tier: str) -> str | None:
    """What a tier lacks on this machine, and how to get it; None where it can run."""
    match tier:
        case "browser":
            return None if shutil.which("chromium") else "no Chromium: apt-get install chromium"
        case "engine":
            return None if importlib.util.find_spec("vllm") else "no vLLM: make test"
        case "train":
            return None if importlib.util.find_spec("trl") else "no TRL: make test"
        case "gpu":
            return None if shutil.which("nvidia-smi") else "no NVIDIA GPU"
    raise ValueError(tier)


HEAVY: Final = ("engine", "train", "browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Where tests are spread over processes (make test), what starts engines, trainers and browsers stays one at a time
    # in one of them, and comes first, since it takes the longest.
    heavy = [item for item in items if any(item.get_closest_marker(tier) for tier in HEAVY)]
    for item in heavy:
        item.add_marker(pytest.mark.xdist_group("heavy"))
    items.sort(key=set(heavy).__contains__, reverse=True)
    for tier in ("engine", "train", "browser", "gpu"):
        lack = missing_tool(tier)
        may_skip = tier == "gpu" or not os.environ.get("CI")
        if lack and may_skip:
            for item in items:
                if item.get_closest_marker(tier):
                    item.add_marker(pytest.mark.skip(reason=lack))
