"""How long does a chat wait for its first word while a night trains on the same machine?

A real server with the real engine; questions are asked over the API one after another as a stream, and the time to the
first word is taken: with the machine to itself, beside a training of TRL's own (a process as a user would start it),
and beside a night that trains. The night's trainer gives way to the chat; TRL's does not know of it. A ratio is the
95th percentile beside training over the one of the quiet machine in the same run. How many tokens the night learnt in
the meantime is told too: one that stands still is in nobody's way. Other work on the machine shows.
Run: python bench/beside.py [--quick] [--model FOLDER]   The last line is one JSON object.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import httpx
import numpy as np

from bench.common.installation import Installation
from tune.progress import read_steps

SHIPPED: Final = Path(__file__).parent.parent / "bots" / "lumafern"
PLAIN: Final = Path(__file__).parent / "common" / "plain_trl.py"
BOT: Final = """
name = "support"
title = "Support"
system_prompt = "You answer a company's customers: politely, briefly and to the point."
[recipe]
epochs = 20
batch_size = 2
[sampling]
max_tokens = 12
[schedule]
enabled = false
"""
START_TIMEOUT_S: Final = 600.0
TRAINING_TIMEOUT_S: Final = 900.0
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

    def begin_night(self) -> None:
        self._http.post("/ops/night", json={"bot": "support"}).raise_for_status()

    def is_training(self) -> bool:
        """Whether the night has taken a step. Ends where there is none to come."""
        [night] = self._http.get("/ops/cycles").raise_for_status().json()
        if night["state"] != "running":
            raise SystemExit(f"the night does not train: {night}")
        return bool(night["step"] == "train" and night["progress"] > 0)

    def _ask(self, question: str) -> float:
        body = {"model": "support", "stream": True, "messages": [{"role": "user", "content": question}]}
        began, first_s = time.monotonic(), 0.0
        with self._http.stream("POST", "/v1/chat/completions", json=body) as reply:
            reply.raise_for_status()
            for line in reply.iter_lines():
                if not first_s and _says_something(line):
                    first_s = time.monotonic() - began
        if not first_s:
            raise SystemExit(f"no word came as an answer to {question!r}")
        return first_s


def _says_something(line: str) -> bool:
    """Whether an event of the stream holds words; the first one only says whose they will be."""
    content = line.removeprefix("data: ")
    choices = json.loads(content)["choices"] if content.startswith("{") else []
    return any(choice["delta"].get("content") for choice in choices)


@contextmanager
def plain_training(folder: Path, *, model: Path) -> Iterator[None]:
    """TRL at work on the same conversations; its first step is done."""
    rows, out = folder / "rows.jsonl", folder / "plain"
    out.mkdir()
    chats = [json.loads(line)["messages"] for line in (SHIPPED / "train.jsonl").read_text().splitlines()]
    rows.write_text("".join(json.dumps({"prompt": chat[:-1], "completion": chat[-1:]}) + "\n" for chat in chats))
    command = [sys.executable, str(PLAIN), "sft", str(rows), "--model", str(model), "--out", str(out), "--epochs", "20"]
    log = folder / "plain.log"
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}  # its steps are looked for while it runs
    with (
        log.open("wb") as output,
        subprocess.Popen(command, env=environment, stdout=output, stderr=output) as trainer,
    ):
        try:
            _wait_until(lambda: b"'loss'" in log.read_bytes() or trainer.poll() is not None, what="TRL's training")
            if trainer.poll() is not None:
                raise SystemExit(f"TRL does not train:\n{log.read_text()[-2000:]}")
            yield
        finally:
            trainer.kill()


def _wait_until(is_there: Callable[[], bool], *, what: str) -> None:
    deadline = time.monotonic() + TRAINING_TIMEOUT_S
    while not is_there():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} did not come to its first step in {TRAINING_TIMEOUT_S:.0f} s")
        time.sleep(0.5)


def p95_ms(seconds: Sequence[float]) -> float:
    return float(np.quantile(seconds, 0.95)) * 1000


def measure(folder: Path, *, count: int, model: Path | None) -> dict[str, float]:
    settings = {"NIGHTSCHOOL_ENGINE__MODEL": str(model)} if model else {}
    installation = Installation(folder, bot=BOT, settings=settings)
    questions = [
        json.loads(line)["messages"][-2]["content"] for line in (SHIPPED / "heldout.jsonl").read_text().splitlines()
    ]
    with installation.running(start_timeout_s=START_TIMEOUT_S):
        installation.tell("import", str(SHIPPED / "train.jsonl"), "--bot", "support", timeout_s=600)
        chat = Chat(installation, questions)
        chat.first_words_s(5)
        quiet = chat.first_words_s(count)
        [base, *_] = [model] if model else (installation.home / "models").iterdir()
        with plain_training(folder, model=base):
            beside_plain = chat.first_words_s(count)
        quiet += chat.first_words_s(count)
        chat.begin_night()
        _wait_until(chat.is_training, what="the night's training")
        began, [run] = time.monotonic(), (installation.home / "cycles" / "support").glob("*/run")
        learnt = sum(step.tokens for step in read_steps(run))
        beside_night = chat.first_words_s(count)
        learnt = sum(step.tokens for step in read_steps(run)) - learnt
        tokens_per_s = learnt / (time.monotonic() - began)
    return {
        "ttft_p95_quiet_ms": p95_ms(quiet),
        "ttft_p95_night_ms": p95_ms(beside_night),
        "ttft_p95_plain_ms": p95_ms(beside_plain),
        "ttft_median_quiet_ms": float(np.median(quiet)) * 1000,
        "ttft_median_night_ms": float(np.median(beside_night)) * 1000,
        "ttft_median_plain_ms": float(np.median(beside_plain)) * 1000,
        "ttft_ratio": p95_ms(beside_night) / p95_ms(quiet),
        "ttft_ratio_plain": p95_ms(beside_plain) / p95_ms(quiet),
        "night_tokens_per_s": tokens_per_s,
    }


def report(figures: dict[str, float]) -> None:
    print("| first word after | median | 95 % within | against quiet |")
    print("|---|---|---|---|")
    for name, title in (("quiet", "nothing beside"), ("night", "a night training"), ("plain", "TRL training")):
        p95 = figures[f"ttft_p95_{name}_ms"]
        ratio = p95 / figures["ttft_p95_quiet_ms"]
        print(f"| {title} | {figures[f'ttft_median_{name}_ms']:.0f} ms | {p95:.0f} ms | {ratio:.2f} |")
    print(f"target: at most {TARGET}; the night learnt {figures['night_tokens_per_s']:.0f} tokens/s beside the chat")
    print(json.dumps({name: round(figure, 3) for name, figure in figures.items()}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="15 questions instead of 80: a minute beside the starts")
    parser.add_argument("--model", type=Path, help="folder of the base model; else the default one is fetched")
    given = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    with tempfile.TemporaryDirectory(prefix="ns-bench-") as name:
        report(measure(Path(name), count=15 if given.quick else 80, model=given.model))


if __name__ == "__main__":
    main()
