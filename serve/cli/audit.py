"""Verbs of the audit: list its lines by what is sought, and verify that they stand as they were written."""

from datetime import datetime
from typing import Annotated

import typer

from serve.cli.looks import give_events
from serve.cli.options import BULK_TIMEOUT_S, AnyBotOption, JsonFlag, server_of
from serve.cli.talk import give, give_json


def audit_app() -> typer.Typer:
    app = typer.Typer(help="List and verify the audit.", no_args_is_help=True, rich_markup_mode=None)
    app.command("list")(list_lines)
    app.command("verify")(verify)
    return app


def list_lines(
    context: typer.Context,
    *,
    bot: AnyBotOption = None,
    who: Annotated[str | None, typer.Option("--who", help="Only by whoever's name holds this.")] = None,
    did: Annotated[str | None, typer.Option("--did", help="Only what holds this, as `revoked a key`.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Only to what holds this, as `key:shop`.")] = None,
    since: Annotated[datetime | None, typer.Option("--since", help="Not before, by this machine's clock.")] = None,
    until: Annotated[datetime | None, typer.Option("--until", help="Only before, likewise.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many.")] = 50,
    as_json: JsonFlag = False,
) -> None:
    """Show who did what, when and why; newest first."""
    # A time without a zone is this machine's own.
    times = {name: at.astimezone().isoformat() for name, at in (("since", since), ("until", until)) if at}
    with server_of(context) as server:
        rows = server.get("/ops/events", bot=bot, actor=who, action=did, subject=to, limit=limit, **times)
    give_events(rows, as_json=as_json)


def verify(
    context: typer.Context,
    *,
    expected: Annotated[
        str | None, typer.Option("--expected", metavar="HASH", help="A newest line's hash as told before.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Find lines that were changed, left out, put in or moved; exit 1 if there are any.

    Each line holds the hash of the one before. Whoever can write the record could write the whole chain anew: keep the
    hash that this verb tells elsewhere, and give it as --expected later.
    """
    with server_of(context, timeout_s=BULK_TIMEOUT_S) as server:
        found = server.get("/ops/audit", expected=expected)
    if as_json:
        give_json(found)
    else:
        for fault in found["faults"]:
            give(f"line {fault['number']} {fault['problem']}" if fault["number"] else fault["problem"])
        give(
            f"{found['lines']} lines in the chain, {found['before']} from before it; newest: {found['head'] or 'none'}"
        )
        if not found["faults"]:
            give("All stand as they were written.")
    if found["faults"]:
        raise typer.Exit(1)
