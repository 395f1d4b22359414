"""Verbs of callers' evals: which there are, and what their runs came to."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from serve.cli.options import JsonFlag, server_of
from serve.cli.talk import give_json, give_table, local_time, say

LISTED = {"eval": "eval", "owner": "owner", "name": "name", "graders": "graders", "runs": "runs", "last": "last run"}
SHOWN = {
    "run": "run", "at": "begun", "model": "model", "status": "status", "passed": "passed", "failed": "failed",
    "errored": "errors", "rows": "rows", "error": "why",
}  # fmt: skip


def evals_app() -> typer.Typer:
    app = typer.Typer(help="Callers' evals (/v1/evals).", no_args_is_help=True, rich_markup_mode=None)
    app.command("list")(list_all)
    app.command("show")(show)
    return app


def list_all(context: typer.Context, as_json: JsonFlag = False) -> None:
    """List the evals of every key, and how the last run of each went."""
    with server_of(context) as server:
        rows = server.get("/ops/evals")
    if as_json:
        give_json(rows)
        return
    shown = [row | {"graders": ", ".join(row["graders"]), "runs": len(row["runs"]), "last": _last(row)} for row in rows]
    give_table(shown, LISTED, empty="no eval")


def show(
    context: typer.Context,
    eval_id: Annotated[str, typer.Argument(metavar="EVAL", help="An eval's id.")],
    as_json: JsonFlag = False,
) -> None:
    """Show an eval's runs and what they came to; its rows are its owner's."""
    with server_of(context) as server:
        found = server.get(f"/ops/evals/{quote(eval_id, safe='')}")
    if as_json:
        give_json(found)
        return
    say(f"{found['name'] or eval_id} of {found['owner']}: {', '.join(found['graders'])}")
    runs = [run | {"at": local_time(run["created_at"])} for run in found["runs"]]
    give_table(runs, SHOWN, empty="no run")


def _last(row: dict[str, Any]) -> str:
    if not row["runs"]:
        return ""
    run = row["runs"][-1]
    return f"{run['status']}, {run['passed']} of {run['rows']} passed"
