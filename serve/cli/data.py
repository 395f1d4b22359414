"""Verbs that carry conversations in and out: import, export. Files pass through piece by piece."""

import json
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final

import typer

from nightschool.errors import InvalidInput
from serve.cli.options import BULK_TIMEOUT_S, JsonFlag, OneBotOption, server_of
from serve.cli.record import export_whole, import_whole, is_whole_record
from serve.cli.talk import give, give_json, say

if TYPE_CHECKING:
    from serve.cli.client import BadLineRow, ImportRow

SHOWN_BAD_LINES: Final = 20
PIECE_BYTES: Final = 1 << 20


class Form(StrEnum):
    PARQUET = "parquet"
    JSONL = "jsonl"
    KTO = "kto"


def add_data_verbs(app: typer.Typer) -> None:
    app.command("import")(take_in)
    app.command("export")(hand_out)


def take_in(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="In any form that docs/formats.md names, gzip or not; - reads stdin.")],
    bot: OneBotOption = None,
    *,
    held_out: Annotated[
        bool | None,
        typer.Option("--held-out/--training", help="Keep for evaluation, or for training; else the night decides."),
    ] = None,
    faq: Annotated[
        bool, typer.Option("--faq", help="Frequently asked: the first answer of each is served as it stands.")
    ] = False,
    format_name: Annotated[
        str | None, typer.Option("--format", help="Read every row as this format; else each row says which it is.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what the file holds; change nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Import conversations with their votes and corrections; never the same one twice.

    Bad lines are told by number, kept aside in FILE.bad.jsonl, and do not stop the others; where no line was good,
    exit 2. An import that was cut off is completed by the same call again. A folder that `export --whole` made becomes
    the record of a data folder that has none.
    """
    if file.is_dir() and is_whole_record(file):
        import_whole(context, file, as_json=as_json)
        return
    bot = _named(bot)
    with open_input(file) as opened, server_of(context, timeout_s=BULK_TIMEOUT_S) as server:
        lines = pieces(opened, file=file)
        done: ImportRow = server.upload(
            "/ops/import", lines, size=_size(file), bot=bot, held_out=held_out, faq=faq, format=format_name,
            dry_run=dry_run,
        )  # fmt: skip
    did = "would be imported" if dry_run else "imported"
    counts = f"{done['imported']} {did}, {done['skipped']} known already, {len(done['bad_lines'])} bad lines"
    if done["votes"] or done["corrections"]:
        counts += f"; {done['votes']} votes and {done['corrections']} corrections"
    if done["scores"]:
        counts += f"; {done['scores']} scores"
    if done["moved"]:
        counts += f"; {done['moved']} known ones are now {'held out' if held_out else 'for training'}"
    if as_json:
        give_json(done)
        say(counts)
    else:
        give(counts)
    if len(done["formats"]) > 1 or dry_run:
        say("  ".join(f"{name}: {count}" for name, count in done["formats"].items()))
    for bad in done["bad_lines"][:SHOWN_BAD_LINES]:
        say(f"  line {bad['line']}: {bad['reason']}")
    if len(done["bad_lines"]) > SHOWN_BAD_LINES:
        say("  ... (--json lists them all)")
    if done["bad_lines"] and str(file) != "-" and not dry_run:
        _keep_aside(file.with_name(f"{file.name}.bad.jsonl"), done["bad_lines"])
    if done["bad_lines"] and not done["formats"]:
        raise typer.Exit(InvalidInput.exit_code)


def _keep_aside(aside: Path, bad_lines: "list[BadLineRow]") -> None:
    try:
        aside.write_text("".join(f"{json.dumps(bad, ensure_ascii=False)}\n" for bad in bad_lines), encoding="utf-8")
    except OSError as error:
        say(f"  the bad lines could not be kept in {aside} ({error.strerror}); --json lists them")
    else:
        say(f"  the bad lines are kept in {aside}")


def hand_out(
    context: typer.Context,
    bot: OneBotOption = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="A file; else stdout.")] = None,
    *,
    whole: Annotated[bool, typer.Option("--whole", help="Everything of every bot, as a folder of Parquet.")] = False,
    form: Annotated[
        Form | None, typer.Option("--format", help="Answers one by one: for DuckDB and pandas, for anybody, for TRL.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="With --format: not before, as 2026-03-01T00:00:00Z.")] = None,
    until: Annotated[str | None, typer.Option(help="With --format: before.")] = None,
    vote: Annotated[str | None, typer.Option(help="With --format: up, down or none, all votes together.")] = None,
    version: Annotated[int | None, typer.Option(help="With --format: of this version.")] = None,
    tag: Annotated[str | None, typer.Option(help="With --format: with this tag of a review.")] = None,
    reviewed: Annotated[
        bool | None, typer.Option("--reviewed/--unreviewed", help="With --format: ruled on, or not.")
    ] = None,
) -> None:
    """Export conversations as OpenAI chat JSONL, or answers as rows for other programmes.

    What people and operators thought of the answers comes along as metadata. Beside a file stands what it holds, how it
    was chosen and its hash: FILE.manifest.json. With --whole the record itself, of which
    nothing is lost: `nightschool import FOLDER` makes the same record of it elsewhere.
    """
    if whole:
        export_whole(context, output)
        return
    bot = _named(bot)
    chosen = {"since": since, "until": until, "vote": vote, "version": version, "tag": tag, "reviewed": reviewed}
    if form is None and any(value is not None for value in chosen.values()):
        raise InvalidInput("chooses among answers", subject="a filter", remedy="Say --format as well.")
    path = "/ops/export" if form is None else "/ops/export/answers"
    with (
        server_of(context, timeout_s=BULK_TIMEOUT_S) as server,
        # Before the file is opened: a bot that is not there must not empty it.
        server.download(path, bot=bot, format=form, **chosen) as came,
        _open_output(output) as opened,
    ):
        for piece in came.pieces:
            opened.write(piece)
    if output and output.is_file():
        _keep_card(output.with_name(f"{output.name}.manifest.json"), came.card)
    counted = f"{came.card['rows']} {'conversations' if form is None else 'answers'}"
    say(f"{counted}{f' in {output}' if output else ''}")


def _keep_card(file: Path, card: dict[str, Any]) -> None:
    with _open_output(file) as opened:
        opened.write(json.dumps(card, ensure_ascii=False, indent=2).encode() + b"\n")


def _named(bot: str | None) -> str:
    if bot is None:
        raise InvalidInput("is missing", subject="--bot", remedy="Name the bot whose conversations are meant.")
    return bot


@contextmanager
def open_input(file: Path) -> Iterator[BinaryIO]:
    """The file, or stdin for `-`. Raises InvalidInput."""
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    try:
        opened = file.open("rb")
    except OSError as error:
        raise _cannot("read", file, error) from error
    with opened:
        yield opened


def pieces(opened: BinaryIO, *, file: Path) -> Iterator[bytes]:
    """The rest of an open file, a megabyte at a time. Raises InvalidInput."""
    while True:
        try:
            piece = opened.read(PIECE_BYTES)
        except OSError as error:
            raise _cannot("read", file, error) from error
        if not piece:
            return
        yield piece


def _size(file: Path) -> int | None:
    """None where it is no file that lies on a disk."""
    return file.stat().st_size if file.is_file() else None


@contextmanager
def _open_output(output: Path | None) -> Iterator[BinaryIO]:
    """Stdout, a pipe or device as it stands, or a file: what breaks off leaves what was there. Raises InvalidInput."""
    if output is None:
        yield sys.stdout.buffer
        return
    is_written_into = output.exists() and not output.is_file()
    try:
        with output.open("wb") if is_written_into else _drafted(output.resolve()) as opened:
            yield opened
    except OSError as error:
        raise _cannot("written", output, error) from error


@contextmanager
def _drafted(target: Path) -> Iterator[BinaryIO]:
    from nightschool.files import replace_file  # noqa: PLC0415

    draft = target.with_name(f".{target.name}.draft")
    try:
        with draft.open("wb") as opened:
            yield opened
        if target.exists():
            draft.chmod(stat.S_IMODE(target.stat().st_mode))
        replace_file(draft, target)
    finally:
        draft.unlink(missing_ok=True)


def _cannot(what: str, file: Path, error: OSError) -> InvalidInput:
    return InvalidInput(
        f"cannot be {what} ({error.strerror})", subject=str(file), remedy="Check the path and whose it is."
    )
