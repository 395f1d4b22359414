import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from collect.integrity import mark_of
from collect.migrations.runner import migrate
from nightschool.files import MANIFEST
from nightschool.settings import EngineSettings, ServerSettings, Settings
from serve.cli.address import own_url
from serve.cli.doctor import Finding, Mark, available_memory_gib, examine_machine

Nightschool = Callable[..., Awaitable[Any]]


def findings(settings: Settings) -> dict[str, Finding]:
    return {finding.what: finding for finding in examine_machine(settings)}


def with_port(settings: Settings, port: int) -> Settings:
    return settings.model_copy(update={"server": ServerSettings(port=port)})


def test_each_check_has_a_mark_and_each_trouble_a_remedy(settings: Settings) -> None:
    found = findings(settings)
    wanted = {"Python", "packages", "engine", "C++ compiler", "OpenMP", "GPU", "disk", "memory", "bots", "base model"}
    assert wanted <= set(found)
    assert [f.what for f in found.values() if f.mark is not Mark.OK and not f.remedy] == []
    assert found["bots"].found == "reviewer, support"


def test_a_port_in_use_fails_with_the_setting_to_change(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = findings(with_port(settings, port))["port"]
    assert (found.mark, found.remedy) == (Mark.FAIL, "Set NIGHTSCHOOL_PORT or server.host to another.")
    assert f"{port}: Address already in use" in found.found
    free = findings(with_port(settings, port))["server"]
    assert (free.mark, free.found) == (Mark.OK, f"not running; port {port} is free")


@pytest.mark.parametrize("host", ["no host", "x" * 70 + ".example", "256.1.1.1", "[::1]"])
def test_a_host_that_is_none_is_told(settings: Settings, host: str) -> None:
    found = findings(settings.model_copy(update={"server": ServerSettings(host=host)}))["port"]
    assert (found.mark, found.found.startswith(f"{host}:7860: ")) == (Mark.FAIL, True)


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "http://127.0.0.1:1"), ("::", "http://[::1]:1"), ("::1", "http://[::1]:1"), ("shop", "http://shop:1")],
)
def test_the_server_is_reached_by_a_url(host: str, url: str) -> None:
    assert own_url(host, 1) == url


def test_a_faulty_bot_and_a_missing_model_fail(settings: Settings, bots_folder: Path) -> None:
    (bots_folder / "support.toml").write_text("name = 'support'")
    found = findings(settings.model_copy(update={"engine": EngineSettings(model="./no-such-model")}))
    assert found["bots"].mark is Mark.FAIL
    assert "support.toml" in found["bots"].found
    assert (found["base model"].mark, found["base model"].remedy) == (Mark.FAIL, "No such folder.")


def test_a_damaged_manifest_of_the_default_model_fails(settings: Settings) -> None:
    folder = settings.paths.base_model
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_bytes(b"{")
    found = findings(settings.model_copy(update={"engine": EngineSettings()}))["base model"]
    assert (found.mark, found.found) == (Mark.FAIL, f"{folder / MANIFEST} is damaged, or another version's")


def make_record(settings: Settings, sql: str = "") -> Path:
    settings.paths.create()
    with duckdb.connect(settings.paths.store) as connection:
        migrate(connection)
        connection.execute(sql)
    return settings.paths.store


def test_a_record_is_read_through(settings: Settings) -> None:
    assert findings(settings)["record"] == Finding(Mark.OK, "record", "none yet, made at the first start")
    file = make_record(settings)
    assert findings(settings)["record"] == Finding(Mark.OK, "record", f"{file}: 0 messages, whole")


def test_a_record_that_no_server_would_open_fails(settings: Settings) -> None:
    file = make_record(settings, "insert into migrations values ('m999_later', now())")
    newer = findings(settings)["record"]
    assert (newer.mark, newer.remedy) == (Mark.FAIL, "Upgrade Nightschool.")
    assert "newer Nightschool (m999_later)" in newer.found
    file.write_bytes(b"SQLite format 3\0" * 1_000)
    damaged = findings(settings)["record"]
    assert (damaged.mark, damaged.remedy) == (Mark.FAIL, "Bring back a backup: nightschool restore.")
    assert f"{file} is damaged" in damaged.found
    file.unlink()
    mark_of(file).write_text('{"phase": "closed", "file_bytes": 12288}')
    missing = findings(settings)["record"]
    assert (missing.mark, f"{file} is missing" in missing.found) == (Mark.FAIL, True)


def test_rows_of_a_record_that_belong_to_nothing_fail(settings: Settings) -> None:
    file = make_record(settings, "insert into reviews values ('nowhere', 'support', 'boss', true, '', [], now())")
    found = findings(settings)["record"]
    assert (found.mark, found.found) == (Mark.FAIL, f"{file} holds 1 rulings on no message")


def test_a_server_that_was_killed_is_a_warning(settings: Settings) -> None:
    settings.paths.create()
    settings.paths.server_state.write_text('{"url": "http://127.0.0.1:9"}')
    found = findings(settings)["server"]
    assert (found.mark, found.found) == (Mark.WARN, "does not answer at http://127.0.0.1:9")
    settings.paths.server_state.write_text("{")
    damaged = findings(settings)["server"]
    assert (damaged.mark, damaged.remedy) == (Mark.FAIL, "Delete it and start again: make up.")


def test_a_container_s_limit_counts(tmp_path: Path) -> None:
    free = available_memory_gib(cgroup=tmp_path)
    (tmp_path / "memory.stat").write_text(f"anon {2**28}\nfile {2**29}\n")
    (tmp_path / "memory.max").write_text(f"{2**29}\n")
    assert available_memory_gib(cgroup=tmp_path) == pytest.approx(min(free, 0.25))
    (tmp_path / "memory.max").write_text("max\n")
    assert available_memory_gib(cgroup=tmp_path) > 0.25


async def test_the_verb_needs_no_server_but_sees_one(
    nightschool: Nightschool, lonely: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, bots_folder: Path, url: str
) -> None:
    monkeypatch.setenv("NIGHTSCHOOL_BOTS", str(bots_folder))
    rows = {row["what"]: row for row in json.loads((await nightschool("doctor", "--json")).out)}
    assert (rows["server"]["mark"], rows["server"]["found"]) == ("ok", f"{url} ready")
    assert rows["record"]["mark"] == "ok"
    assert rows["record"]["found"].endswith("the server has it open")
    monkeypatch.setenv("NIGHTSCHOOL_BOTS", str(bots_folder / "none"))
    alone = lonely("doctor")
    assert (alone.code, "fail\tbots" in alone.out) == (1, True)
