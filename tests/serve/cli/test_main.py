import errno
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

Speak = Callable[..., Any]
ROOT = Path(__file__).parents[3]

LIVE_VERBS = [
    ["status"],
    ["import", "-", "--bot", "support"],
    ["export", "--bot", "support"],
    ["night", "--bot", "support"],
    ["adapters"],
    ["events"],
    ["report", "some-cycle"],
    ["promote", "--bot", "support", "--reason", "why"],
    ["jobs"],
    ["adopt", "ft:base:x::y", "--bot", "support", "--reason", "why"],
    ["rollback", "--bot", "support", "--reason", "why"],
    ["keys", "list"],
    ["keys", "create", "--name", "n"],
    ["keys", "revoke", "--name", "n"],
]


@pytest.mark.parametrize("verb", LIVE_VERBS, ids=" ".join)
def test_without_a_server_one_line_says_so(lonely: Speak, verb: list[str]) -> None:
    said = lonely(*verb)
    assert (said.code, said.out) == (6, "")
    assert said.err.count("\n") == 1
    assert "no server is running. Start one: make up" in said.err


def test_a_server_that_was_killed_is_not_running_either(lonely: Speak, tmp_path: Path) -> None:
    home = tmp_path / "lonely"
    home.mkdir()
    (home / "server.json").write_text('{"url": "http://127.0.0.1:9", "pid": 1}')
    (home / "operator.key").write_text("ns-old\n")
    said = lonely("status")
    assert (said.code, said.out) == (6, "")
    assert "http://127.0.0.1:9: no server is running" in said.err


@pytest.mark.parametrize("damaged", ["", "{}", "[1]", "no json", '{"url": 5}', '{"url": "nonsense"}'])
def test_a_damaged_note_of_the_server_is_named(lonely: Speak, tmp_path: Path, damaged: str) -> None:
    home = tmp_path / "lonely"
    home.mkdir()
    (home / "server.json").write_text(damaged)
    (home / "operator.key").write_text("ns-old\n")
    said = lonely("status")
    assert (said.code, said.out) == (6, "")
    assert "server.json: is damaged" in said.err


@pytest.mark.parametrize("damaged", [b"", b"ns-\xc3\xbc", b"ns-\xff", b"ns-a\x00"])
def test_a_damaged_key_of_the_server_is_named(lonely: Speak, tmp_path: Path, damaged: bytes) -> None:
    home = tmp_path / "lonely"
    home.mkdir()
    (home / "server.json").write_text('{"url": "http://127.0.0.1:9", "pid": 1}')
    (home / "operator.key").write_bytes(damaged)
    said = lonely("status")
    assert (said.code, said.out, said.err.count("\n")) == (6, "", 1)
    assert "operator.key: is damaged" in said.err


@pytest.mark.parametrize(
    "wrong",
    [["nonsense"], ["night"], ["promote", "--bot", "support", "--version", "0", "--reason", "x"], ["keys", "x"]],
)
def test_a_wrong_call_is_explained_on_stderr(lonely: Speak, wrong: list[str]) -> None:
    said = lonely(*wrong)
    assert (said.code, said.out) == (2, "")
    assert "Usage: nightschool" in said.err


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    script = (
        "import sys, serve.cli.main as m\n"
        "try: m.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'duckdb', 'gradio', 'fastapi', 'pydantic', 'httpx', 'torch'}\n"
        "print(*sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stderr.strip() == ""
    assert "night" in done.stdout


def test_both_names_start_it() -> None:
    program = Path(sys.executable).with_name("nightschool")
    for command in ([str(program)], [sys.executable, "-m", "serve.cli"]):
        done = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True, cwd=ROOT)
        assert done.stdout.startswith("Usage: nightschool [OPTIONS] COMMAND")


def test_settings_say_where_each_value_came_from(
    lonely: Speak, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "own.toml"
    config.write_text("[engine]\napi_key = 'hush'\nmax_adapters = 6\n")
    monkeypatch.setenv("NIGHTSCHOOL_PORT", "7999")
    said = lonely("--config", str(config), "settings", "--json")
    rows = {row["key"]: row for row in said.json}
    assert (rows["home"]["value"], rows["home"]["origin"]) == (str(tmp_path / "lonely"), "option --home")
    assert (rows["server.port"]["value"], rows["server.port"]["origin"]) == ("7999", "environment NIGHTSCHOOL_PORT")
    assert (rows["engine.max_adapters"]["value"], rows["engine.max_adapters"]["origin"]) == ("6", str(config))
    assert rows["engine.kind"]["origin"] == "default"
    assert all(row["help"] for row in said.json)
    assert "hush" not in said.out + lonely("--config", str(config), "settings").out


def test_faults_of_the_settings_are_told_all_at_once(lonely: Speak, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSCHOOL_PORT", "often")
    monkeypatch.setenv("NIGHTSCHOOL_ENGINE__KINDS", "echo")
    said = lonely("settings")
    assert (said.code, said.out) == (2, "")
    assert "NIGHTSCHOOL_PORT: server.port" in said.err
    assert "did you mean engine.kind?" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("verb", "name"), [("up", "SERVER"), ("settings", "CONFIG"), ("doctor", "ENGINE"), ("status", "ENGINE__API_KEY")]
)
def test_a_setting_of_the_wrong_type_is_wrong_input_for_every_verb(
    verb: str, name: str, lonely: Speak, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(f"NIGHTSCHOOL_{name}", str(tmp_path) if name == "CONFIG" else "sk-secret\x01")
    said = lonely(verb)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("nightschool: ")
    assert "Traceback" not in said.err
    assert "sk-secret" not in said.err


def test_a_settings_file_that_is_not_there_is_named(lonely: Speak, tmp_path: Path) -> None:
    said = lonely("--config", str(tmp_path / "none.toml"), "settings")
    assert said.code == 2
    assert "none.toml: cannot be read (No such file or directory)" in said.err


@pytest.mark.parametrize("coding", ["ascii", "latin-1", "utf-8"])
def test_words_of_any_alphabet_leave_a_terminal_of_any_locale_standing(tmp_path: Path, coding: str) -> None:
    named = "f\u00fcr \u5927\u5bb6 \U0001f331"
    given = {"NIGHTSCHOOL_BOTS": named, "PYTHONIOENCODING": coding, "PYTHONUTF8": "0", "PYTHONPATH": str(ROOT)}

    def settings(*options: str) -> bytes:
        command = [sys.executable, "-m", "serve.cli", "settings", *options]
        return subprocess.run(command, capture_output=True, check=True, cwd=tmp_path, env=given).stdout

    rows = json.loads(settings("--json").decode(coding))
    assert [row["value"] for row in rows if row["key"] == "bots"] == [named]
    assert b"bots\t" + named.encode(coding, "backslashreplace") + b"\tenvironment NIGHTSCHOOL_BOTS" in settings()


@pytest.mark.parametrize("kind", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_in_words(lonely: Speak, monkeypatch: pytest.MonkeyPatch, kind: int) -> None:
    monkeypatch.setattr("serve.cli.main.make_app", Mock(side_effect=OSError(kind, "No room")))
    said = lonely("status")
    assert (said.code, said.out, said.err.count("\n")) == (6, "", 1)
    assert "disk: has no room left (No room). Free some" in said.err


def test_ctrl_c_is_130(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        (tmp_path / "server.json").write_text(json.dumps({"url": address}))
        (tmp_path / "operator.key").write_text("ns-any\n")
        command = [sys.executable, "-m", "serve.cli", "--home", str(tmp_path), "status"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
            asking, _ = listener.accept()
            # Once the request is here the verb waits for its answer: an interrupt before that may meet a destructor.
            asking.recv(65_536)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
            asking.close()
    assert (process.returncode, out, err) == (130, b"", b"")


@pytest.mark.parametrize("reply", [b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", b""])
def test_another_program_on_the_port_is_not_taken_for_the_server(tmp_path: Path, lonely: Speak, reply: bytes) -> None:
    home = tmp_path / "lonely"
    home.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as pool:
        (home / "server.json").write_text(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}))
        (home / "operator.key").write_text("ns-any\n")
        asked = pool.submit(lonely, "status")
        asking, _ = listener.accept()
        with asking:
            asking.recv(65_536)
            asking.sendall(reply)
        said = asked.result()
    assert (said.code, said.out, said.err.count("\n")) == (6, "", 1)
    assert "is not Nightschool's" in said.err or "broke the connection off" in said.err


def test_an_export_that_breaks_off_leaves_what_was_there(tmp_path: Path, lonely: Speak) -> None:
    home, out = tmp_path / "lonely", tmp_path / "chats.jsonl"
    home.mkdir()
    out.write_text("yesterday's")
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as pool:
        (home / "server.json").write_text(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}))
        (home / "operator.key").write_text("ns-any\n")
        asked = pool.submit(lonely, "export", "--bot", "support", "-o", str(out))
        asking, _ = listener.accept()
        with asking:
            asking.recv(65_536)
            head = b'HTTP/1.1 200 OK\r\ncontent-length: 500\r\nx-nightschool-export: {"rows": 2}\r\n\r\n'
            asking.sendall(head + b'{"messages": [')
        said = asked.result()
    assert (said.code, said.out) == (6, "")
    assert "broke the connection off" in said.err
    assert [file.name for file in tmp_path.glob("*chats*")] == ["chats.jsonl"]
    assert out.read_text() == "yesterday's"
