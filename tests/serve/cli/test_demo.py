"""The demo with the fake engine: too little data to train, so what is live stays and is compared all the same."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from nightschool.errors import Unavailable
from nightschool.records import Adapter
from nightschool.settings import Settings
from serve.cli.demo import run_demo
from serve.parts import Parts

Nightschool = Callable[..., Awaitable[Any]]
Register = Callable[..., Awaitable[Adapter]]
ROOT = Path(__file__).parents[3]


@pytest.fixture
def shipped(bots_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three conversations to learn from and eight to be judged on."""
    data = bots_folder / "lumafern"
    data.mkdir()
    for name, count in (("train", 3), ("heldout", 8)):
        lines = (
            {
                "messages": [
                    {"role": "user", "content": f"{name} question {i}"},
                    {"role": "assistant", "content": f"a{i}"},
                ]
            }
            for i in range(count)
        )
        (data / f"{name}.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    monkeypatch.setenv("NIGHTSCHOOL_BOTS", str(bots_folder))
    return bots_folder


@pytest.mark.usefixtures("shipped")
async def test_the_running_installation_is_used(nightschool: Nightschool, register: Register) -> None:
    await register("support", version=1)
    await nightschool("promote", "--bot", "support", "--reason", "for the demo")
    said = await nightschool("demo", "--json")
    shown = said.json
    assert shown["verdict"] == "insufficient-data"
    assert len(shown["answers"]) == 7
    assert shown["answers"][1] == {
        "question": "heldout question 0",
        "base": "[echo base] heldout question 0",
        "tuned": "[echo support@1] heldout question 0",
        "tuned_version": "support@1",
        "sources": [],
        "reference": "a0",
    }
    assert "using the installation that runs" in said.err
    assert "train.jsonl: 3 imported, 0 known already" in said.err
    again = await nightschool("demo")
    assert "heldout.jsonl: 0 imported, 8 known already" in again.err
    assert "support: insufficient-data" in again.out
    assert "base:     [echo base] heldout question 1\nsupport@1: [echo support@1] heldout question 1" in again.out


async def test_without_the_shipped_data_it_says_where_to_stand(
    lonely: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, bots_folder: Path
) -> None:
    monkeypatch.setenv("NIGHTSCHOOL_BOTS", str(bots_folder))
    said = lonely("demo")
    assert (said.code, said.out) == (3, "")
    assert "Run this in Nightschool's own folder." in said.err


def test_where_none_runs_it_starts_one_and_stops_it(shipped: Path, tmp_path: Path) -> None:
    home = tmp_path / "fresh"
    home.mkdir()
    # Left by a server that was killed: not taken for a running one.
    (home / "server.json").write_text('{"url": "http://127.0.0.1:9"}')
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = {
        "NIGHTSCHOOL_BOTS": str(shipped),
        "NIGHTSCHOOL_ENGINE__KIND": "echo",
        "NIGHTSCHOOL_PORT": str(port),
        "NIGHTSCHOOL_NIGHT__MIN_FREE_GIB": "0",
    }
    command = [sys.executable, "-m", "serve.cli", "--home", str(home), "demo", "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, **settings}
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["answers"][6]["base"].startswith("[echo base] heldout question 5")
    [password] = [line.split()[2] for line in done.stderr.splitlines() if line.startswith("console password:")]
    assert password not in (home / "logs" / "demo-server.log").read_text()
    assert not (home / "server.json").exists()
    with socket.create_server(("127.0.0.1", port)):
        pass


@pytest.mark.usefixtures("shipped")
def test_a_server_that_cannot_start_is_quoted(settings: Settings) -> None:
    environment = {**os.environ, "NIGHTSCHOOL_PORT": "often"}
    with pytest.raises(Unavailable, match=r"NIGHTSCHOOL_PORT: server\.port"):
        run_demo(settings, bot="support", environment=environment, as_json=True)


@pytest.mark.usefixtures("shipped")
async def test_starters_are_asked_too_and_sources_stand_beside_answers(
    nightschool: Nightschool, parts: Parts, bots_folder: Path
) -> None:
    (bots_folder / "pages").mkdir()
    (bots_folder / "pages" / "plans.md").write_text("# Plans\n\n## Grove\n\nThe Grove plan costs 4 euro a month.")
    bot = bots_folder / "support.toml"
    starting = bot.read_text().replace("Where is my parcel?", "What does the Grove plan cost?")
    bot.write_text(f'{starting}\n[knowledge]\nfolder = "pages"\nguard = "off"\n')
    parts.shelf.look()
    await nightschool("knowledge", "status", "--bot", "support")
    said = await nightschool("demo")
    assert "question: What does the Grove plan cost?" in said.out
    assert "sources:  Plans > Grove" in said.out
    assert "question: heldout question 0" in said.out
