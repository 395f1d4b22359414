"""`nightschool up` on folders of every kind, as a process of its own."""

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from nightschool.folder import hold_folder
from nightschool.home import Home

Speak = Callable[..., Any]
ROOT = Path(__file__).parents[3]
START_S = 60


@contextmanager
def installation(home: Path, *, umask: int = 0o022, min_free_gib: float = 0) -> Iterator[str]:
    """The URL of a server with the fake engine that has answered."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    own = {
        "NIGHTSCHOOL_ENGINE__KIND": "echo",
        "NIGHTSCHOOL_PORT": str(port),
        "NIGHTSCHOOL_BOTS": str(ROOT / "bots"),
        "NIGHTSCHOOL_NIGHT__MIN_FREE_GIB": str(min_free_gib),
    }
    command = [sys.executable, "-m", "serve.cli", "--home", str(home), "up"]
    with (home.parent / "up.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | own, stdout=log, stderr=log, umask=umask)
    try:
        deadline = time.monotonic() + START_S
        while not is_up(f"http://127.0.0.1:{port}"):
            is_late = process.poll() is not None or time.monotonic() > deadline
            assert not is_late, (home.parent / "up.log").read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


def is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", trust_env=False, verify=False).status_code == 200
    except httpx.TransportError:
        return False


def test_nothing_in_the_folder_is_for_others_even_where_the_umask_is_0(tmp_path: Path) -> None:
    home = tmp_path / "data"
    home.mkdir()
    home.chmod(0o777)
    with installation(home, umask=0):
        found = {path.relative_to(home): path.stat().st_mode for path in (home, *home.rglob("*"))}
    assert Path("record.duckdb") in found
    assert {path: oct(mode) for path, mode in found.items() if stat.S_IMODE(mode) & 0o077} == {}


def test_a_disk_with_too_little_room_stands_in_the_log_of_a_server_that_answers(tmp_path: Path) -> None:
    home = Home(tmp_path / "data")
    with installation(home.root, min_free_gib=1e9) as url:
        assert httpx.get(f"{url}/readyz", trust_env=False, verify=False).json()["disk"] == "low"
    assert (home.logs / "server.log").read_text().count("WARNING serve.disk disk=low") == 1


def test_a_folder_that_a_server_has_is_busy(lonely: Speak, tmp_path: Path) -> None:
    with hold_folder(Home(tmp_path / "lonely")):
        said = lonely("up")
    assert (said.code, said.out) == (5, "")
    assert "lonely: is in use by a running server. Stop that one" in said.err


@pytest.mark.parametrize("verb", ["up", "demo", "status", "doctor"])
def test_a_file_as_data_folder_is_told_in_words(verb: str, lonely: Speak, tmp_path: Path) -> None:
    (tmp_path / "lonely").write_text("")
    said = lonely(verb)
    assert said.code in {1, 2, 6}
    assert "Traceback" not in said.err
    assert verb != "doctor" or "is a file" in said.out


@pytest.mark.parametrize("given", ["", " ", "~nobody-of-this-name/ns"])
def test_a_home_that_is_no_path_is_wrong_input(given: str, monkeypatch: pytest.MonkeyPatch, bare: Speak) -> None:
    monkeypatch.setenv("NIGHTSCHOOL_HOME", given)
    for verb in ("up", "demo", "status"):
        said = bare(verb)
        assert (said.code, said.out) == (2, "")
        assert "environment NIGHTSCHOOL_HOME: home: " in said.err


def test_a_tilde_is_the_users_home_and_a_relative_path_is_below_here(
    monkeypatch: pytest.MonkeyPatch, bare: Speak, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "ada"))
    for given, meant in (("~/ns", tmp_path / "ada" / "ns"), ("ns", Path.cwd() / "ns")):
        monkeypatch.setenv("NIGHTSCHOOL_HOME", given)
        with hold_folder(Home(meant)):
            said = bare("up")
        assert (said.code, str(meant) in said.err) == (5, True)
