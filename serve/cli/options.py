"""Options that several verbs share."""

from typing import Annotated

import typer

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
BotOption = Annotated[str, typer.Option("--bot", help="The bot's name.")]
AnyBotOption = Annotated[str | None, typer.Option("--bot", help="Only this bot.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; kept in the audit.")]
VersionOption = Annotated[int | None, typer.Option("--version", min=1, help="The adapter's version.")]
