"""How long does a chat wait for its first word while a night trains on the same machine?

A real server with the real engine; questions are asked over the API one after another as a stream, and the time to the
first word is taken: with the machine to itself, beside a training of TRL's own (a process as a user would start it),
and beside a night that trains. The night's trainer gives way to the chat; TRL's does not know of it. A ratio is the
95th percentile beside training over the one of the quiet machine in the same run. Other work on the machine shows.
Run: python bench/beside.py [--quick]   The last line is one JSON object.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np

from bench.common.installation import Installation

SHIPPED: Final = Path(__file__).parent.parent / "bots" / "lumafern"
PLAIN: Final = Path(__file__).parent / "common" / "plain_trl.py"
BOT: Final = """
name = "support"
title = "Support"
system_prompt = "You answer a company's customers: politely, briefly and to the point."
[recipe]
epochs = 20
[sampling]
max_tokens = 24
[schedule]
enabled = false
"""
START_TIMEOUT_S: Final = 600.0
TRAINING_TIMEOUT_S: Final = 600.0
TARGET: Final = 1.3


class Chat:
    """Asks the bot over the API."""

    def __init__(self, installation: Installation, questions: Sequence[str]) -> None:
        self._questions = cycle(questions)
        self._http = httpx.Client(
            base_url=installation.address,
            headers={"Authorization": f"Bearer {installation.operator_key()}"},
            timeout=120,
        )

    def first_words_s(self, count: int) -> list[float]:
        """Seconds from each question to its first word."""
        return [self._ask(question) for question in islice(self._questions, count)]

    def step(self) -> str:
        """What the newest night does; it says `train` once a training step is done."""
        nights: list[dict[str, Any]] = self._http.get("/ops/cycles").raise_for_status().json()
        newest = nights[0]
        return str(newest["step"]) if newest["step"] != "train" or newest["progress"] > 0 else "waiting"

    def _ask(self, question: str) -> float:
        body = {"model": "support", "stream": True, "messages": [{"role": "user", "content": question}]}
        began, first_s = time.monotonic(), 0.0
        with self._http.stream("POST", "/v1/chat/completions", json=body) as reply:
            reply.raise_for_status()
            for line in reply.iter_lines():
                if not first_s and '"content"' in line:
                    first_s = time.monotonic() - began
        return first_s


@contextmanager
def plain_training(folder: Path, *, model: Path) -> Iterator[None]:
    """TRL at work on the same conversations; its first step is done."""
    rows, out = folder / "rows.jsonl", folder / "plain"
    out.mkdir()
    chats = [json.loads(line)["messages"] for line in (SHIPPED / "train.jsonl").read_text().splitlines()]
    rows.write_text("".join(json.dumps({"prompt": chat[:-1], "completion": chat[-1:]}) + "\n" for chat in chats))
    command = [sys.executable, str(PLAIN), "sft", str(rows), "--model", str(model), "--out", str(out), "--epochs", "20"]
    log = folder / "plain.log"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as trainer:
        try:
            _wait_until(lambda: b"'loss'" in log.read_bytes(), trainer, what="TRL")
            yield
        finally:
            trainer.kill()


@contextmanager
def night_training(installation: Installation, chat: Chat) -> Iterator[None]:
    """A night in its training."""
    command = [sys.executable, "-m", "serve.cli", "night", "--bot", "support", "--json"]
    with subprocess.Popen(command, env=installation.environment, stdout=subprocess.DEVNULL) as follower:
        try:
            _wait_until(lambda: chat.step() == "train", follower, what="the night")
            yield
        finally:
            follower.send_signal(signal.SIGINT)


def _wait_until(is_there: Any, process: subprocess.Popen[bytes], *, what: str) -> None:
    deadline = time.monotonic() + TRAINING_TIMEOUT_S
    while not is_there():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{what} did not come to train")
        time.sleep(1)


def p95_ms(seconds: Sequence[float]) -> float:
    return float(np.quantile(seconds, 0.95)) * 1000


def measure(folder: Path, *, count: int) -> dict[str, float]:
    installation = Installation(folder, bot=BOT)
    questions = [
        json.loads(line)["messages"][-2]["content"] for line in (SHIPPED / "heldout.jsonl").read_text().splitlines()
    ]
    with installation.running(start_timeout_s=START_TIMEOUT_S):
        installation.tell("import", str(SHIPPED / "train.jsonl"), "--bot", "support", timeout_s=600)
        chat = Chat(installation, questions)
        chat.first_words_s(5)
        quiet = chat.first_words_s(count)
        [model] = (installation.home / "models").iterdir()
        with plain_training(folder, model=model):
            beside_plain = chat.first_words_s(count)
        quiet += chat.first_words_s(count)
        with night_training(installation, chat):
            beside_night = chat.first_words_s(count)
    return {
        "ttft_p95_quiet_ms": p95_ms(quiet),
        "ttft_p95_night_ms": p95_ms(beside_night),
        "ttft_p95_plain_ms": p95_ms(beside_plain),
        "ttft_median_quiet_ms": float(np.median(quiet)) * 1000,
        "ttft_median_night_ms": float(np.median(beside_night)) * 1000,
        "ttft_median_plain_ms": float(np.median(beside_plain)) * 1000,
        "ttft_ratio": p95_ms(beside_night) / p95_ms(quiet),
        "ttft_ratio_plain": p95_ms(beside_plain) / p95_ms(quiet),
    }


def report(figures: dict[str, float]) -> None:
    print("| first word after | median | 95 % within | against quiet |")
    print("|---|---|---|---|")
    for name, title in (("quiet", "nothing beside"), ("night", "a night training"), ("plain", "TRL training")):
        p95 = figures[f"ttft_p95_{name}_ms"]
        ratio = p95 / figures["ttft_p95_quiet_ms"]
        print(f"| {title} | {figures[f'ttft_median_{name}_ms']:.0f} ms | {p95:.0f} ms | {ratio:.2f} |")
    print(f"target: at most {TARGET}")
    print(json.dumps({name: round(figure, 3) for name, figure in figures.items()}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="15 questions each instead of 80")
    given = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    with tempfile.TemporaryDirectory(prefix="ns-bench-") as name:
        report(measure(Path(name), count=15 if given.quick else 80))


if __name__ == "__main__":
    main()
