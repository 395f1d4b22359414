"""Verbs that need no running server: up, password, settings, doctor, and demo, which starts one where none runs."""

from typing import Annotated

import typer

from serve.cli.options import Chosen, JsonFlag, settings_of
from serve.cli.talk import give, give_json, give_table, say


def add_local_verbs(app: typer.Typer) -> None:
    app.command("up")(up)
    app.command("demo")(demo)
    app.command("password")(password)
    app.command("settings")(settings)
    app.command("doctor")(doctor)


def up(
    context: typer.Context,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing while all is well.")] = False,
) -> None:
    """Start engine and server, and run until Ctrl-C.

    The first start prints the console's password at once, and later an API key. The addresses come once an answer
    really came back.
    """
    loaded = settings_of(context)
    from serve.cli.up import run_up  # noqa: PLC0415

    raise typer.Exit(run_up(loaded.settings, is_quiet=quiet))


def demo(
    context: typer.Context,
    bot: Annotated[str, typer.Option("--bot", help="The bot that learns.")] = "support",
    as_json: JsonFlag = False,
) -> None:
    """Run the whole loop on the shipped conversations.

    Imports them, runs a night, and prints the base model's and the tuned answers to held-out questions side by side.
    Uses the running installation; where none runs, it starts one and stops it at the end.
    """
    from serve.cli.demo import run_demo  # noqa: PLC0415

    chosen: Chosen = context.obj
    run_demo(settings_of(context).settings, bot=bot, environment=chosen.environment(), as_json=as_json)


def password(
    context: typer.Context,
    name: Annotated[str | None, typer.Option("--name", help="Of this operator; else of `operator`.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a new password for the console; it is shown this once.

    The one before opens nothing any more, and who is signed in must sign in again. Visitors of the chat keep their
    conversations. A running server need not be started anew.
    """
    from serve.operators import renew_password  # noqa: PLC0415
    from serve.secrets import OPERATOR, set_password  # noqa: PLC0415

    home = settings_of(context).settings.paths
    made = set_password(home) if name in {None, OPERATOR} else renew_password(home, str(name))
    if as_json:
        give_json({"password": made})
    else:
        give(made)
        say("It opens the console from now on. Keep it: it is not shown again.")


def settings(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Print every setting in effect, its origin and its meaning."""
    from nightschool.settings import effective_settings  # noqa: PLC0415

    rows = [entry._asdict() for entry in effective_settings(settings_of(context))]
    if as_json:
        give_json(rows)
    else:
        give_table(rows, {"key": "key", "value": "value", "origin": "from", "help": "meaning"}, empty="no settings")


def doctor(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Check this machine and say what to do; exit 1 if a check fails.

    Looks at Python, packages, compiler, GPU, disk, memory, bots, base model, port and server. Changes nothing.
    """
    from serve.cli.doctor import Mark, examine_machine  # noqa: PLC0415

    findings = examine_machine(settings_of(context).settings)
    rows = [finding._asdict() for finding in findings]
    if as_json:
        give_json(rows)
    else:
        give_table(rows, {"mark": "", "what": "what", "found": "found", "remedy": "what to do"}, empty="no checks")
    if any(finding.mark is Mark.FAIL for finding in findings):
        raise typer.Exit(1)
