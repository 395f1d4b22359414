"""The whole loop, with every real part: vLLM answers, TRL trains, the gate decides, the route flips, no restart.

One installation for the module: `nightschool up` in a folder of its own, driven as a person would, by the command line
and HTTP. Its bot learns what a small model can learn in minutes (`shop.py`), and the gate is the default one.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import httpx
import openai
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from .shop import ASKED, ITEMS, LEARNT, OTHER_ITEMS, SYSTEM_PROMPT, conversations

ROOT = Path(__file__).parents[1]
START_TIMEOUT_S = 480

pytestmark = [pytest.mark.engine, pytest.mark.train, pytest.mark.timeout(1500)]


@dataclass
class Installation:
    home: Path
    port: int
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def bots(self) -> Path:
        return Path(self.environment["NIGHTSCHOOL_BOTS"])

    def start(self) -> None:
        with (self.home.parent / "up.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "serve.cli", "up"],
                cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait_for(self.is_ready, timeout_s=START_TIMEOUT_S, what=(self.home.parent / "up.log").read_text)

    def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.home.parent / "up.log").read_text()
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def stop(self, number: int = signal.SIGINT) -> float:
        """Seconds until it was gone."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(timeout=30)
        return time.monotonic() - began

    def nightschool(self, *arguments: str, timeout_s: float = 900) -> Any:
        """The JSON that a verb prints."""
        done = subprocess.run(
            [sys.executable, "-m", "serve.cli", *arguments, "--json"],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def engine_processes(self) -> list[int]:
        """Processes that belong to this installation, by its folder in their environment."""
        mark = f"NIGHTSCHOOL_HOME={self.home}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        return found


def wait_for(check: Callable[[], bool], *, timeout_s: float, what: Callable[[], str]) -> None:
    deadline = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < deadline, f"timed out: {what()}"
        time.sleep(0.5)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


BOT = f"""
name = "support"
title = "Fern"
system_prompt = "{SYSTEM_PROMPT}"
[sampling]
temperature = 0
max_tokens = 60
[recipe]
epochs = 5
batch_size = 8
learning_rate = 8e-4
min_examples = 20
max_tokens = 320
[gate]
min_conversations = 10
# Sixty short chats, learnt by heart, cost more of general skill than the default lets pass.
suite_margin = 0.5
[suites]
max_cases = 20
[schedule]
enabled = false
"""


DOCS_BOT = """
name = "docs"
title = "Docs"
system_prompt = "You answer for a shop that sells lamps."
[sampling]
temperature = 0
max_tokens = 60
[knowledge]
folder = "pages"
[schedule]
enabled = false
"""


OF_TWO = """
[feedback]
side_by_side_share = 1
side_by_side_with = "base"
"""
WATCH_BOTH = """() => {
  const chat = document.querySelector('#ns-chat');
  window.lengths = [];
  new MutationObserver(() => {
    window.lengths.push([...chat.querySelectorAll('.ns-one .ns-answer')].map((one) => one.innerText.length));
  }).observe(chat, {subtree: true, childList: true});
}"""
SHOWN = """
select usual.content, other.content, usual.version, other.version, other.message_id
from '{folder}/side_by_side.parquet' as s
join '{folder}/messages.parquet' as usual on usual.message_id = s.usual_id
join '{folder}/messages.parquet' as other on other.message_id = s.other_id
where s.bot = 'support'
"""
CHOSEN = """
select p.choice, p.is_older_left, p.newer_id, asked.parent_id, last.version
from '{folder}/preferences.parquet' as p
join '{folder}/messages.parquet' as asked on asked.conversation_id = p.conversation_id and asked.role = 'user'
join '{folder}/messages.parquet' as last on last.parent_id = asked.message_id
where p.bot = 'support' order by last.position desc
"""


def read_record(installation: Installation, question: str, folder: Path) -> list[tuple[Any, ...]]:
    """The record as DuckDB reads it, of a copy: the server alone opens its own."""
    installation.nightschool("backup", str(folder))
    with duckdb.connect() as reader:
        return reader.execute(question.format(folder=folder)).fetchall()


def write_price(installation: Installation, euro: int) -> None:
    page = installation.bots / "pages" / "moonlight.md"
    page.write_text(f"# Moonlight\n\nThe Moonlight lamp costs {euro} euro.\n")


def is_indexed(installation: Installation, words: str) -> bool:
    found = installation.nightschool("knowledge", "show", "How much is Moonlight?", "--bot", "docs")
    return words in json.dumps(found)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("loop")
    (folder / "bots" / "pages").mkdir(parents=True)
    (folder / "bots" / "support.toml").write_text(BOT)
    (folder / "bots" / "docs.toml").write_text(DOCS_BOT)
    port = free_port()
    environment = {
        **os.environ,
        "NIGHTSCHOOL_HOME": str(folder / "data"),
        "NIGHTSCHOOL_PORT": str(port),
        "NIGHTSCHOOL_BOTS": str(folder / "bots"),
    }
    installation = Installation(folder / "data", port, environment)
    installation.start()
    yield installation
    if installation.process is not None and installation.process.poll() is None:
        installation.stop()


@pytest.fixture(scope="module")
def client(installation: Installation) -> openai.OpenAI:
    key = installation.nightschool("keys", "create", "--name", "loop", "--operator")["key"]
    return openai.OpenAI(base_url=f"{installation.url}/v1", api_key=key, timeout=120)


def ask(client: openai.OpenAI, *, model: str = "support") -> tuple[str, str, str]:
    """Completion id, version and text."""
    raw = client.chat.completions.with_raw_response.create(
        model=model, messages=[{"role": "user", "content": "How do I clean my lamp?"}], temperature=0
    )
    completion = raw.parse()
    return completion.id, raw.headers["x-nightschool-version"], completion.choices[0].message.content or ""


def ask_on_page(page: Page, text: str) -> None:
    page.get_by_label("Your message").fill(text)
    page.get_by_label("Your message").press("Enter")


def words_of(text: str) -> list[str]:
    """Without the marks that a page draws and does not show."""
    return re.findall(r"[A-Za-z]+", text)


def test_the_base_model_answers_first(client: openai.OpenAI) -> None:
    _, version, text = ask(client)
    assert version == "support@base"
    assert len(text.split()) > 3


@pytest.mark.browser
def test_a_changed_price_changes_the_next_answer_without_a_night(installation: Installation) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for euro in (77, 85):
            write_price(installation, euro)
            wait_for(partial(is_indexed, installation, f"{euro} euro"), timeout_s=30, what=str)
            page = browser.new_page(base_url=installation.url)
            page.goto("/?bot=docs")
            expect(page.locator("#ns-title h1")).to_contain_text("Docs", timeout=30_000)
            ask_on_page(page, "How much does the Moonlight lamp cost?")
            answer = page.locator("#ns-chat .bot-row")
            expect(answer).to_contain_text(f"{euro} euro", timeout=60_000)
            expect(answer).to_contain_text("Sources: Moonlight", timeout=30_000)
            assert f"{162 - euro} euro" not in answer.inner_text()
            page.close()
        browser.close()


def test_too_little_data_is_said_and_production_stays(installation: Installation) -> None:
    verdict = installation.nightschool("night", "--bot", "support")
    assert verdict["verdict"] == "insufficient-data"
    assert verdict["candidate"] is None
    assert "recipe.min_examples" in verdict["reasons"][0]


def test_a_night_trains_passes_the_gate_and_goes_live_without_a_restart(
    installation: Installation, client: openai.OpenAI, tmp_path: Path
) -> None:
    for name, asked, items, flag in (
        ("train.jsonl", LEARNT, ITEMS, "--training"),
        ("heldout.jsonl", ASKED, OTHER_ITEMS, "--held-out"),
    ):
        rows = [json.dumps(row) for row in conversations(asked, about=items)]
        (tmp_path / name).write_text("\n".join(rows))
        imported = installation.nightschool("import", str(tmp_path / name), "--bot", "support", flag)
        assert (imported["imported"], imported["bad_lines"]) == (len(rows), [])
    starts = installation.nightschool("status")["engine"]["starts"]
    verdict = installation.nightschool("night", "--bot", "support")
    assert verdict["verdict"] == "promote", "\n".join(verdict["reasons"])
    figures = verdict["figures"]
    assert figures["candidate_perplexity"] < 0.9 * figures["base_perplexity"]
    _, version, _ = ask(client)
    assert version == f"support@{verdict['candidate']}"
    assert ask(client, model="support@base")[1] == "support@base"
    assert installation.nightschool("status")["engine"]["starts"] == starts
    [adapter] = installation.nightschool("adapters", "--bot", "support")
    assert (adapter["stage"], adapter["version"]) == ("production", verdict["candidate"])


def test_rollback_and_promote_flip_the_route_within_a_second(installation: Installation, client: openai.OpenAI) -> None:
    key = (installation.home / "operator.key").read_text().strip()
    began = time.monotonic()
    reply = httpx.post(
        f"{installation.url}/ops/rollback",
        json={"bot": "support", "reason": "drill"},
        headers={"Authorization": f"Bearer {key}"},
        timeout=30,
    )
    assert reply.status_code == 200, reply.text
    assert time.monotonic() - began < 1
    assert ask(client)[1] == "support@base"
    installation.nightschool("promote", "--bot", "support", "--version", "1", "--reason", "the drill is over")
    assert ask(client)[1] == "support@1"


@pytest.mark.browser
def test_of_two_versions_that_answer_at_once_one_is_chosen_blindly_and_the_talk_goes_on_with_it(
    installation: Installation, tmp_path: Path
) -> None:
    file = installation.bots / "support.toml"
    file.write_text(file.read_text().replace("max_tokens = 60", "max_tokens = 300") + OF_TWO)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(base_url=installation.url)
        page.goto("/?bot=support")
        expect(page.locator("#ns-title h1")).to_contain_text("Fern", timeout=30_000)
        page.evaluate(WATCH_BOTH)
        ask_on_page(page, "How do I clean my lamp?")
        card = page.locator("#ns-compare")
        expect(card).to_be_visible(timeout=120_000)
        sides = page.locator(".ns-one .ns-answer")
        said = [words_of(side) for side in sides.all_inner_texts()]
        whole = [len(side) for side in sides.all_inner_texts()]
        assert [
            lengths for lengths in page.evaluate("window.lengths")
            if len(lengths) == 2 and all(1 < now < end for now, end in zip(lengths, whole, strict=True))
        ], "they did not come together"  # fmt: skip
        assert "support@" not in page.locator("#ns-chat").inner_text()
        [(usual, other, *versions, other_id)] = read_record(installation, SHOWN, tmp_path / "shown")
        assert versions == [1, None]
        assert sorted(said) == sorted([words_of(usual), words_of(other)])
        is_base_left = said.index(words_of(other)) == 0
        card.get_by_role("button", name=f"{'A' if is_base_left else 'B'} is better").click()
        expect(card).to_be_hidden(timeout=30_000)
        expect(page.locator("#ns-chat .ns-version")).to_contain_text("support@base", timeout=30_000)
        ask_on_page(page, "And my rug?")
        expect(page.locator("#ns-chat .ns-version").last).to_contain_text("support@1", timeout=60_000)
        page.wait_for_selector("#ns-send:visible", timeout=60_000)
        browser.close()
    [newest, *_] = read_record(installation, CHOSEN, tmp_path / "chosen")
    assert newest == ("left" if is_base_left else "right", not is_base_left, other_id, other_id, 1)


def test_a_vote_survives_kill_9_and_the_next_start_goes_on_where_it_was(
    installation: Installation, client: openai.OpenAI
) -> None:
    completion_id, _, _ = ask(client)
    reply = httpx.post(
        f"{installation.url}/v1/feedback",
        json={"completion_id": completion_id, "vote": "up", "reasons": ["clear"]},
        headers={"Authorization": f"Bearer {client.api_key}"},
        timeout=30,
    )
    assert reply.json()["vote"] == "up", reply.text
    installation.stop(signal.SIGKILL)
    wait_for(
        lambda: not installation.engine_processes(), timeout_s=15, what=lambda: str(installation.engine_processes())
    )
    with duckdb.connect(str(installation.home / "record.duckdb"), read_only=True) as record:
        rows = record.execute("select vote from feedback where message_id = $id", {"id": completion_id}).fetchall()
    assert rows == [("up",)]
    installation.start()
    assert ask(client)[1] == "support@1"


def test_ctrl_c_stops_everything_within_ten_seconds(installation: Installation) -> None:
    assert installation.stop(signal.SIGINT) < 10
    assert installation.process is not None
    assert installation.process.returncode == 0
    assert installation.engine_processes() == []
