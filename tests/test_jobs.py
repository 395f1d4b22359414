"""A caller's job with the real trainer: paused, killed with its server, gone on with, its model asked and deleted."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from .tune.conftest import base_model, one_thread

__all__ = ["base_model", "one_thread"]

ROOT = Path(__file__).parents[1]
BOT = 'name = "support"\ntitle = "Fern"\nsystem_prompt = "Help."\n[schedule]\nenabled = false\n'
ROWS = [
    {
        "messages": [
            {"role": "user", "content": f"where is {n}?"},
            {"role": "assistant", "content": f"at {n % 3}, of course."},
        ]
    }
    for n in range(20)
]
EPOCHS = 40
STEPS = EPOCHS * 10


def wait_for(is_so: Callable[[], bool], *, timeout_s: float = 240) -> None:
    ends = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.1)


@contextmanager
def server(folder: Path, model: Path, port: int) -> Iterator[openai.OpenAI]:
    """A server that is killed at the end of the block, together with whatever it left unfinished."""
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.job_server", folder / "home", folder / "bots", model, str(port)],
            cwd=ROOT, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip

    def is_ready() -> bool:
        assert process.poll() is None, (folder / "server.log").read_text()
        try:
            return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    try:
        wait_for(is_ready)
        key = (folder / "home" / "operator.key").read_text().strip()
        with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=key) as client:
            yield client
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.train
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("one_thread")
def test_a_job_outlives_a_pause_and_a_kill(base_model: Path, tmp_path: Path) -> None:
    (tmp_path / "bots").mkdir()
    (tmp_path / "bots" / "support.toml").write_text(BOT)
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    with server(tmp_path, base_model, port) as client:
        content = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
        file = client.files.create(file=("train.jsonl", content), purpose="fine-tune").id
        wanted: Any = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": EPOCHS}}}
        job_id = client.fine_tuning.jobs.create(model="base", training_file=file, method=wanted, suffix="twenty").id
        run = tmp_path / "home" / "jobs" / job_id / "run"

        def steps() -> int:
            return (run / "metrics.jsonl").read_bytes().count(b"\n") if (run / "metrics.jsonl").exists() else 0

        wait_for(lambda: steps() > 20)
        assert str(client.fine_tuning.jobs.pause(job_id).status) == "paused"
        at_pause = steps()
        assert at_pause < STEPS
        client.fine_tuning.jobs.resume(job_id)
        wait_for(lambda: steps() > at_pause + 20)
        assert client.fine_tuning.jobs.retrieve(job_id).status == "running"
    at_kill = steps()
    assert at_pause < at_kill < STEPS
    with server(tmp_path, base_model, port) as client:
        fewest = at_kill

        def is_over() -> bool:
            nonlocal fewest
            if run.exists():
                fewest = min(fewest, steps() or fewest)
            return client.fine_tuning.jobs.retrieve(job_id).status in {"succeeded", "failed"}

        wait_for(is_over)
        done = client.fine_tuning.jobs.retrieve(job_id)
        assert (done.status, done.error) == ("succeeded", None)
        assert fewest > at_kill - 12  # from the last checkpoint, not from the start
        table = client.files.content(done.result_files[0]).text.splitlines()
        assert [int(line.split(",")[0]) for line in table[1:]] == list(range(1, STEPS + 1))
        assert float(table[-1].split(",")[1]) < float(table[1].split(",")[1]) / 2
        name = done.fine_tuned_model
        assert name is not None
        kept = client.fine_tuning.jobs.checkpoints.list(job_id).data
        assert [one.step_number for one in kept] == [STEPS, STEPS - 10, STEPS - 20]
        for model in (one.fine_tuned_model_checkpoint for one in kept):
            answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "where is 3?"}])
            assert answer.choices[0].message.content
        assert client.models.delete(name).deleted
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve(name)
