"""Verbs of conversations that people handed over to the team: list what is open, and mark one as dealt with."""

from typing import Annotated
from urllib.parse import quote

import typer

from serve.cli.options import AnyBotOption, JsonFlag, ReasonOption, server_of
from serve.cli.talk import give_json, give_table, local_time, say

COLUMNS = {
    "escalation": "id", "bot": "bot", "asked": "asked", "contact": "contact", "conversation": "conversation",
    "is": "is",
}  # fmt: skip


def escalations_app() -> typer.Typer:
    app = typer.Typer(
        help="List conversations that people handed over, and mark them as dealt with.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    app.command("list")(list_open)
    app.command("done")(finish)
    return app


def list_open(
    context: typer.Context,
    bot: AnyBotOption = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are dealt with.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """List what waits for the team, newest first."""
    with server_of(context) as server:
        rows = server.get("/ops/escalations", bot=bot, with_done=everything)
    if as_json:
        give_json(rows)
        return
    shown = [row | {"asked": local_time(row["asked_at"]), "is": _state(row)} for row in rows]
    give_table(shown, COLUMNS, empty="nobody waits")


def finish(
    context: typer.Context,
    escalation: Annotated[str, typer.Argument(metavar="ID", help="As `list` names it.")],
    reason: ReasonOption = "",
    as_json: JsonFlag = False,
) -> None:
    """Say that somebody has dealt with one; its person reads so in the chat, and may ask anew."""
    with server_of(context) as server:
        done = server.post(f"/ops/escalations/{quote(escalation, safe='')}/done", {"reason": reason})
    if as_json:
        give_json(done)
    say(f"{escalation} is dealt with by {done['done_by']}")


def _state(row: dict[str, str | None]) -> str:
    if row["done_at"]:
        return f"dealt with by {row['done_by']}"
    return "sent" if row["sent_at"] else f"not sent yet: {row['problem'] or 'on its way'}"
