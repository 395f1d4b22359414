"""Verbs of API keys: create, list, revoke."""

from typing import Annotated
from urllib.parse import quote

import typer

from nightschool.settings import load_settings
from serve.cli.client import connect
from serve.cli.options import JsonFlag
from serve.cli.talk import give_json, give_table, say

NameOption = Annotated[str, typer.Option("--name", help="What the key is called.")]


def keys_app() -> typer.Typer:
    app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True, rich_markup_mode=None)
    app.command("create")(create)
    app.command("list")(list_all)
    app.command("revoke")(revoke)
    return app


def create(
    name: NameOption,
    operator: Annotated[bool, typer.Option("--operator", help="May also name versions and move adapters.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make a key; it is shown this once."""
    with connect(load_settings().settings.paths) as server:
        made = server.post("/ops/keys", {"name": name, "is_operator": operator})
    if as_json:
        give_json(made)
    else:
        print(made["key"])
        say("Keep it: it is not shown again.")


def list_all(as_json: JsonFlag = False) -> None:
    """List keys; secrets are not kept."""
    with connect(load_settings().settings.paths) as server:
        rows = server.get("/ops/keys")
    if as_json:
        give_json(rows)
    else:
        columns = {"name": "name", "scope": "scope", "created_at": "created", "revoked_at": "revoked"}
        give_table(rows, columns, empty="no keys")


def revoke(name: NameOption, as_json: JsonFlag = False) -> None:
    """Have a key open nothing from now on."""
    with connect(load_settings().settings.paths) as server:
        done = server.delete(f"/ops/keys/{quote(name, safe='')}")
    if as_json:
        give_json(done)
    say(f"key {name!r} is revoked")
