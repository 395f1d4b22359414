"""Verbs of API keys: create, list, revoke."""

from typing import Annotated
from urllib.parse import quote

import typer

from serve.cli.options import JsonFlag, server_of
from serve.cli.talk import give, give_json, give_table, local_time, say

NameOption = Annotated[str, typer.Option("--name", help="What the key is called.")]


def keys_app() -> typer.Typer:
    app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True, rich_markup_mode=None)
    app.command("create")(create)
    app.command("list")(list_all)
    app.command("revoke")(revoke)
    return app


def create(
    context: typer.Context,
    name: NameOption,
    operator: Annotated[bool, typer.Option("--operator", help="May also name versions and move adapters.")] = False,
    lenient: Annotated[
        bool, typer.Option("--lenient", help="What is asked beyond what is served is passed over, not refused.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make a key; it is shown this once."""
    with server_of(context) as server:
        made = server.post("/ops/keys", {"name": name, "is_operator": operator, "is_lenient": lenient})
    if as_json:
        give_json(made)
    else:
        give(made["key"])
        say("Keep it: it is not shown again.")


def list_all(context: typer.Context, as_json: JsonFlag = False) -> None:
    """List keys; secrets are not kept."""
    with server_of(context) as server:
        rows = server.get("/ops/keys")
    if as_json:
        give_json(rows)
        return
    shown = [
        row
        | {
            "made": local_time(row["created_at"]),
            "ended": local_time(row["revoked_at"]),
            "asked": "lenient" if row["is_lenient"] else "",
        }
        for row in rows
    ]
    columns = {"name": "name", "scope": "scope", "asked": "asks", "made": "created", "ended": "revoked"}
    give_table(shown, columns, empty="no keys")


def revoke(context: typer.Context, name: NameOption, as_json: JsonFlag = False) -> None:
    """Have a key open nothing from now on."""
    with server_of(context) as server:
        done = server.delete(f"/ops/keys/{quote(name, safe='')}")
    if as_json:
        give_json(done)
    say(f"key {name!r} is revoked")
