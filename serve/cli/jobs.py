"""Verbs of callers' jobs: the queue of the trainer, and a fine-tuned model that becomes a bot's candidate."""

from typing import Annotated

import typer

from serve.cli.options import BotOption, JsonFlag, ReasonOption, server_of
from serve.cli.talk import give_json, give_table, say

COLUMNS = {
    "place": "place", "kind": "kind", "name": "name", "owner": "owner", "state": "state", "waits_for": "waits for",
    "starts_at": "starts about",
}  # fmt: skip


def add_job_verbs(app: typer.Typer) -> None:
    app.command("jobs")(show_queue)
    app.command("adopt")(adopt)


def show_queue(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Show who trains and who waits for the trainer: nights and jobs of every key."""
    with server_of(context) as server:
        rows = server.get("/ops/jobs")
    if as_json:
        give_json(rows)
        return
    give_table([{key: row[key] or "" for key in COLUMNS} for row in rows], COLUMNS, empty="nobody trains or waits")


def adopt(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A fine-tuned model, as GET /v1/models names it.")],
    bot: BotOption,
    reason: ReasonOption,
    as_json: JsonFlag = False,
) -> None:
    """Make a fine-tuned model the bot's candidate.

    It is loaded and proved under the bot's name. `nightschool eval` examines it, `nightschool promote` makes it live.
    """
    with server_of(context) as server:
        done = server.post("/ops/adopt", {"model": model, "bot": bot, "reason": reason})
    if as_json:
        give_json(done)
    say(f"{model} is {done['candidate']}, a candidate; `nightschool eval` examines it")
