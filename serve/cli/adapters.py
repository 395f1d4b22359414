"""Verbs of adapters: list them, and add one from outside, or a whole model, as a bot's candidate."""

import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from serve.cli.options import AnyBotOption, BotOption, JsonFlag, server_of
from serve.cli.talk import give_json, give_table, local_time, say

ADD_TIMEOUT_S: Final = 3_600.0
"""Weights are sent, read, and loaded."""
PIECE_BYTES: Final = 2**20


def adapters_app() -> typer.Typer:
    app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
    app.callback()(list_adapters)
    app.command("add")(add)
    return app


def list_adapters(context: typer.Context, bot: AnyBotOption = None, as_json: JsonFlag = False) -> None:
    """List adapters, newest first, with their stages; `add` brings one from outside."""
    if context.invoked_subcommand:
        return
    with server_of(context) as server:
        rows = server.get("/ops/adapters", bot=bot)
    if as_json:
        give_json(rows)
        return
    columns = {"bot": "bot", "version": "version", "stage": "stage", "gate": "gate", "short": "hash", "when": "created"}
    shown = [
        row
        | {
            "stage": f"{row['stage']}, tainted" if _is_tainted_yet_used(row) else row["stage"],
            "gate": "passed" if row["has_passing_verdict"] else "",
            "short": row["hash"][:12],
            "when": local_time(row["created_at"]),
        }
        for row in rows
    ]
    give_table(shown, columns, empty="no adapters yet")


def add(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What PEFT's or Trainer's save_model wrote.")],
    bot: BotOption,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the audit.")] = "",
    serve_as: Annotated[
        Literal["nearest", "whole", "alone"],
        typer.Option(
            "--as", help="A whole model: the adapter nearest to it; whole, by an engine beside; or alone, in its place."
        ),
    ] = "nearest",
    as_json: JsonFlag = False,
) -> None:
    """Make an adapter or a whole model from outside the bot's candidate.

    It must be trained on the base model that is served, and saved as safetensors. It is loaded and proved under the
    bot's name; `nightschool eval` examines it, `nightschool promote` makes it live. A whole model is served as the
    adapter nearest to it, which takes no memory; with `--as whole` as it is, which takes as much as the base model;
    with `--as alone` in the base model's place, once it is promoted.
    """
    names = _choose(folder)
    with server_of(context, timeout_s=ADD_TIMEOUT_S) as server:
        name = folder.resolve().name
        about: dict[str, Any] = {"bot": bot, "name": name, "reason": reason, "as": serve_as}
        done = server.upload("/ops/adapters", _tar(folder, names), **about)
    if as_json:
        give_json(done)
    if done["share"] is not None:
        say(
            f"The adapter of rank {done['rank']} nearest to it holds {done['share']:.0%} of what it learnt and goes "
            f"{done['said']:.0%} of the way to what it says."
        )
    if done["served"] == "whole":
        say("It is served whole, by an engine of its own.")
    if done["served"] == "alone":
        say("It answers alone once it is live, and is proved then; `nightschool promote` says what that takes.")
        say(f"{folder} is {done['candidate']}, a candidate")
        return
    say(f"{folder} is {done['candidate']}, a candidate; `nightschool eval` examines it")


def _is_tainted_yet_used(row: dict[str, Any]) -> bool:
    return bool(row["tainted_at"]) and row["stage"] != "tainted"


def _choose(folder: Path) -> tuple[str, ...]:
    """What of the folder is sent. Raises InvalidInput before anything is."""
    from tune.brought import choose_files  # noqa: PLC0415

    try:
        names = [path.name for path in folder.iterdir() if path.is_file()]
    except OSError as error:
        raise _unreadable(folder, error) from error
    return choose_files(names, subject=str(folder)).names


def _unreadable(path: Path, error: OSError) -> Exception:
    from nightschool.errors import InvalidInput  # noqa: PLC0415

    return InvalidInput(
        f"cannot be read ({error.strerror})", subject=str(path), remedy="Name a folder that is there and yours to read."
    )


def _tar(folder: Path, names: Iterable[str]) -> Iterator[bytes]:
    """An uncompressed tar of these files, piece by piece. Raises InvalidInput."""
    for name in names:
        try:
            with (folder / name).open("rb") as file:
                info = tarfile.TarInfo(name)
                info.size = (folder / name).stat().st_size
                yield info.tobuf()
                while piece := file.read(PIECE_BYTES):
                    yield piece
        except OSError as error:
            raise _unreadable(folder / name, error) from error
        yield bytes(-info.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)
