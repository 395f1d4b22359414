"""Evals, runs and outputs as OpenAI tells them. Pure."""

import json
from collections.abc import Mapping
from typing import Any, Final

from collect.eval_outputs import Output
from collect.eval_runs import EvalRun, Tally
from collect.evals import Eval
from serve.eval_answers import usage_card

OUTPUT_PREFIX: Final = "outputitem_"


def eval_card(made: Eval) -> dict[str, Any]:
    return {
        "object": "eval",
        "id": made.eval_id,
        "name": made.name,
        "created_at": int(made.created_at.timestamp()),
        "data_source_config": config_card(json.loads(made.source_json)),
        "testing_criteria": json.loads(made.criteria_json),
        "metadata": json.loads(made.metadata_json),
    }


def run_card(run: EvalRun, *, root: str) -> dict[str, Any]:
    """`root` is where the caller reached the server."""
    tally, order = run.tally, run.order
    return {
        "object": "eval.run",
        "id": run.run_id,
        "eval_id": run.eval_id,
        "report_url": f"{root.rstrip('/')}/v1/evals/{run.eval_id}/runs/{run.run_id}/output_items",
        "status": run.state.value,
        "model": order.generation.model if order.generation else "",
        "name": order.name,
        "created_at": int(run.created_at.timestamp()),
        "result_counts": {
            "total": order.rows, "passed": tally.passed, "failed": tally.failed, "errored": tally.errored,
        },
        "per_model_usage": [
            {"model_name": model, "invocation_count": used.invocations, **usage_card(used)}
            for model, used in tally.usage.items()
        ],
        "per_testing_criteria_results": _per_criterion(tally),
        "data_source": json.loads(order.source_json),
        "error": run.error.model_dump() if run.error else None,
        "metadata": order.metadata,
    }  # fmt: skip


def output_card(output: Output, *, run: EvalRun) -> dict[str, Any]:
    return {
        "object": "eval.run.output_item",
        "id": output_id(run.run_id, output.number),
        "created_at": int(output.created_at.timestamp()),
        "run_id": run.run_id,
        "eval_id": run.eval_id,
        "status": output.status,
        "datasource_item_id": output.number,
        "datasource_item": json.loads(output.item_json),
        "results": json.loads(output.results_json),
        "sample": json.loads(output.sample_json),
    }


def output_id(run_id: str, number: int) -> str:
    return f"{OUTPUT_PREFIX}{run_id.partition('_')[2]}_{number}"


def number_of(name: str, *, run_id: str) -> int | None:
    """Of an output's id the row's number; None where it is none of this run's."""
    number = name.rpartition("_")[2]
    if not (number.isascii() and number.isdecimal() and len(number) < 10):
        return None
    return int(number) if name == output_id(run_id, int(number)) else None


def config_card(source: Mapping[str, Any]) -> dict[str, Any]:
    """An eval's source as it is told: the schema of a whole row."""
    if source["type"] != "custom":
        schema = {"item": {"type": "object"}, "sample": {"type": "object"}}
        return {"type": source["type"], "schema": _row_schema(schema), "metadata": {}}
    schema = {"item": source["item_schema"]}
    if source["include_sample_schema"]:
        schema |= {"sample": {"type": "object"}}
    return {"type": "custom", "schema": _row_schema(schema)}


def _row_schema(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": list(properties)}


def _per_criterion(tally: Tally) -> list[dict[str, Any]]:
    return [
        {"testing_criteria": name, "passed": one.passed, "failed": one.failed, "errored": one.errored}
        for name, one in tally.criteria.items()
    ]
