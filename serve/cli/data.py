"""Verbs that carry conversations in and out: import, export."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from nightschool.errors import InvalidInput
from nightschool.settings import load_settings
from serve.cli.client import connect
from serve.cli.options import BotOption, JsonFlag
from serve.cli.talk import give_json, say

SHOWN_BAD_LINES = 20


def add_data_verbs(app: typer.Typer) -> None:
    app.command("import")(take_in)
    app.command("export")(hand_out)


def take_in(
    file: Annotated[Path, typer.Argument(help="JSONL: OpenAI chat or Hugging Face conversational; - reads stdin.")],
    bot: BotOption,
    held_out: Annotated[
        bool | None,
        typer.Option("--held-out/--training", help="Keep for evaluation, or for training; else the night decides."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Import conversations; never the same one twice. Exit 2 when no line was good."""
    raw = read_file(file)
    with connect(load_settings().settings.paths, timeout_s=600) as server:
        done = server.post("/ops/import", raw=raw, bot=bot, held_out=held_out)
    if as_json:
        give_json(done)
    say(f"{done['imported']} imported, {done['skipped']} known already, {len(done['bad_lines'])} bad lines")
    for bad in done["bad_lines"][:SHOWN_BAD_LINES]:
        say(f"  line {bad['line']}: {bad['reason']}")
    if done["bad_lines"] and not done["imported"] and not done["skipped"]:
        raise typer.Exit(2)


def hand_out(
    bot: BotOption,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="A file; else stdout.")] = None,
) -> None:
    """Export conversations as OpenAI chat JSONL, votes as metadata."""
    with connect(load_settings().settings.paths, timeout_s=600) as server:
        text = server.text("/ops/export", bot=bot)
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text)
    except OSError as error:
        raise InvalidInput(f"cannot be written ({error.strerror})", subject=str(output), remedy="Mend that.") from error
    say(f"{text.count(chr(10))} conversations in {output}")


def read_file(file: Path) -> bytes:
    """The file's bytes, stdin's for `-`. Raises InvalidInput."""
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"cannot be read ({error.strerror})", subject=str(file), remedy="Check the path.") from error
