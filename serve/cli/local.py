"""Verbs that need no running server: up, settings, doctor, and demo, which starts one where none runs."""

from typing import Annotated

import typer

from nightschool.settings import effective_settings, load_settings
from serve.cli.options import JsonFlag
from serve.cli.talk import give_json, give_table


def add_local_verbs(app: typer.Typer) -> None:
    app.command("up")(up)
    app.command("demo")(demo)
    app.command("settings")(settings)
    app.command("doctor")(doctor)


def up(quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing while all is well.")] = False) -> None:
    """Start engine and server, print addresses and keys, run until Ctrl-C."""
    loaded = load_settings()
    from serve.cli.up import run_up  # noqa: PLC0415

    raise typer.Exit(run_up(loaded.settings, is_quiet=quiet))


def demo(
    bot: Annotated[str, typer.Option("--bot", help="The bot that learns.")] = "support", as_json: JsonFlag = False
) -> None:
    """Run the whole loop on the shipped conversations: import, train, judge, promote, show the difference."""
    from serve.cli.demo import run_demo  # noqa: PLC0415

    run_demo(load_settings().settings, bot=bot, as_json=as_json)


def settings(as_json: JsonFlag = False) -> None:
    """Print every setting in effect, where it came from and what it is for."""
    rows = [entry._asdict() for entry in effective_settings(load_settings())]
    if as_json:
        give_json(rows)
    else:
        give_table(rows, {"key": "key", "value": "value", "origin": "from", "help": "meaning"}, empty="no settings")


def doctor(as_json: JsonFlag = False) -> None:
    """Check packages, disk, memory, port, compiler, model and server, with remedies. Exit 1 if one fails."""
    from serve.cli.doctor import Mark, examine_machine  # noqa: PLC0415

    findings = examine_machine(load_settings().settings)
    rows = [finding._asdict() for finding in findings]
    if as_json:
        give_json(rows)
    else:
        give_table(rows, {"mark": "", "what": "what", "found": "found", "remedy": "what to do"}, empty="")
    if any(finding.mark is Mark.FAIL for finding in findings):
        raise typer.Exit(1)
