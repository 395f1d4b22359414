"""Verbs of operators: give somebody a password of their own, list them, and send one away. Need no server."""

from typing import Annotated

import typer

from serve.cli.options import JsonFlag, settings_of
from serve.cli.talk import give, give_json, give_table, say

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The person's name, as the audit tells it.")]


def operators_app() -> typer.Typer:
    app = typer.Typer(
        help="Give people passwords of their own for the console.", no_args_is_help=True, rich_markup_mode=None
    )
    app.command("add")(add)
    app.command("list")(list_all)
    app.command("remove")(remove)
    return app


def add(context: typer.Context, name: NameArgument, as_json: JsonFlag = False) -> None:
    """Let somebody sign in at the console by their name; the password is shown this once."""
    from serve.operators import add_operator  # noqa: PLC0415

    made = add_operator(settings_of(context).settings.paths, name)
    if as_json:
        give_json({"name": name, "password": made})
    else:
        give(made)
        say(f"It opens the console for {name} from now on. Keep it: it is not shown again.")


def list_all(context: typer.Context, as_json: JsonFlag = False) -> None:
    """List who may sign in at the console."""
    from serve.secrets import known_operators  # noqa: PLC0415

    rows = [{"name": name} for name in known_operators(settings_of(context).settings.paths)]
    if as_json:
        give_json(rows)
    else:
        give_table(rows, {"name": "name"}, empty="no operators")


def remove(context: typer.Context, name: NameArgument, as_json: JsonFlag = False) -> None:
    """Send somebody away: they are signed out at once, and their password opens nothing."""
    from serve.operators import remove_operator  # noqa: PLC0415

    remove_operator(settings_of(context).settings.paths, name)
    if as_json:
        give_json({"name": name, "is_removed": True})
    else:
        say(f"{name} is no operator any more")
