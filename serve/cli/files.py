"""Verbs of training files: check one as an upload would, without a server."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from serve.cli.options import JsonFlag, settings_of
from serve.cli.talk import give_json, say


def files_app() -> typer.Typer:
    app = typer.Typer(help="Files to train on, as /v1/files takes them.", no_args_is_help=True, rich_markup_mode=None)
    app.command("check")(check)
    return app


def check(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="JSON Lines: chats, preferences, or prompts with completions.")],
    as_json: JsonFlag = False,
) -> None:
    """Check a file, without a server: a fault is told with its line."""
    from nightschool.errors import InvalidInput  # noqa: PLC0415
    from serve.files import check_training_file  # noqa: PLC0415

    settings = settings_of(context).settings
    base_model = settings.engine.model or str(settings.paths.base_model)
    try:
        found = check_training_file(
            file, subject=str(file), base_model=base_model, context_tokens=settings.engine.max_model_len
        )
    except OSError as error:
        raise InvalidInput(
            f"cannot be read ({error.strerror})", subject=str(file), remedy="Name a file that is there."
        ) from error
    if as_json:
        give_json(asdict(found))
    say(
        f"{file}: {found.rows} rows ({found.format}), about {found.tokens} tokens of which {found.trained_tokens} "
        "are learnt, no fault"
    )
