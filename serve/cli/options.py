"""Options that several verbs share, and what they lead to: the settings in effect and the running server.

Imports nothing heavy before it is asked to, since every verb's `--help` comes through here.
"""

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from nightschool.settings import Loaded
    from serve.cli.client import Server

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
BotOption = Annotated[str, typer.Option("--bot", help="The bot's name.")]
OneBotOption = Annotated[str | None, typer.Option("--bot", help="The bot's name; a whole record needs none.")]
AnyBotOption = Annotated[str | None, typer.Option("--bot", help="Only this bot.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; kept in the audit.")]
VersionOption = Annotated[int | None, typer.Option("--version", min=1, help="The adapter's version.")]
WayDownOption = Annotated[
    int | None, typer.Option("--version", min=0, help="A version that was live before; 0 is the base model.")
]
HomeOption = Annotated[Path | None, typer.Option("--home", help="Data folder; else NIGHTSCHOOL_HOME, else ./data.")]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Settings file; else NIGHTSCHOOL_CONFIG, else ./nightschool.toml.")
]
OperatorOption = Annotated[
    str | None,
    typer.Option(
        "--operator", metavar="NAME", envvar="NIGHTSCHOOL_OPERATOR",
        help="Who you are, in the audit; else the machine's user.",
    ),
]  # fmt: skip

TIMEOUT_S: Final = 120.0
BULK_TIMEOUT_S: Final = 600.0
"""For what carries many conversations."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What stood before the verb; None leaves it to the environment."""

    home: Path | None = None
    config: Path | None = None
    operator: str | None = None

    def environment(self) -> dict[str, str]:
        """Ours, for a child that must find the same settings."""
        named = {"NIGHTSCHOOL_HOME": self.home, "NIGHTSCHOOL_CONFIG": self.config}
        return dict(os.environ) | {name: str(path.absolute()) for name, path in named.items() if path}


def settings_of(context: typer.Context) -> "Loaded":
    """The settings in effect for this call. Raises InvalidSettings."""
    from nightschool.settings import load_settings  # noqa: PLC0415

    chosen: Chosen = context.obj
    return load_settings(file=chosen.config, home=chosen.home)


def server_of(context: typer.Context, *, timeout_s: float = TIMEOUT_S) -> AbstractContextManager["Server"]:
    """The running server of the data folder in effect. Raises Unavailable where none runs."""
    from serve.cli.client import connect  # noqa: PLC0415

    chosen: Chosen = context.obj
    return connect(settings_of(context).settings.paths, timeout_s=timeout_s, operator=chosen.operator)
