"""/v1/fine-tunes by openai 0.28.1, its command line word for word (`scripts/legacy-client` installs it)."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path

import httpx
import pytest

OPENAI = Path(sys.prefix) / "legacy" / "bin" / "openai"
PYTHON = OPENAI.with_name("python")
ROW = {"messages": [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "There, on its way."}]}
TRAIN = (json.dumps(ROW) + "\n") * 20


async def run(url: str, key: str, folder: Path, *arguments: str, program: Path = OPENAI, **variables: str) -> str:
    server = {"OPENAI_API_BASE": f"{url}/v1", "OPENAI_API_KEY": key}
    environment = {**os.environ, **server, "PYTHONPATH": "", **variables}
    process = await asyncio.create_subprocess_exec(
        str(program), *arguments, cwd=folder, env=environment,
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


CALLS = """
import json, sys, time, openai

told = {}
file = openai.File.create(file=open("train.jsonl", "rb"), purpose="fine-tune", user_provided_filename="train.jsonl")
told["processed"] = openai.File.wait_for_processing(file.id)
told["files"] = [one.id for one in openai.File.list().data] == [openai.File.retrieve(file.id).id]
told["bytes"] = openai.File.download(file.id) == open("train.jsonl", "rb").read()
ordered = {"training_file": file.id, "model": "gpt-3.5-turbo", "suffix": "then"}
job = openai.FineTuningJob.create(hyperparameters={"n_epochs": 3}, **ordered)
while (now := openai.FineTuningJob.retrieve(job.id)).status not in ("succeeded", "failed"):
    time.sleep(0.2)
told["status"], name = now.status, now.fine_tuned_model
told["jobs"] = [one.id for one in openai.FineTuningJob.auto_paging_iter()] == [job.id]
told["last event"] = openai.FineTuningJob.list_events(id=job.id).data[0].message
table = openai.File.download(id=now["result_files"][0])
told["columns"] = table.decode().splitlines()[0]
told["the same job"] = openai.FineTune.retrieve(id=job.id)["result_files"][0]["id"] == now["result_files"][0]
told["first event"] = openai.FineTune.list_events(id=job.id).data[0].message.partition(":")[0]
told["steps"] = sum("training loss" in event["message"] for event in openai.FineTune.stream_events(job.id))
for orders in (openai.FineTune, openai.FineTuningJob):
    told[orders.OBJECT_NAME] = orders.cancel(id=orders.create(**ordered).id).status
told["orders"] = len(openai.FineTune.list().data)
told["model"] = openai.Model.retrieve(name).id == name and name in [one.id for one in openai.Model.list().data]
asked = {"model": name, "messages": [{"role": "user", "content": "hi there"}]}
told["answer"] = openai.ChatCompletion.create(**asked).choices[0].message.content
streamed = openai.ChatCompletion.create(stream=True, **asked)
told["streamed"] = "".join(one.choices[0].delta.get("content", "") for one in streamed) == told["answer"]
told["deleted"] = openai.Model.delete(name).deleted and openai.File.delete(file.id).deleted
for ask in (lambda: openai.Model.retrieve(name), lambda: openai.File.retrieve(file.id)):
    try:
        ask()
    except openai.error.InvalidRequestError as error:
        told["gone"] = told.get("gone", 0) + (error.http_status == 404)
print(json.dumps(told))
"""


@pytest.mark.skipif(not OPENAI.exists() and not os.environ.get("CI"), reason="no openai 0.28.1: scripts/legacy-client")
async def test_every_call_of_then_about_files_jobs_and_models(url: str, user_key: str, tmp_path: Path) -> None:
    folder = tmp_path / "caller"
    folder.mkdir()
    (folder / "train.jsonl").write_text(TRAIN)
    told = json.loads((await run(url, user_key, folder, "-c", CALLS, program=PYTHON)).splitlines()[-1])
    answer, steps = told.pop("answer"), told.pop("steps")
    assert ("hi there" in answer, steps) == (True, 8)
    assert told == {
        "processed": "processed", "files": True, "bytes": True, "status": "succeeded", "jobs": True,
        "last event": "The job has successfully completed",
        "columns": "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy", "the same job": True,
        "first event": "Created fine-tuning job", "fine-tunes": "cancelled", "fine_tuning.jobs": "cancelled",
        "orders": 3, "model": True, "streamed": True, "deleted": True, "gone": 2,
    }  # fmt: skip


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
