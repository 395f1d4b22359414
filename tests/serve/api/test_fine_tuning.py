"""/v1/fine_tuning/jobs by the real `openai` client, from a file to a model that answers."""

import asyncio
import csv
import json
import random
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from collect.jobs import find_job
from deploy import job_work
from deploy.job_results import JobFolder
from deploy.seat import Sitter
from nightschool.errors import RecordError
from nightschool.fine_tuning_part import FineTuningSettings
from nightschool.records import AdapterName, BotName, Stage
from nightschool.settings import Settings
from serve.parts import Parts

from ...fake_seat import FakeSeat
from ..conftest import Register

ROW = {"messages": [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "There, on its way."}]}
PAIR = {
    "input": {"messages": ROW["messages"][:1]},
    "preferred_output": [{"role": "assistant", "content": "Yes."}],
    "non_preferred_output": [{"role": "assistant", "content": "No."}],
}
LABELLED = [{"prompt": "Where?", "completion": f"There {n}.", "label": n % 2 == 0} for n in range(8)]
ASKED: list[Any] = [{"role": "user", "content": "hello there"}]
METHODS: list[tuple[Any, list[Any]]] = [
    ({"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2, "batch_size": "auto"}}}, [ROW] * 20),
    ({"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2}}}, [PAIR] * 20),
    ({"type": "kto"}, LABELLED),
]


def jsonl(rows: list[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"fine_tuning": FineTuningSettings(max_key_jobs=3)})


@pytest.fixture
def hold(parts: Parts) -> Path:
    """A file that stops trainings at step 4 as long as it is there."""
    parts.home.jobs.mkdir(exist_ok=True)
    file = parts.home.jobs / "hold"
    file.touch()
    return file


async def send(client: openai.AsyncOpenAI, rows: list[Any]) -> str:
    return (await client.files.create(file=("train.jsonl", jsonl(rows)), purpose="fine-tune")).id


async def until(client: openai.AsyncOpenAI, job_id: str, *states: str) -> Any:
    async with asyncio.timeout(20):
        while True:
            job = await client.fine_tuning.jobs.retrieve(job_id)
            if job.status in states:
                return job
            await asyncio.sleep(0.05)


async def until_step(parts: Parts, job_id: str, step: int) -> None:
    metrics = parts.home.job(job_id) / "run" / "metrics.jsonl"
    async with asyncio.timeout(20):
        while not metrics.exists() or metrics.read_text().count("\n") < step:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(("method", "rows"), METHODS, ids=["supervised", "dpo", "kto"])
async def test_a_file_becomes_a_model_that_answers(
    mine: openai.AsyncOpenAI, parts: Parts, method: Any, rows: list[Any]
) -> None:
    file = await send(mine, rows)
    made = await mine.fine_tuning.jobs.create(
        model="base", training_file=file, method=method, suffix="finance-bot", seed=7, metadata={"team": "a"}
    )
    assert (made.status, made.seed, made.training_file) == ("validating_files", 7, file)
    # What a job learns from is its own by now.
    await mine.files.delete(file)
    done = await until(mine, made.id, "succeeded", "failed")
    assert (done.status, done.error, done.trained_tokens) == ("succeeded", None, 80)
    name = done.fine_tuned_model
    assert name.startswith("ft:base:nightschool:finance-bot:")
    answer = await mine.chat.completions.create(model=name, messages=ASKED)
    assert "hello there" in (answer.choices[0].message.content or "")
    assert name in [model.id async for model in mine.models.list()]
    assert (await mine.models.retrieve(name)).id == name
    [result] = done.result_files
    table = list(csv.reader((await mine.files.content(result)).text.splitlines()))
    assert table[0] == ["step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy"]
    assert [row[:2] for row in table[1:3]] == [["1", "3.00000"], ["2", "1.50000"]]
    assert not parts.home.job(made.id).exists()
    for team, expected in (("a", [made.id]), ("b", [])):
        assert [job.id async for job in mine.fine_tuning.jobs.list(metadata={"team": team})] == expected


async def test_what_is_held_out_is_measured_and_told(mine: openai.AsyncOpenAI) -> None:
    file, held_out = await send(mine, [ROW] * 20), await send(mine, [ROW] * 3)
    made = await mine.fine_tuning.jobs.create(model="base", training_file=file, validation_file=held_out)
    done = await until(mine, made.id, "succeeded", "failed")
    assert done.status == "succeeded"
    table = list(csv.DictReader((await mine.files.content(done.result_files[0])).text.splitlines()))
    assert [row["valid_loss"] for row in table] == [""] * 7 + ["0.75000"]
    told = [event async for event in mine.fine_tuning.jobs.list_events(made.id)]
    assert "Step 8/8: training loss=0.38, validation loss=0.75" in [event.message for event in told]
    steps: list[Any] = [event.data for event in told if event.type == "metrics"]
    assert {data["step"]: data["full_valid_loss"] for data in steps}[8] == 0.75


async def test_hyperparameters_are_told_as_they_are_used(mine: openai.AsyncOpenAI, hold: Path) -> None:
    file = await send(mine, [ROW] * 20)
    for extra in ({"hyperparameters": {"n_epochs": 5}}, {"method": {"type": "supervised"}}, {}):
        job = await mine.fine_tuning.jobs.create(model="gpt-3.5-turbo", training_file=file, **extra)
        given = job.hyperparameters
        assert (given.n_epochs, given.batch_size, given.learning_rate_multiplier) == (
            5 if "hyperparameters" in extra else 3,
            2,
            1.0,
        )
        await mine.fine_tuning.jobs.cancel(job.id)
    assert hold.exists()


async def test_a_job_is_paused_resumed_and_cancelled(mine: openai.AsyncOpenAI, parts: Parts, hold: Path) -> None:
    file = await send(mine, [ROW] * 20)
    made = await mine.fine_tuning.jobs.create(model="support", training_file=file)
    await until_step(parts, made.id, 3)
    paused: Any = await mine.fine_tuning.jobs.pause(made.id)
    assert paused.status == "paused"
    with pytest.raises(openai.BadRequestError, match="is paused"):
        await mine.fine_tuning.jobs.pause(made.id)
    assert (await mine.fine_tuning.jobs.resume(made.id)).status == "queued"
    with pytest.raises(openai.BadRequestError):
        await mine.fine_tuning.jobs.resume(made.id)
    await until(mine, made.id, "running")
    hold.unlink()
    done = await until(mine, made.id, "succeeded", "failed")
    assert done.status == "succeeded"
    events = [event async for event in mine.fine_tuning.jobs.list_events(made.id, limit=3)]
    steps = [event.data["step"] for event in reversed(events) if event.type == "metrics"]  # type: ignore[index]
    assert steps == list(range(1, 9))
    assert events[-1].message.startswith("Created fine-tuning job")
    assert events[0].message == "The job has successfully completed"
    for refuse in (mine.fine_tuning.jobs.cancel, mine.fine_tuning.jobs.pause, mine.fine_tuning.jobs.resume):
        with pytest.raises(openai.BadRequestError, match="is succeeded"):
            await refuse(made.id)
    hold.touch()
    other = await mine.fine_tuning.jobs.create(model="support", training_file=file)
    await until_step(parts, other.id, 3)
    assert (await mine.fine_tuning.jobs.cancel(other.id)).status == "cancelled"
    assert not parts.home.job(other.id).exists()
    assert [job.id async for job in mine.fine_tuning.jobs.list(limit=1)] == [other.id, made.id]


async def test_a_job_goes_on_under_the_next_server(mine: openai.AsyncOpenAI, parts: Parts, hold: Path) -> None:
    file = await send(mine, [ROW] * 20)
    running, waiting, paused = [
        (await mine.fine_tuning.jobs.create(model="base", training_file=file)).id for _ in range(3)
    ]
    await until_step(parts, running, 3)
    await until(mine, paused, "queued")
    await mine.fine_tuning.jobs.pause(paused)
    with pytest.raises(openai.RateLimitError, match="3 jobs that are not over"):
        await mine.fine_tuning.jobs.create(model="base", training_file=file)
    assert len(list(parts.home.jobs.glob("ftjob-*"))) == 3
    await parts.jobs.close()
    (parts.home.jobs / "ftjob-left").mkdir()
    hold.unlink()
    await parts.jobs.go_on()
    for job_id in (running, waiting):
        assert (await until(mine, job_id, "succeeded", "failed")).status == "succeeded"
    still: Any = await mine.fine_tuning.jobs.retrieve(paused)
    assert still.status == "paused"
    # A job's folder goes once it is told that the job is over.
    async with asyncio.timeout(20):
        while [folder.name for folder in parts.home.jobs.glob("ftjob-*")] != [paused]:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("step", "state"),
    [("build_from_files", "validating_files"), ("write_results", "running")],
    ids=["before its files are read", "when its model is loaded"],
)
async def test_a_job_that_was_cut_off_at_its_beginning_or_end_goes_on(
    mine: openai.AsyncOpenAI, parts: Parts, monkeypatch: pytest.MonkeyPatch, step: str, state: str
) -> None:
    def cut_off(*_: object) -> None:
        cuts.append(step)
        raise asyncio.CancelledError

    cuts: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(job_work, step, cut_off)
        made = await mine.fine_tuning.jobs.create(model="base", training_file=await send(mine, [ROW] * 20))
        async with asyncio.timeout(20):
            while not cuts:
                await asyncio.sleep(0.02)
        await parts.jobs.close()
    assert (await mine.fine_tuning.jobs.retrieve(made.id)).status == state
    await parts.jobs.go_on()
    done = await until(mine, made.id, "succeeded", "failed")
    assert (done.status, done.trained_tokens) == ("succeeded", 80)
    assert len([one async for one in mine.fine_tuning.jobs.checkpoints.list(made.id)]) == 3
    told = [event.message async for event in mine.fine_tuning.jobs.list_events(made.id)]
    assert len(told) == len(set(told))


async def test_what_is_over_stays_so_under_the_next_server(mine: openai.AsyncOpenAI, parts: Parts) -> None:
    file = await send(mine, [ROW] * 20)
    done = await mine.fine_tuning.jobs.create(model="base", training_file=file)
    name = (await until(mine, done.id, "succeeded", "failed")).fine_tuned_model
    cancelled = await mine.fine_tuning.jobs.create(model="base", training_file=file)
    await mine.fine_tuning.jobs.cancel(cancelled.id)
    await parts.jobs.close()
    for model in await parts.engine.loaded_adapters():
        await parts.engine.unload_adapter(model)
    await parts.rollout.restore()
    await parts.jobs.go_on()
    assert [job.status async for job in mine.fine_tuning.jobs.list()] == ["cancelled", "succeeded"]
    assert (await mine.chat.completions.create(model=name, messages=ASKED)).choices


async def test_a_job_whose_caller_leaves_in_the_middle_is_whole(
    mine: openai.AsyncOpenAI, parts: Parts, hold: Path
) -> None:
    made = await mine.fine_tuning.jobs.create(model="base", training_file=await send(mine, [ROW] * 20))
    await until_step(parts, made.id, 3)
    first = await parts.store.read(partial(find_job, job_id=made.id, owner=None))
    training = JobFolder(parts.home.job(made.id)).training
    for steps in (1, 3):
        ordering = parts.jobs.create(first.order, owner=first.owner, training=training, validation=None)
        creating = asyncio.create_task(ordering)
        for _ in range(steps):
            await asyncio.sleep(0)
        creating.cancel()
        assert (await asyncio.wait({creating}))[1] == set()
        assert creating.cancelled()
    hold.unlink()
    async with asyncio.timeout(20):
        while list(parts.home.jobs.glob("ftjob-*")):
            await asyncio.sleep(0.02)
    assert [job.status async for job in mine.fine_tuning.jobs.list()] == ["succeeded"] * 3


async def test_a_training_succeeds_though_its_steps_cannot_be_recorded(
    mine: openai.AsyncOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise RecordError("has no room", subject="record", remedy="Free disk space.")

    monkeypatch.setattr("collect.jobs.last_told_step", refuse)
    made = await mine.fine_tuning.jobs.create(model="base", training_file=await send(mine, [ROW] * 20))
    assert (await until(mine, made.id, "succeeded", "failed")).status == "succeeded"


async def test_why_a_job_failed_is_told(mine: openai.AsyncOpenAI, parts: Parts) -> None:
    parts.home.jobs.mkdir()
    (parts.home.jobs / "fails").write_text("the cat sat on the cable")
    made = await mine.fine_tuning.jobs.create(model="base", training_file=await send(mine, [ROW] * 20))
    failed = await until(mine, made.id, "failed", "succeeded")
    assert failed.error.code == "training_failed"
    assert "the cat sat on the cable" in failed.error.message
    one_sided = await send(mine, [{**row, "label": True} for row in LABELLED])
    method: Any = {"type": "kto"}
    made = await mine.fine_tuning.jobs.create(model="base", training_file=one_sided, method=method)
    assert "labels of one kind" in (await until(mine, made.id, "failed")).error.message


async def test_a_model_is_gone_on_from_and_deleted(
    mine: openai.AsyncOpenAI, theirs: openai.AsyncOpenAI, parts: Parts
) -> None:
    file = await send(mine, [ROW] * 20)
    first = await mine.fine_tuning.jobs.create(model="support", training_file=file)
    name = (await until(mine, first.id, "succeeded")).fine_tuned_model
    assert name.startswith("ft:support:nightschool::")
    second = await mine.fine_tuning.jobs.create(model=name, training_file=file, validation_file=file)
    next_name = (await until(mine, second.id, "succeeded")).fine_tuned_model
    assert next_name.startswith("ft:support:nightschool::")
    assert next_name != name
    for refused in (
        theirs.models.retrieve(name),
        theirs.models.delete(name),
        theirs.chat.completions.create(model=name, messages=ASKED),
    ):
        with pytest.raises(openai.NotFoundError):
            await refused
    assert name not in [model.id async for model in theirs.models.list()]
    assert (await mine.models.delete(name)).deleted
    with pytest.raises(openai.NotFoundError):
        await mine.chat.completions.create(model=name, messages=ASKED)
    with pytest.raises(openai.NotFoundError):
        await mine.models.delete(name)
    with pytest.raises(openai.PermissionDeniedError):
        await mine.models.delete("support")
    loaded = await parts.engine.loaded_adapters()
    assert len(loaded) == 1
    assert (await mine.chat.completions.create(model=next_name, messages=ASKED)).choices


async def test_no_job_goes_on_from_what_had_learnt_what_was_erased(
    mine: openai.AsyncOpenAI, parts: Parts, register: Register, hold: Path
) -> None:
    live = await register("support", version=1, stage=Stage.PRODUCTION)
    (parts.home.root / live.folder / "adapter_config.json").write_text('{"r": 16, "lora_alpha": 32}')
    file = await send(mine, [ROW] * 20)
    first = await mine.fine_tuning.jobs.create(model="support", training_file=file)
    await until_step(parts, first.id, 3)
    await parts.rollout.taint(live, actor="ada", reason="erased")
    hold.unlink()
    second = await mine.fine_tuning.jobs.create(model="support", training_file=file)
    for job in (first, second):
        failed = await until(mine, job.id, "failed", "succeeded")
        assert "some were erased" in failed.error.message
    assert len([one async for one in mine.models.list() if one.id.startswith("ft:")]) == 0


@pytest.mark.parametrize("seat", [FakeSeat(Sitter(AdapterName(BotName("support"), 3), Path("alone")))])
async def test_no_job_is_trained_that_no_engine_could_serve(mine: openai.AsyncOpenAI) -> None:
    made = await mine.fine_tuning.jobs.create(model="base", training_file=await send(mine, [ROW] * 20))
    failed = await until(mine, made.id, "failed", "running")
    assert "needs the base model, in whose place support@3 answers alone" in failed.error.message


async def test_the_last_passes_are_checkpoints_that_answer(
    mine: openai.AsyncOpenAI, theirs: openai.AsyncOpenAI, parts: Parts
) -> None:
    file = await send(mine, [ROW] * 20)
    made = await mine.fine_tuning.jobs.create(model="support", training_file=file, validation_file=file, suffix="x")
    name = (await until(mine, made.id, "succeeded", "failed")).fine_tuned_model
    # Two pages.
    found = [one async for one in mine.fine_tuning.jobs.checkpoints.list(made.id, limit=2)]
    names = [name, f"{name}:ckpt-step-6", f"{name}:ckpt-step-4"]
    assert [one.fine_tuned_model_checkpoint for one in found] == names
    assert [one.step_number for one in found] == [8, 6, 4]
    assert {(one.object, one.fine_tuning_job_id) for one in found} == {("fine_tuning.job.checkpoint", made.id)}
    assert len({one.id for one in found if one.id.startswith("ftckpt_")}) == 3
    last, earlier = found[0].metrics, found[1].metrics
    assert (last.step, last.train_loss, last.valid_loss, last.full_valid_loss) == (8, 0.375, 0.75, 0.75)
    assert (earlier.step, earlier.train_loss, earlier.valid_loss) == (6, 0.5, None)
    for one in names:
        assert (await mine.chat.completions.create(model=one, messages=ASKED)).choices
        assert (await mine.models.retrieve(one)).id == one
    assert len(await parts.engine.loaded_adapters()) == 3
    with pytest.raises(openai.NotFoundError):
        await theirs.chat.completions.create(model=names[1], messages=ASKED)
    goes_on = await mine.fine_tuning.jobs.create(model=names[1], training_file=file)
    assert (await until(mine, goes_on.id, "succeeded", "failed")).fine_tuned_model.startswith("ft:support:")


async def test_checkpoints_are_listed_while_the_job_goes_on(
    mine: openai.AsyncOpenAI, theirs: openai.AsyncOpenAI, parts: Parts, hold: Path
) -> None:
    async def steps_listed() -> list[int]:
        return [one.step_number async for one in mine.fine_tuning.jobs.checkpoints.list(made.id)]

    hold.write_text("6")
    made = await mine.fine_tuning.jobs.create(model="base", training_file=await send(mine, [ROW] * 20), suffix="x")
    assert await steps_listed() == []
    await until_step(parts, made.id, 5)
    async with asyncio.timeout(20):
        while await steps_listed() != [4]:
            await asyncio.sleep(0.02)
    paused: Any = await mine.fine_tuning.jobs.pause(made.id)
    [so_far] = (await mine.fine_tuning.jobs.checkpoints.list(made.id)).data
    name = so_far.fine_tuned_model_checkpoint
    assert (paused.status, so_far.metrics.train_loss, so_far.metrics.full_valid_loss) == ("paused", 0.75, None)
    assert so_far.model_extra == {"nightschool": {"answers": False}}
    for asked in (mine.chat.completions.create(model=name, messages=ASKED), mine.models.retrieve(name)):
        with pytest.raises(openai.NotFoundError, match=r"is paused. It answers once the job has succeeded"):
            await asked
    with pytest.raises(openai.NotFoundError, match="does not exist or is not yours"):
        await theirs.models.retrieve(name)
    hold.unlink()
    await mine.fine_tuning.jobs.resume(made.id)
    done = await until(mine, made.id, "succeeded", "failed")
    ended = (await mine.fine_tuning.jobs.checkpoints.list(made.id)).data
    assert [one.step_number for one in ended] == [8, 6, 4]
    assert ended[-1] == so_far.model_copy(update={"nightschool": {"answers": True}})
    assert name == f"{done.fine_tuned_model}:ckpt-step-4"
    assert (await mine.chat.completions.create(model=name, messages=ASKED)).choices


async def test_a_pass_is_listed_as_soon_as_its_step_is_and_takes_an_older_ones_place_then(
    mine: openai.AsyncOpenAI, parts: Parts, hold: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def steps_listed() -> list[int]:
        return [one.step_number async for one in mine.fine_tuning.jobs.checkpoints.list(made.id)]

    monkeypatch.setattr(job_work, "TELL_PERIOD_S", 3_600)  # so that the record hears of none
    hold.write_text("7")
    made = await mine.fine_tuning.jobs.create(model="base", training_file=await send(mine, [ROW] * 20))
    await until_step(parts, made.id, 6)
    assert await steps_listed() == [6, 4]
    kept, lines = parts.home.job(made.id) / "run/passes", parts.home.job(made.id) / "run/metrics.jsonl"
    shutil.copytree(kept / "sft-4", kept / "sft-2")  # as it lies while the trainer still keeps it
    assert await steps_listed() == [6, 4]
    lines.write_text("".join(lines.read_text().splitlines(keepends=True)[:5]))  # as before the line of step 6
    assert await steps_listed() == [4, 2]


@pytest.mark.parametrize("ends_by", ["cancel", "fail"])
async def test_a_job_that_did_not_succeed_leaves_no_checkpoints(
    mine: openai.AsyncOpenAI, parts: Parts, hold: Path, ends_by: str
) -> None:
    hold.write_text("6")
    made = await mine.fine_tuning.jobs.create(model="base", training_file=await send(mine, [ROW] * 20))
    await until_step(parts, made.id, 5)
    if ends_by == "cancel":
        await mine.fine_tuning.jobs.cancel(made.id)
    else:
        await mine.fine_tuning.jobs.pause(made.id)
        (parts.home.jobs / "fails").write_text("no")
        await mine.fine_tuning.jobs.resume(made.id)
        await until(mine, made.id, "failed")
    assert (await mine.fine_tuning.jobs.checkpoints.list(made.id)).data == []


async def test_checkpoints_go_one_by_one_or_with_their_model(mine: openai.AsyncOpenAI, parts: Parts) -> None:
    made = await mine.fine_tuning.jobs.create(model="base", training_file=await send(mine, [ROW] * 20))
    name = (await until(mine, made.id, "succeeded", "failed")).fine_tuned_model
    folder = next(parts.home.adapters(BotName("any")).parent.iterdir())
    assert len(list(folder.iterdir())) == 3
    first, second = f"{name}:ckpt-step-4", f"{name}:ckpt-step-6"
    assert (await mine.chat.completions.create(model=first, messages=ASKED)).choices
    assert (await mine.models.delete(first)).deleted
    with pytest.raises(openai.NotFoundError):
        await mine.chat.completions.create(model=first, messages=ASKED)
    assert [one.step_number async for one in mine.fine_tuning.jobs.checkpoints.list(made.id)] == [8, 6]
    assert len(list(folder.iterdir())) == 2
    assert (await mine.chat.completions.create(model=second, messages=ASKED)).choices
    assert (await mine.models.delete(name)).deleted
    with pytest.raises(openai.NotFoundError):
        await mine.models.retrieve(second)
    assert [one async for one in mine.fine_tuning.jobs.checkpoints.list(made.id)] == []
    assert await parts.engine.loaded_adapters() == {}
    assert not folder.exists()


async def test_another_keys_job_does_not_exist(
    mine: openai.AsyncOpenAI, theirs: openai.AsyncOpenAI, hold: Path
) -> None:
    file = await send(mine, [ROW] * 20)
    with pytest.raises(openai.NotFoundError):
        await theirs.fine_tuning.jobs.create(model="base", training_file=file)
    made = await mine.fine_tuning.jobs.create(model="base", training_file=file)
    jobs = theirs.fine_tuning.jobs
    for ask in (jobs.retrieve, jobs.cancel, jobs.pause, jobs.resume, jobs.list_events, jobs.checkpoints.list):
        with pytest.raises(openai.NotFoundError):
            await ask(made.id)
    assert [job.id async for job in jobs.list()] == []
    of_then: Any = await theirs.get("/fine-tunes", cast_to=object)
    assert of_then["data"] == []
    assert hold.exists()


async def test_events_are_streamed_to_the_end(client: httpx.AsyncClient, mine: openai.AsyncOpenAI) -> None:
    made = await mine.fine_tuning.jobs.create(model="base", training_file=await send(mine, [ROW] * 20))
    lines = (await client.get(f"/v1/fine_tuning/jobs/{made.id}/events?stream=true")).text.split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    # Between two events a comment may keep the connection open.
    told = [json.loads(line.removeprefix("data: ")) for line in lines[:-2] if not line.startswith(":")]
    assert told[0]["message"].startswith("Created fine-tuning job")
    assert told[-1]["message"] == "The job has successfully completed"
    assert sum(event["type"] == "metrics" for event in told) == 8


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"model": "nobody"}, "model"),
        ({"model": "ft:base:nightschool::none"}, "model"),
        ({"model": "support@base"}, "model"),
        ({"training_file": "file-none"}, None),
        ({"training_file": "../../etc/passwd"}, None),
        ({"validation_file": "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace")}, None),
        ({"integrations": [{"type": "wandb", "wandb": {"project": "p"}}]}, "integrations"),
        ({"suffix": "a:b"}, "suffix"),
        ({"suffix": "x" * 65}, "suffix"),
        ({"seed": -1}, "seed"),
        ({"seed": True}, "seed"),
        ({"metadata": {"a": "\x00"}}, None),
        ({"hyperparameters": {"n_epochs": 0}}, None),
        ({"method": {"type": "reinforcement"}}, "method.type"),
        ({"method": {"type": "dpo"}}, "training_file"),
        ({"method": {"type": "supervised", "dpo": {}}}, "method"),
        ({"method": {"type": "supervised"}, "hyperparameters": {}}, None),
        ({"unknown": 1}, "unknown"),
    ],
)
async def test_what_cannot_be_ordered_is_refused_by_name(
    client: httpx.AsyncClient, mine: openai.AsyncOpenAI, changed: dict[str, Any], param: str | None
) -> None:
    body = {"model": "base", "training_file": await send(mine, [ROW] * 3)} | changed
    reply = await client.post("/v1/fine_tuning/jobs", json=body)
    assert reply.status_code in {400, 404}
    error = reply.json()["error"]
    assert error["message"]
    assert param is None or (error["param"] or "").startswith(param)


async def test_no_malformed_request_is_a_fault_of_ours(client: httpx.AsyncClient, mine: openai.AsyncOpenAI) -> None:
    draw = random.Random(11)
    file = await send(mine, [ROW] * 3)
    done = await mine.fine_tuning.jobs.create(model="base", training_file=file)
    name = (await until(mine, done.id, "succeeded", "failed")).fine_tuned_model
    last = (await mine.fine_tuning.jobs.checkpoints.list(done.id)).data[0].id
    values: list[Any] = [
        None, True, -1, 0, 2**70, 1e308, "", "auto", "x" * 300, "\x00", [], [[]], {}, {"type": "kto"}, {"a": 1},
        f"{name}:ckpt-step-9", "ft:base:::::ckpt-step-", {"type": "dpo", "dpo": {"hyperparameters": {"beta": 1e308}}},
    ]  # fmt: skip
    fields = [
        "model", "training_file", "validation_file", "method", "hyperparameters", "seed", "suffix", "metadata",
        "integrations", "n",
    ]  # fmt: skip
    jobs = [f"/{job}{what}" for job in (done.id, "ftjob-0", "x") for what in ("/events", "/checkpoints", "/cancel")]
    paths = ["", "/", "/ftjob-0", "/%00", "/%ED%A0%80", "/..%2f", "/x/pause", "/x/resume", *jobs, *jobs[:2] * 3]
    models = [f"/{name}:ckpt-step-{step}" for step in ("", "06", "-6", "6%00", "9" * 400, "6:ckpt-step-4")]
    queries = [
        "", "?limit=0", "?limit=x", "?after=%00", "?after=%ED%A0%80", "?stream=maybe", "?metadata[a]=%00",
        "?limit=99999999999", f"?after={last}&limit=1", f"?after={last}0", f"?after={last}&after=", "?after=ftckpt_-",
    ]  # fmt: skip
    for _ in range(3000):
        body: dict[str, Any] = {"model": "base", "training_file": file} | {
            draw.choice(fields): draw.choice(values) for _ in range(draw.randrange(1, 4))
        }
        body["n"] = 1  # so that none begins
        content = bytearray(json.dumps(body).encode())
        if draw.random() < 0.3:
            content[draw.randrange(len(content))] = draw.randrange(256)
        method = draw.choice(["GET", "POST", "DELETE", "PUT"])
        root = draw.choice(["/v1/fine_tuning/jobs", "/v1/fine_tuning/jobs", "/v1/fine-tunes", "/v1/models"])
        path = draw.choice(models if root == "/v1/models" else paths) + draw.choice(queries)
        reply = await client.request(method, root + path, content=bytes(content))
        assert reply.status_code < 500, (method, root, path, bytes(content))
        assert reply.status_code == 200 or reply.json()["error"]["message"]
