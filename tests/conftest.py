"""Tiers: which tests this machine can run. In CI only `gpu` may be skipped, so there a missing tool is a failure."""

import importlib.util
import os
import re
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import duckdb
import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from collect.migrations.runner import migrate

# A machine that is busy with engines and browsers is slow, and no test is about its pace.
settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")


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


HEAVY: Final = re.compile(r"mark\.(?:engine|train|browser)\b")


class OneMachine(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Files that start engines, trainers or browsers run one after the other in one process, all others beside them."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "heavy" if is_heavy(file) else file


@cache
def is_heavy(file: str) -> bool:
    return HEAVY.search((Path(__file__).parents[1] / file).read_text()) is not None


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> OneMachine:
    return OneMachine(config, log)


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    for tier in ("engine", "train", "browser", "gpu"):
        lack = missing_tool(tier)
        may_skip = tier == "gpu" or not os.environ.get("CI")
        if lack and may_skip:
            for item in items:
                if item.get_closest_marker(tier):
                    item.add_marker(pytest.mark.skip(reason=lack))
