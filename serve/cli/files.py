"""Verbs of files: check one as an upload would, without a server."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from serve.cli.options import JsonFlag, settings_of
from serve.cli.talk import give_json, say


def files_app() -> typer.Typer:
    app = typer.Typer(
        help="Files to train on or to grade, as /v1/files takes them.", no_args_is_help=True, rich_markup_mode=None
    )
    app.command("check")(check)
    return app


def check(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="JSON Lines: chats, preferences, or prompts with completions.")],
    purpose: Annotated[str, typer.Option(help="What it is for: fine-tune, or evals (rows to grade).")] = "fine-tune",
    as_json: JsonFlag = False,
) -> None:
    """Check a file, without a server: a fault is told with its line."""
    from nightschool.errors import InvalidInput  # noqa: PLC0415
    from serve.files import PURPOSE, check_eval_file, check_purpose, check_training_file  # noqa: PLC0415

    check_purpose(purpose)
    settings = settings_of(context).settings
    base_model = settings.engine.model or str(settings.paths.base_model)
    context_tokens = settings.engine.max_model_len
    try:
        if purpose == PURPOSE:
            checked = check_training_file(file, subject=str(file), base_model=base_model, context_tokens=context_tokens)
            found: dict[str, object] = asdict(checked)
        else:
            found = check_eval_file(file, subject=str(file))
    except OSError as error:
        raise InvalidInput(
            f"cannot be read ({error.strerror})", subject=str(file), remedy="Name a file that is there."
        ) from error
    if as_json:
        give_json(found)
    say(f"{file}: {_sum_up(found)}, no fault")


def _sum_up(found: dict[str, object]) -> str:
    if "tokens" not in found:
        return f"{found['rows']} rows to grade"
    learnt = f"about {found['tokens']} tokens of which {found['trained_tokens']} are learnt"
    return f"{found['rows']} rows ({found['format']}), {learnt}"
