"""/v1/evals by the real `openai` client, from an eval to graded rows, and what no client would send."""

import asyncio
import json
import random
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from collect import eval_runs
from nightschool.evals_part import EvalsSettings
from nightschool.settings import Settings
from serve.parts import Parts

from ...fake_endpoint import Endpoint, completion

SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}, "a": {"type": "string"}}, "required": ["q"]}
CUSTOM: Any = {"type": "custom", "item_schema": SCHEMA, "include_sample_schema": True}
EQUAL: Any = {
    "type": "string_check",
    "name": "same",
    "input": "{{sample.output_text}}",
    "reference": "{{item.a}}",
    "operation": "eq",
}
ALIKE: Any = {
    "type": "text_similarity",
    "name": "alike",
    "input": "{{ sample.output_text }}",
    "reference": "{{item.a}}",
    "evaluation_metric": "fuzzy_match",
    "pass_threshold": 0.5,
}
MULTI: Any = {
    "type": "multi",
    "name": "both",
    "graders": {"a": EQUAL, "b": ALIKE},
    "calculate_output": "0.6 * a + 0.4 * b",
}
PYTHON: Any = {
    "type": "python",
    "name": "coded",
    "source": "def grade(sample, item):\n    return sample['output_text'] == item['a']",
}
LABEL: Any = {
    "type": "label_model",
    "name": "labelled",
    "model": "big-one",
    "input": [{"role": "user", "content": "?"}],
    "labels": ["good", "bad"],
    "passing_labels": ["good"],
}
ROWS: list[Any] = [
    {"item": {"q": "Where?", "a": "There."}, "sample": {"output_text": "There."}},
    {"item": {"q": "When?", "a": "Now."}, "sample": {"output_text": "Never, ever."}},
    {"item": {"q": "Why?", "a": "So."}},
]
CONVERSATION_OF = "select conversation_id from messages where message_id = ?"
ASKED: list[Any] = [{"role": "user", "content": "hello there"}]


def content(*rows: Any) -> Any:
    return {"type": "jsonl", "source": {"type": "file_content", "content": list(rows)}}


def generated(model: str = "support", template: str = "{{item.q}}", *rows: Any) -> Any:
    return {
        "type": "completions",
        "source": {"type": "file_content", "content": list(rows or ROWS)},
        "model": model,
        "input_messages": {"type": "template", "template": [{"role": "user", "content": template}]},
        "sampling_params": {"temperature": 0, "max_completion_tokens": 30, "seed": 3},
    }


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"evals": EvalsSettings(max_key_runs=3, max_run_rows=200, max_key_bytes=60_000)})


async def make(client: openai.AsyncOpenAI, *criteria: Any, config: Any = CUSTOM) -> str:
    made = await client.evals.create(
        name="words", data_source_config=config, testing_criteria=criteria or [EQUAL, ALIKE]
    )
    return made.id


async def until_over(client: openai.AsyncOpenAI, eval_id: str, run_id: str) -> Any:
    async with asyncio.timeout(20):
        while True:
            run = await client.evals.runs.retrieve(run_id, eval_id=eval_id)
            if run.status not in {"queued", "in_progress"}:
                return run
            await asyncio.sleep(0.02)


async def until_tidied(parts: Parts) -> None:
    """No rows of runs that are over are left."""
    async with asyncio.timeout(20):
        while any(parts.home.evals.iterdir()):
            await asyncio.sleep(0.01)


async def grade(client: openai.AsyncOpenAI, eval_id: str, source: Any) -> tuple[Any, list[Any]]:
    """The run that is over, and what its rows came to."""
    made = await client.evals.runs.create(eval_id, name="first", data_source=source)
    run = await until_over(client, eval_id, made.id)
    return run, [one async for one in client.evals.runs.output_items.list(run.id, eval_id=eval_id)]


async def test_an_eval_is_made_changed_listed_and_deleted(mine: openai.AsyncOpenAI) -> None:
    made = await mine.evals.create(
        name="words", data_source_config=CUSTOM, testing_criteria=[EQUAL, ALIKE], metadata={"team": "a"}
    )
    assert (made.object, made.name, made.metadata) == ("eval", "words", {"team": "a"})
    config: Any = made.data_source_config.model_dump(by_alias=True)
    assert config["type"] == "custom"
    assert config["schema"]["properties"]["item"] == SCHEMA
    assert config["schema"]["required"] == ["item", "sample"]
    assert [one.model_dump(exclude_none=True) for one in made.testing_criteria] == [EQUAL, ALIKE]
    other = await make(mine)
    changed = await mine.evals.update(made.id, name="other words", metadata={"team": "b"})
    assert (changed.name, changed.metadata) == ("other words", {"team": "b"})
    assert (await mine.evals.retrieve(made.id)).name == "other words"
    assert [one.id async for one in mine.evals.list(limit=1)] == [made.id, other]
    assert [one.id async for one in mine.evals.list(order="desc")] == [other, made.id]
    assert [one.id async for one in mine.evals.list(order_by="updated_at")] == [other, made.id]
    gone = await mine.evals.delete(made.id)
    assert (gone.deleted, gone.eval_id) == (True, made.id)
    with pytest.raises(openai.NotFoundError):
        await mine.evals.retrieve(made.id)


async def test_rows_are_graded_as_they_lie(mine: openai.AsyncOpenAI, parts: Parts) -> None:
    eval_id = await make(mine)
    run, outputs = await grade(mine, eval_id, content(*ROWS))
    assert (run.object, run.status, run.name, run.error, run.eval_id) == (
        "eval.run", "completed", "first", None, eval_id,
    )  # fmt: skip
    assert run.result_counts.model_dump() == {"total": 3, "passed": 1, "failed": 1, "errored": 1}
    by_name = {one.testing_criteria: (one.passed, one.failed) for one in run.per_testing_criteria_results}
    assert by_name == {"same": (1, 1), "alike": (1, 1)}
    assert run.report_url.endswith(f"/v1/evals/{eval_id}/runs/{run.id}/output_items")
    assert [one.status for one in outputs] == ["pass", "fail", "error"]
    first, second, third = outputs
    assert (first.datasource_item_id, first.datasource_item) == (1, ROWS[0]["item"])
    assert first.sample.output[0].content == "There."
    assert [(one.name, one.type, one.score, one.passed) for one in first.results] == [
        ("same", "string_check", 1, True), ("alike", "text_similarity", 1, True),
    ]  # fmt: skip
    assert 0 < second.results[1].score < 0.5
    assert "sample.output_text is not there" in third.results[0].model_dump()["error"]
    items = mine.evals.runs.output_items
    assert (await items.retrieve(second.id, eval_id=eval_id, run_id=run.id)).datasource_item_id == 2
    assert [one.id async for one in items.list(run.id, eval_id=eval_id, status="fail")] == [second.id]
    assert [one.id async for one in items.list(run.id, eval_id=eval_id, order="desc", limit=1)] == [
        third.id, second.id, first.id,
    ]  # fmt: skip
    await until_tidied(parts)


async def test_an_upload_is_graded_and_may_be_deleted_meanwhile(mine: openai.AsyncOpenAI) -> None:
    lines = b"\xef\xbb\xbf" + b"\n\n".join(json.dumps(row).encode() for row in ROWS)
    sent = await mine.files.create(file=("rows.jsonl", lines), purpose="evals")
    assert sent.model_dump()["nightschool"] == {"format": "evals", "rows": 3}
    eval_id = await make(mine)
    source: Any = {"type": "jsonl", "source": {"type": "file_id", "id": sent.id}}
    made = await mine.evals.runs.create(eval_id, data_source=source)
    await mine.files.delete(sent.id)
    run = await until_over(mine, eval_id, made.id)
    assert run.result_counts.total == 3
    assert run.data_source.source.id == sent.id
    with pytest.raises(openai.NotFoundError):
        await mine.evals.runs.create(eval_id, data_source=source)


BAD_FILES: list[tuple[bytes, str]] = [
    (b"", "holds no row"),
    (b"[1]", "line 1: is no JSON object"),
    (b'{"item": {}}\n{"question": 1}', "line 2: holds no item"),
    (b'{"item": {}}\n\n{"item": {}, "sampel": {}}', "line 3: holds 'sampel' beside"),
    (b'{"item": 1}', "an item that is no object"),
    (b'{"item": {}, "sample": "x"}', "a sample that is no object"),
    (b'{"item": {"n": 1e999}}', "line 1: is not JSON"),
    (b'{"item": {"n": NaN}}', "line 1: is not JSON"),
    (b'{"item": {}', "line 1: is not JSON"),
    (b"\xff\xfe", "line 1: is not UTF-8"),
    (b'{"item": ' + b"[" * 5000, "line 1: is not JSON"),
    (b'{"item": {"x": "' + b"a" * 1_000_001 + b'"}}', "line 1: is longer than"),
]


async def test_a_file_of_rows_is_checked_at_upload(mine: openai.AsyncOpenAI) -> None:
    for lines, problem in BAD_FILES:
        with pytest.raises(openai.BadRequestError) as refused:
            await mine.files.create(file=("rows.jsonl", lines), purpose="evals")
        assert problem in str(refused.value)
        assert (refused.value.code, refused.value.param) == ("invalid_file_format", "file")


async def test_the_runs_of_a_key_take_so_much_and_no_more(mine: openai.AsyncOpenAI, parts: Parts) -> None:
    eval_id = await make(mine)
    large = content({"item": {"q": "x" * 25_000}})
    first, _ = [(await grade(mine, eval_id, large))[0] for _ in range(2)]
    with pytest.raises(openai.RateLimitError, match="may have 60000"):
        await mine.evals.runs.create(eval_id, data_source=large)
    await until_tidied(parts)
    await mine.evals.runs.delete(first.id, eval_id=eval_id)
    assert (await grade(mine, eval_id, large))[0].status == "completed"


async def test_a_model_of_ours_answers_each_row(mine: openai.AsyncOpenAI) -> None:
    eval_id = await make(mine, {**EQUAL, "reference": "[echo base] {{item.q}}"})
    run, outputs = await grade(mine, eval_id, generated())
    assert (run.status, run.model, run.result_counts.passed) == ("completed", "support", 3)
    [usage] = run.per_model_usage
    assert (usage.model_name, usage.invocation_count) == ("support", 3)
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0
    sample = outputs[0].sample
    assert [(one.role, one.content) for one in sample.output] == [("assistant", "[echo base] Where?")]
    assert [(one.role, one.content) for one in sample.input] == [("user", "Where?")]
    assert (sample.temperature, sample.max_completion_tokens, sample.seed) == (0, 30, 3)
    assert (sample.finish_reason, sample.usage.prompt_tokens > 0) == ("stop", True)


async def test_messages_may_stand_in_the_item(mine: openai.AsyncOpenAI) -> None:
    eval_id = await make(mine, EQUAL | {"reference": "[echo base] two"}, config=CUSTOM | {"item_schema": {}})
    rows = [
        {"item": {"input": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "two"}]}},
        {"item": {"input": "two"}},
        {"item": {"input": []}},
        {"item": {"input": [{"role": "wizard", "content": "x"}]}},
        {"item": {"input": [{"role": "assistant", "content": "x"}]}},
        {"item": {}},
    ]
    source = generated("support", "", *rows) | {
        "input_messages": {"type": "item_reference", "item_reference": "item.input"}
    }
    run, outputs = await grade(mine, eval_id, source)
    assert [one.status for one in outputs] == ["pass", "pass", *["error"] * 4]
    assert "must end with a user message" in outputs[4].sample.error.message
    assert run.result_counts.errored == 4


async def test_what_a_key_asked_before_is_graded(
    mine: openai.AsyncOpenAI, theirs: openai.AsyncOpenAI, operator: httpx.AsyncClient
) -> None:
    first = await mine.chat.completions.create(model="support", messages=ASKED)
    history: list[Any] = [*ASKED, {"role": "assistant", "content": "Yes?"}, {"role": "user", "content": "two"}]
    second = await mine.chat.completions.create(model="reviewer", messages=history)
    await theirs.chat.completions.create(model="support", messages=[{"role": "user", "content": "a secret"}])
    echoes = EQUAL | {"reference": "[echo base] {{item.input[0].content}}"}
    eval_id = await make(mine, echoes, config={"type": "logs"})
    logged: Any = {"type": "completions", "source": {"type": "stored_completions"}}
    run, outputs = await grade(mine, eval_id, logged)
    assert [one.datasource_item["id"] for one in outputs] == [first.id, second.id]
    assert [one.status for one in outputs] == ["pass", "fail"]
    assert outputs[1].datasource_item["input"] == history
    assert run.per_model_usage == []
    for model, passed in (("support", 1), ("support@base", 1), ("reviewer", 0)):
        source: Any = logged | {"source": {"type": "stored_completions", "model": model, "limit": 5}}
        assert (await grade(mine, eval_id, source))[0].result_counts.passed == passed
    for none in ({"model": "nobody"}, {"created_after": 2**32}, {"created_before": 1}):
        with pytest.raises(openai.BadRequestError, match="has no row"):
            await mine.evals.runs.create(eval_id, data_source=logged | {"source": logged["source"] | none})
    asked_again = generated() | logged | {"input_messages": {"type": "item_reference", "item_reference": "item.input"}}
    run, outputs = await grade(mine, eval_id, asked_again)
    assert outputs[1].sample.output[0].content == "[echo base] two"


async def test_an_erased_answer_is_gone_from_runs_too(
    mine: openai.AsyncOpenAI, operator: httpx.AsyncClient, parts: Parts
) -> None:
    for question in ("Where is Quendolyn's parcel?", "two"):
        await mine.chat.completions.create(model="support", messages=[{"role": "user", "content": question}])
    eval_id = await make(mine, config={"type": "logs"})
    logged: Any = {"type": "completions", "source": {"type": "stored_completions"}}
    run, [graded, _] = await grade(mine, eval_id, logged)
    answer_id = graded.datasource_item["id"]
    listed = await parts.store.read(lambda cursor: cursor.execute(CONVERSATION_OF, [answer_id]).fetchall())
    [(conversation,)] = listed
    await operator.post("/ops/erase", json={"conversation": conversation, "reason": "a letter"})
    items = mine.evals.runs.output_items
    left: list[Any] = [one.datasource_item async for one in items.list(run.id, eval_id=eval_id)]
    assert [item["input"][0]["content"] for item in left] == ["two"]
    assert not any(b"Quendolyn" in file.read_bytes() for file in parts.home.root.rglob("*") if file.is_file())
    assert (await grade(mine, eval_id, logged))[0].result_counts.total == 1


async def test_another_keys_evals_do_not_exist(mine: openai.AsyncOpenAI, theirs: openai.AsyncOpenAI) -> None:
    eval_id, their_id = await make(mine), await make(theirs)
    run, [output, *_] = await grade(mine, eval_id, content(*ROWS))
    evals, runs = theirs.evals, theirs.evals.runs
    sent = await mine.files.create(file=("rows.jsonl", json.dumps(ROWS[0]).encode()), purpose="evals")
    my_file: Any = {"type": "jsonl", "source": {"type": "file_id", "id": sent.id}}
    for ask in (
        evals.retrieve(eval_id),
        evals.update(eval_id, name="x"),
        evals.delete(eval_id),
        runs.create(eval_id, data_source=content(*ROWS)),
        runs.create(their_id, data_source=my_file),
        runs.list(eval_id),
        runs.retrieve(run.id, eval_id=eval_id),
        runs.retrieve(run.id, eval_id=their_id),
        runs.cancel(run.id, eval_id=their_id),
        runs.delete(run.id, eval_id=their_id),
        runs.output_items.list(run.id, eval_id=their_id),
        runs.output_items.retrieve(output.id, eval_id=their_id, run_id=run.id),
    ):
        with pytest.raises(openai.NotFoundError):
            await ask
    assert [one.id async for one in evals.list()] == [their_id]
    assert (await mine.evals.runs.retrieve(run.id, eval_id=eval_id)).status == "completed"


@pytest.mark.parametrize("engine", ["hangs"], indirect=True)
async def test_a_run_waits_is_cancelled_and_deleted(mine: openai.AsyncOpenAI, parts: Parts) -> None:
    eval_id = await make(mine)
    runs = mine.evals.runs
    first, second, third = [(await runs.create(eval_id, data_source=generated())).id for _ in range(3)]
    with pytest.raises(openai.RateLimitError, match="3 runs of evals that are not over"):
        await runs.create(eval_id, data_source=generated())
    await parts.engine.said.wait()  # type: ignore[attr-defined]  # the engine of this test
    assert (await runs.retrieve(first, eval_id=eval_id)).status == "in_progress"
    assert [one.id async for one in runs.list(eval_id, status="queued")] == [second, third]
    assert (await runs.cancel(first, eval_id=eval_id)).status == "canceled"
    with pytest.raises(openai.BadRequestError, match="is canceled"):
        await runs.cancel(first, eval_id=eval_id)
    assert (await runs.delete(second, eval_id=eval_id)).deleted
    assert [one.id async for one in runs.list(eval_id, order="desc")] == [third, first]
    assert (await mine.evals.delete(eval_id)).deleted
    assert list(parts.home.evals.iterdir()) == []
    assert await parts.store.read(eval_runs.unfinished_runs) == []


@pytest.mark.parametrize("engine", ["faulty"], indirect=True)
async def test_a_fault_of_ours_ends_the_run_alone(mine: openai.AsyncOpenAI) -> None:
    eval_id = await make(mine)
    run, _ = await grade(mine, eval_id, generated())
    assert (run.status, run.error.code) == ("failed", "internal_error")
    assert "nobody outside" not in run.error.message
    assert (await grade(mine, eval_id, content(*ROWS)))[0].status == "completed"


async def test_a_formula_makes_one_grade_of_several(mine: openai.AsyncOpenAI) -> None:
    eval_id = await make(mine, MULTI)
    shown: Any = (await mine.evals.retrieve(eval_id)).testing_criteria[0]
    assert shown.calculate_output == MULTI["calculate_output"]
    _, outputs = await grade(mine, eval_id, content(*ROWS))
    scores = {one.datasource_item["q"]: one.results[0] for one in outputs}
    assert (scores["Where?"].score, scores["Where?"].passed, scores["Where?"].type) == (1, True, "multi")
    assert scores["When?"].score < 0.4
    assert not scores["When?"].passed
    assert [one.status for one in outputs if one.datasource_item["q"] == "Why?"] == ["error"]
    with pytest.raises(openai.BadRequestError, match=r"at character 5, 'c': no grader is called so; there are a, b"):
        await make(mine, MULTI | {"calculate_output": "a + c"})


BAD_EVALS: list[tuple[dict[str, Any], str]] = [
    ({"testing_criteria": []}, "testing_criteria"),
    ({"testing_criteria": [EQUAL, EQUAL]}, ""),
    ({"testing_criteria": [EQUAL | {"operation": "near"}]}, "testing_criteria[0].string_check.operation"),
    ({"testing_criteria": [EQUAL | {"input": "{{secrets.key}}"}]}, "testing_criteria[0].string_check.input"),
    ({"testing_criteria": [ALIKE | {"evaluation_metric": "meteor"}]}, "testing_criteria[0]"),
    ({"testing_criteria": [{"type": "multi"}]}, "testing_criteria[0]"),
    ({"testing_criteria": [MULTI | {"calculate_output": "(a + b"}]}, "testing_criteria[0].multi.calculate_output"),
    ({"testing_criteria": [MULTI | {"calculate_output": "a + c"}]}, "testing_criteria[0].multi.calculate_output"),
    ({"testing_criteria": [MULTI | {"graders": {}}]}, "testing_criteria[0].multi.graders"),
    ({"testing_criteria": [MULTI | {"graders": {"a b": EQUAL}}]}, "testing_criteria[0].multi.graders"),
    ({"testing_criteria": [MULTI | {"graders": {"a": MULTI}}]}, "testing_criteria[0].multi.graders.a"),
    ({"data_source_config": {"type": "custom"}}, "data_source_config.custom.item_schema"),
    ({"data_source_config": {"type": "custom", "item_schema": {"type": "thing"}}}, "data_source_config"),
    ({"data_source_config": {"type": "custom", "item_schema": {"pattern": "(a+)+$"}}}, "data_source_config"),
    (
        {"data_source_config": {"type": "custom", "item_schema": {"properties": {"a": {"$ref": "http://x"}}}}},
        "data_source_config",
    ),
    ({"data_source_config": {"type": "logs", "metadata": {"a": "b"}}}, "data_source_config.logs.metadata"),
    ({"metadata": {"a": 1}}, "metadata"),
    ({"metadata": {"a": "\x00"}}, "metadata"),
    ({"unknown": 1}, "unknown"),
]


async def test_what_is_no_eval_is_refused_by_name(client: httpx.AsyncClient) -> None:
    for changed, param in BAD_EVALS:
        body = {"data_source_config": CUSTOM, "testing_criteria": [EQUAL]} | changed
        reply = await client.post("/v1/evals", json=body)
        assert reply.status_code == 400
        assert (reply.json()["error"]["param"] or "").startswith(param)


BAD_RUNS: list[tuple[Any, str]] = [
    (content({"item": {"a": "x"}}), "row 1: item: 'q' is a required property"),
    (content(ROWS[0], {"item": {"q": 1}}), "row 2: item.q: 1 is not of type 'string'"),
    (content(*ROWS * 67), "more than 200 rows"),
    (content({"item": {}, "sampel": {}}), "content[0] holds 'sampel'"),
    ({"type": "responses", "source": {}}, "not served here"),
    (generated("nobody"), "nobody"),
    (generated("support@base"), "operator"),
    (generated() | {"model": None}, "both model and input_messages"),
    (generated() | {"sampling_params": {"tools": [{}]}}, "tools"),
    (generated("support", "{{sample.output_text}} {{x.y}}"), "only item and sample"),
    ({"type": "jsonl", "source": {"type": "file_id", "id": "../../etc/passwd"}}, "does not exist"),
    ({"type": "jsonl", "source": {"type": "stored_completions"}}, "source"),
]


async def test_what_is_no_run_is_refused_in_words(client: httpx.AsyncClient) -> None:
    made = await client.post("/v1/evals", json={"data_source_config": CUSTOM, "testing_criteria": [EQUAL]})
    for source, problem in BAD_RUNS:
        reply = await client.post(f"/v1/evals/{made.json()['id']}/runs", json={"data_source": source})
        assert reply.status_code in {400, 403, 404}
        error = reply.json()["error"]
        assert problem in f"{error['message']} {error['param']}"


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object within a value, itself too."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, dict):
        yield value
    for one in inner:
        yield from objects(one)


async def test_no_malformed_request_is_a_fault_of_ours(client: httpx.AsyncClient) -> None:
    draw = random.Random(7)
    made = (await client.post("/v1/evals", json={"data_source_config": CUSTOM, "testing_criteria": [EQUAL]})).json()
    run = (await client.post(f"/v1/evals/{made['id']}/runs", json={"data_source": content(*ROWS)})).json()
    values: list[Any] = [
        None, True, -1, 2**70, 1e308, "", "x" * 300, "\x00", "{{", "{{item.}}", "{{item." + "a." * 80 + "}}", [], [[]],
        {}, {"type": "custom"}, {"type": "jsonl"}, {"item": {}}, {"a": 1}, [EQUAL], content(*ROWS), CUSTOM, generated(),
        MULTI, [MULTI], "a + " * 300, "((((", "a ^ a ^ a", "\ud800", {"a": EQUAL}, {"": ALIKE}, {"a": MULTI},
    ]  # fmt: skip
    ids = [made["id"], "eval_0", "%00", "%ED%A0%80", "..%2f", "eval_" + "9" * 500]
    runs = [run["id"], "evalrun_0", "%00", "x" * 500]
    outputs = [f"outputitem_{run['id'][8:]}_{n}" for n in (0, 1, "1" * 30)] + ["%00", "outputitem__1"]
    queries = ["", "?limit=0", "?limit=x", "?after=%00", "?order=up", "?status=%ff", "?order_by=x", "?after=eval_0"]

    def broken() -> dict[str, Any]:
        whole = {"data_source_config": CUSTOM, "testing_criteria": [EQUAL, MULTI], "data_source": content(*ROWS)}
        body: dict[str, Any] = deepcopy(whole)
        for _ in range(draw.randint(1, 3)):
            inner = draw.choice(list(objects(body)))
            field = draw.choice([*inner, "name", "metadata", "source", "model", "input_messages", "graders"])
            inner[field] = deepcopy(draw.choice(values))
        return body

    paths = (
        lambda: f"/v1/evals/{draw.choice(ids)}",
        lambda: f"/v1/evals/{draw.choice(ids)}/runs",
        lambda: f"/v1/evals/{draw.choice(ids)}/runs/{draw.choice(runs)}",
        lambda: f"/v1/evals/{draw.choice(ids)}/runs/{draw.choice(runs)}/cancel",
        lambda: f"/v1/evals/{draw.choice(ids)}/runs/{draw.choice(runs)}/output_items",
        lambda: f"/v1/evals/{draw.choice(ids)}/runs/{draw.choice(runs)}/output_items/{draw.choice(outputs)}",
    )
    for number in range(600):
        path = "/v1/evals" if draw.random() < 0.3 else draw.choice(paths)()
        if number % 2:
            reply = await client.get(path + draw.choice(queries))
        else:
            reply = await client.post(path, content=json.dumps(broken()).replace("1e+308", "1e999"))
        assert reply.status_code < 500, (path, reply.text)
        if reply.status_code >= 400:
            assert reply.json()["error"]["message"]


class TestOtherGraders:
    """Where an operator lets callers' Python run, and has a larger model grade."""

    @pytest.fixture
    def endpoint(self) -> Iterator[Endpoint]:
        endpoint = Endpoint()
        yield endpoint
        endpoint.close()

    @pytest.fixture
    def settings(self, settings: Settings, bots_folder: Path, endpoint: Endpoint) -> Settings:
        with (bots_folder / "reviewer.toml").open("a") as file:
            file.write(f'[judge]\nurl = "{endpoint.url}"\nmodel = "big-one"\n')
        return settings.model_copy(update={"evals": EvalsSettings(judge_bot="reviewer", python=True)})

    async def test_they_grade(self, mine: openai.AsyncOpenAI, endpoint: Endpoint) -> None:
        endpoint.replies = lambda number: completion("good" if number == 0 else "0.9")
        asked = [{"role": "user", "content": "Is {{sample.output_text}} right?"}]
        label = LABEL | {"model": "big-one", "input": asked}
        score = {"type": "score_model", "name": "scored", "model": "big-one", "input": asked, "pass_threshold": 0.95}
        eval_id = await make(mine, label, score, PYTHON)
        run, [output] = await grade(mine, eval_id, content(ROWS[0]))
        assert (run.status, output.status) == ("completed", "fail")
        assert [(one.name, one.score, one.passed) for one in output.results] == [
            ("labelled", 1, True), ("scored", 0.9, False), ("coded", 1, True),
        ]  # fmt: skip
        assert output.results[1].sample["output"][0]["content"] == "0.9"
        assert endpoint.asked[0]["body"]["messages"][0]["content"].startswith("Is There. right?")
        with pytest.raises(openai.BadRequestError, match="That is big-one") as refused:
            await make(mine, label | {"model": "gpt-x"})
        assert refused.value.param == "testing_criteria[0].model"


async def test_they_are_off_unless_a_setting_allows_them(mine: openai.AsyncOpenAI) -> None:
    asked = ((PYTHON, "evals.python", ""), (LABEL, "evals.judge_bot", ""))
    within = ((MULTI | {"graders": {"a": EQUAL, "b": PYTHON}}, "evals.python", ".graders.b"),)
    for criterion, setting, place in (*asked, *within):
        with pytest.raises(openai.BadRequestError, match=setting) as refused:
            await make(mine, EQUAL, criterion)
        assert refused.value.param == f"testing_criteria[1]{place}.type"
