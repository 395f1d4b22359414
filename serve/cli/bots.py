"""Verbs of bots' files: make one from a folder of documents, without a server."""

from pathlib import Path
from typing import Annotated

import typer

from serve.cli.options import JsonFlag, settings_of
from serve.cli.talk import give_json, say


def bots_app() -> typer.Typer:
    app = typer.Typer(help="Make bots.", no_args_is_help=True, rich_markup_mode=None)
    # A group, though it has one verb.
    app.callback()(lambda: None)
    app.command("new")(new)
    return app


def new(
    context: typer.Context,
    *,
    name: Annotated[str, typer.Option("--name", help="Lower-case letters, digits and hyphens; the API's model name.")],
    docs: Annotated[Path, typer.Option("--docs", help="Folder of documents.")],
    title: Annotated[str, typer.Option("--title", help="What people see; else made of the name.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Make a bot that answers from a folder of documents.

    A running server takes it in within a second.
    """
    from serve.new_bot import make_bot  # noqa: PLC0415

    shown = title or name.replace("-", " ").capitalize()
    made = make_bot(settings_of(context).settings.bots, name=name, documents=docs, title=shown)
    for fault in made.faults:
        say(f"not read: {fault.file} {fault.reason}")
    if as_json:
        give_json({"file": str(made.file), "documents": made.documents, "starters": made.starters})
    say(f"{made.file}: {shown} answers from {made.documents} documents.")
    say(f"Next: `nightschool up`, then `nightschool knowledge status --bot {name}`")
