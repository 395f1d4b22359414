"""Verbs for the record as a whole: backup, restore, check. Through the server where one runs, else on the files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypedDict

import typer

from nightschool.errors import InvalidInput, NotFound
from serve.cli.options import BULK_TIMEOUT_S, JsonFlag, server_of, settings_of
from serve.cli.talk import give, give_json, say

if TYPE_CHECKING:
    from collect.backups import Backup
    from collect.check import Found
    from nightschool.home import Home
    from nightschool.settings import Settings

MIB: Final = 2**20


class BackupRow(TypedDict):
    """As /ops/backup answers."""

    folder: str
    taken_at: str
    messages: int
    size_bytes: int
    content_hash: str


class CheckRow(TypedDict):
    """As /ops/check answers."""

    tables: dict[str, int]
    faults: list[str]


def add_record_verbs(app: typer.Typer) -> None:
    app.command("backup")(backup)
    app.command("restore")(restore)
    app.command("check")(check)


def backup(
    context: typer.Context,
    folder: Annotated[
        Path | None, typer.Argument(help="A new folder for it; else one in `backup.folder`, where older ones go.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Copy the whole record as of now, and read the copy back.

    The server may run and goes on answering. `nightschool restore` brings the copy back.
    """
    made = take_backup(context, folder)
    if as_json:
        give_json(made)
    else:
        give(made["folder"])
        say(f"{made['messages']:,} messages, {made['size_bytes'] / MIB:,.1f} MiB, sha256 {made['content_hash'][:16]}")


def restore(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A backup: the folder that `nightschool backup` printed.")],
    as_json: JsonFlag = False,
) -> None:
    """Put a backup in the place of the record. The server must be stopped.

    The record that is there is kept in a folder beside, and may be damaged. Killed at any moment, either the old one
    stands or the new.
    """
    _bring_back(context, folder, as_json=as_json)


def check(
    context: typer.Context,
    folder: Annotated[Path | None, typer.Argument(help="A backup; else the record itself.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Read every row of the record or of a backup; exit 1 where something is amiss. Changes nothing."""
    found = _look_over(context, folder)
    faults, tables = found["faults"], found["tables"]
    if as_json:
        give_json(found)
    else:
        rows = sum(tables.values())
        give(f"{'amiss' if faults else 'whole'}: {tables.get('messages', 0):,} messages, {rows:,} rows in all")
        for fault in faults:
            say(f"  {fault}")
    if faults:
        raise typer.Exit(1)


def take_backup(context: typer.Context, folder: Path | None) -> BackupRow:
    """What was made and where: in `folder`, which must not be there yet, or where the settings say."""
    from collect.backups import put_backup  # noqa: PLC0415
    from serve.cli.client import is_alive  # noqa: PLC0415

    if folder is not None and folder.exists():
        raise InvalidInput("is there already", subject=str(folder), remedy="Name a new folder.")
    settings = settings_of(context).settings
    if is_alive(settings.paths):
        with server_of(context, timeout_s=BULK_TIMEOUT_S) as server:
            made: BackupRow = server.post("/ops/backup", {"stays_here": folder is None})
    else:
        made = _back_up_files(settings, stays_here=folder is None)
    if folder is None:
        return made
    put_backup(Path(made["folder"]), folder.absolute())
    return {**made, "folder": str(folder.absolute())}


def export_whole(context: typer.Context, output: Path | None) -> None:
    """`nightschool export --whole`: a backup, at the place that is named."""
    if output is None:
        raise InvalidInput("needs a folder", subject="--whole", remedy="Name a new one: --output FOLDER.")
    made = take_backup(context, output)
    say(f"{made['messages']:,} messages in {made['folder']}")


def is_whole_record(folder: Path) -> bool:
    from collect.whole import is_whole  # noqa: PLC0415

    return is_whole(folder)


def import_whole(context: typer.Context, folder: Path, *, as_json: bool) -> None:
    """`nightschool import FOLDER`: as `restore`, where there is no record yet."""
    home = settings_of(context).settings.paths
    if home.store.exists():
        raise InvalidInput(
            "is there already, and a whole record is not added to another",
            subject=str(home.store),
            remedy="Set NIGHTSCHOOL_HOME to a new folder, or put it in place: nightschool restore.",
        )
    _bring_back(context, folder, as_json=as_json)


def _bring_back(context: typer.Context, folder: Path, *, as_json: bool) -> None:
    from collect.offline import bring_back  # noqa: PLC0415
    from deploy.suppression import erase_again  # noqa: PLC0415
    from nightschool.folder import hold_folder  # noqa: PLC0415
    from nightschool.records import utc_now  # noqa: PLC0415

    home = settings_of(context).settings.paths
    again: list[str] = []

    def settle(record: Path) -> None:
        # The backup knows nothing of what was erased since.
        again.extend(erase_again(record, temp=home.temp, folder=home.erasures, now=utc_now()))

    with hold_folder(home):
        done = bring_back(
            folder.absolute(), home.store, temp=home.temp, replaced=home.replaced, at=utc_now(), settle=settle
        )
    tables = done.taken.card.tables
    messages = tables["messages"].rows if "messages" in tables else 0
    aside = str(done.aside) if done.aside else None
    taken_at = done.taken.card.taken_at
    if as_json:
        give_json({"taken_at": taken_at.isoformat(), "messages": messages, "aside": aside, "erased_again": again})
    else:
        give(f"{messages:,} messages are back, as of {taken_at:%Y-%m-%d %H:%M} UTC")
    if again:
        say(f"What was erased since is erased again: {', '.join(again)}. Files made of it go once the server starts.")
    if aside:
        say(f"The record that stood there is in {aside}; delete it once you need it no more.")


def _back_up_files(settings: "Settings", *, stays_here: bool) -> BackupRow:
    from collect.offline import back_up  # noqa: PLC0415
    from nightschool.folder import hold_folder  # noqa: PLC0415
    from nightschool.records import utc_now  # noqa: PLC0415
    from serve.backups import backups_folder  # noqa: PLC0415

    home, wanted = settings.paths, settings.backup
    _check_home(home)
    with hold_folder(home):
        target = backups_folder(home, wanted)
        keep = wanted.keep if stays_here else None
        made: Backup = back_up(home.store, target, temp=home.temp, keep=keep, at=utc_now())
    return {
        "folder": str(made.folder),
        "taken_at": made.taken_at.isoformat(),
        "messages": made.messages,
        "size_bytes": made.size_bytes,
        "content_hash": made.content_hash,
    }


def _look_over(context: typer.Context, folder: Path | None) -> CheckRow:
    from collect.check import examine_in_child  # noqa: PLC0415
    from collect.offline import look_over  # noqa: PLC0415
    from nightschool.folder import hold_folder  # noqa: PLC0415
    from serve.cli.client import is_alive  # noqa: PLC0415

    if folder is not None:
        return _row(examine_in_child(folder.absolute()))
    home = settings_of(context).settings.paths
    if is_alive(home):
        with server_of(context, timeout_s=BULK_TIMEOUT_S) as server:
            looked: CheckRow = server.post("/ops/check", {})
            return looked
    _check_home(home)
    with hold_folder(home):
        return _row(look_over(home.store))


def _row(found: "Found") -> CheckRow:
    return {"tables": dict(found.tables), "faults": list(found.faults)}


def _check_home(home: "Home") -> None:
    """Holding a folder would make it."""
    if not home.root.is_dir():
        raise NotFound("is not there", subject=str(home.root), remedy="Set NIGHTSCHOOL_HOME to your data folder.")
