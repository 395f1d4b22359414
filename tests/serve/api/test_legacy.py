"""/v1/fine-tunes by the command line of openai 0.28.1, word for word (`scripts/legacy-client` installs it)."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path

import httpx
import pytest

OPENAI = Path(sys.prefix) / "legacy" / "bin" / "openai"
ROW = {"messages": [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "There, on its way."}]}
TRAIN = (json.dumps(ROW) + "\n") * 20


async def run(url: str, key: str, folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "OPENAI_API_BASE": f"{url}/v1", "OPENAI_API_KEY": key, "PYTHONPATH": ""}
    process = await asyncio.create_subprocess_exec(
        str(OPENAI), *arguments, cwd=folder, env=environment,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    told, _ = await process.communicate()
    assert process.returncode == 0, told.decode()
    return told.decode()


@pytest.mark.skipif(not OPENAI.exists() and not os.environ.get("CI"), reason="no openai 0.28.1: scripts/legacy-client")
async def test_the_line_of_then_ends_with_a_model_that_answers(url: str, user_key: str, tmp_path: Path) -> None:
    folder = tmp_path / "caller"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "train.jsonl").write_text(TRAIN)
    line = ("api", "fine_tunes.create", "-t", "data/train.jsonl", "-m", "gpt-3.5-turbo", "--n_epochs", "3")
    told = await run(url, user_key, folder, *line, "--suffix", "finance-bot")
    assert "Uploaded file from data/train.jsonl: file-" in told
    assert "Step 8/8: training loss=" in told
    assert "Job complete! Status: succeeded" in told
    [name] = re.findall(r"completions\.create -m (\S+)", told)
    assert name.startswith("ft:gpt-3.5-turbo:nightschool:finance-bot:")
    answer = await run(url, user_key, folder, "api", "chat_completions.create", "-m", name, "-g", "user", "hi there")
    assert "hi there" in answer


async def test_an_order_of_then_is_a_job_of_today(client: httpx.AsyncClient) -> None:
    form = {"files": {"file": ("train.jsonl", TRAIN.encode())}, "data": {"purpose": "fine-tune"}}
    file = (await client.post("/v1/files", **form)).json()["id"]  # type: ignore[arg-type]
    made = (await client.post("/v1/fine-tunes", json={"training_file": file, "n_epochs": 4})).json()
    assert (made["object"], made["status"], made["hyperparams"]["n_epochs"]) == ("fine-tune", "pending", 4)
    assert [card["id"] for card in made["training_files"]] == [file]
    assert (await client.get(f"/v1/fine_tuning/jobs/{made['id']}")).json()["model"] == "gpt-3.5-turbo"
    assert [card["id"] for card in (await client.get("/v1/fine-tunes")).json()["data"]] == [made["id"]]
    events = (await client.get(f"/v1/fine-tunes/{made['id']}/events")).json()["data"]
    assert events[0]["message"].startswith("Created fine-tuning job")
    assert (await client.post(f"/v1/fine-tunes/{made['id']}/cancel")).json()["status"] == "cancelled"
    for body in (
        {},
        {"training_file": file, "suffix": ":"},
        {"training_file": file, "prompt_loss_weight": 1},
        {"training_file": "x"},
    ):
        assert (await client.post("/v1/fine-tunes", json=body)).status_code in {400, 404}
    assert (await client.get("/v1/fine-tunes/ftjob-none")).json()["error"]["code"] == "not_found"
