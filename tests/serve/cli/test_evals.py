"""`nightschool evals`: what callers grade here, without a word of it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

Nightschool = Callable[..., Awaitable[Any]]
CHECK = {"type": "string_check", "name": "same", "input": "{{item.a}}", "reference": "x", "operation": "eq"}
EVAL = {"name": "words", "data_source_config": {"type": "custom", "item_schema": {}}, "testing_criteria": [CHECK]}
ROWS = [{"item": {"a": "x"}}, {"item": {"a": "Quendolyn"}}]


async def test_evals_of_every_key_are_listed_and_shown(nightschool: Nightschool, client: httpx.AsyncClient) -> None:
    assert (await nightschool("evals", "list")).err == "no eval\n"
    made = (await client.post("/v1/evals", json=EVAL)).json()["id"]
    assert (await nightschool("evals", "show", made)).err == "words of key:reader: same (string_check)\nno run\n"
    source = {"type": "jsonl", "source": {"type": "file_content", "content": ROWS}}
    run = (await client.post(f"/v1/evals/{made}/runs", json={"data_source": source})).json()["id"]
    async with asyncio.timeout(20):
        while (await client.get(f"/v1/evals/{made}/runs/{run}")).json()["status"] != "completed":
            await asyncio.sleep(0.02)
    [row] = (await nightschool("evals", "list", "--json")).json
    assert (row["eval"], row["owner"], row["graders"]) == (made, "key:reader", ["same (string_check)"])
    counts = {key: row["runs"][0][key] for key in ("run", "rows", "passed", "failed", "errored")}
    assert counts == {"run": run, "rows": 2, "passed": 1, "failed": 1, "errored": 0}
    listed = (await nightschool("evals", "list")).out.splitlines()
    assert listed[1].split("\t")[-2:] == ["1", "completed, 1 of 2 passed"]
    shown = await nightschool("evals", "show", made)
    assert shown.out.splitlines()[1].split("\t")[3:8] == ["completed", "1", "1", "0", "2"]
    assert "Quendolyn" not in shown.out + shown.err + str((await nightschool("evals", "show", made, "--json")).json)
    assert (await nightschool("evals", "show", "eval_none")).code == 3
