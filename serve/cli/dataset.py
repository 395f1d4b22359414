"""Verbs of datasets: build, show, diff. What lies on the disk is read here; building is the running server's.

A dataset is named by the beginning of its hash, or `latest`.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from serve.cli.options import BULK_TIMEOUT_S, BotOption, JsonFlag, server_of, settings_of
from serve.cli.talk import give, give_json, give_table, plain, say

if TYPE_CHECKING:
    from tune.catalogue import Diff, Sample, View

RowsOption = Annotated[int, typer.Option("--rows", min=0, max=1_000, help="How many rows to print.")]
HASH_HELP: Final = "The hash or its beginning; or latest."


def dataset_app() -> typer.Typer:
    app = typer.Typer(help="Build datasets, look into them, compare them.", no_args_is_help=True, rich_markup_mode=None)
    app.command("build")(build)
    app.command("show")(show)
    app.command("diff")(diff)
    return app


def build(context: typer.Context, bot: BotOption, as_json: JsonFlag = False) -> None:
    """Build the dataset that a night would learn from now; train nothing.

    It stays in the data folder as long as a night's would (`night.keep_days`). Decides for no conversation on which
    side it is to stand for good: that is a night's.
    """
    with server_of(context, timeout_s=BULK_TIMEOUT_S) as server:
        built = server.post("/ops/datasets", {"bot": bot})
    from tune.catalogue import view_dataset  # noqa: PLC0415

    view = view_dataset(_root(context, bot) / built["hash"][:16], samples=0)
    if as_json:
        give_json(built | _as_json(view))
        return
    _give_view(view)
    say(f"a night {'would train on it' if built['would_train'] else 'would not train: ' + built['reason']}")


def show(
    context: typer.Context,
    bot: BotOption,
    dataset: Annotated[str, typer.Argument(metavar="hash", help=HASH_HELP)] = "latest",
    rows: RowsOption = 0,
    as_json: JsonFlag = False,
) -> None:
    """Print a dataset's card, its counts, and some of its rows.

    --rows counts for each kind of row and each side of the split.
    """
    from tune.catalogue import find_dataset, view_dataset  # noqa: PLC0415

    view = view_dataset(find_dataset(_root(context, bot), dataset), samples=rows)
    if as_json:
        give_json(_as_json(view))
        return
    _give_view(view)
    _give_samples(view.samples)


def diff(
    context: typer.Context,
    bot: BotOption,
    *,
    before: Annotated[str, typer.Argument(metavar="before", help=HASH_HELP)],
    after: Annotated[str, typer.Argument(metavar="after", help=HASH_HELP)] = "latest",
    rows: RowsOption = 5,
    as_json: JsonFlag = False,
) -> None:
    """Tell what one dataset has otherwise than another: rows, counts, settings and filters."""
    from tune.catalogue import compare_datasets, find_dataset  # noqa: PLC0415

    root = _root(context, bot)
    folders = find_dataset(root, before), find_dataset(root, after)
    found = compare_datasets(*folders, samples=rows)
    if as_json:
        give_json({"before": folders[0].name, "after": folders[1].name} | _diff_as_json(found))
        return
    _give_diff(found, *folders)


def _root(context: typer.Context, bot: str) -> Path:
    """The folder of the bot's datasets. Raises NotFound where it has none."""
    from nightschool.errors import NotFound  # noqa: PLC0415
    from nightschool.records import AdapterName, BotName  # noqa: PLC0415

    root = settings_of(context).settings.paths.datasets(BotName(bot))
    # What is no bot's name may be a way out of the folder.
    if AdapterName.parse(f"{bot}@base") is None or not root.is_dir():
        raise NotFound("has no dataset", subject=bot, remedy="`nightschool dataset build` makes one.")
    return root


def _give_view(view: "View") -> None:
    give(f"dataset {view.folder.name}, built {view.built_at.astimezone():%Y-%m-%d %H:%M}: {view.folder}")
    give("")
    counts = [
        {"kind": kind, **{side.value: count for side, count in sides.items()}} for kind, sides in view.rows.items()
    ]
    give_table(counts, {"kind": "rows", "train": "to train on", "held-out": "held out"}, empty="")
    give("")
    _give_markdown(view.card)


def _give_markdown(text: str) -> None:
    if not sys.stdout.isatty():
        give(text)
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.markdown import Markdown  # noqa: PLC0415

    Console().print(Markdown(plain(text)))


def _give_samples(samples: Sequence["Sample"], *, sign: str = "") -> None:
    for row in samples:
        give(f"\n{sign}{row.kind} {row.side.value} {row.item_id} (weight {row.weight:g})")
        for line in row.lines:
            give(f"  {line.who}: {' '.join(line.words.split())}")


def _give_diff(found: "Diff", before: Path, after: Path) -> None:
    give(f"{before.name} -> {after.name}")
    give("")
    rows = [
        {
            "kind": kind,
            "train": _step(found, kind, "train"),
            "held-out": _step(found, kind, "held-out"),
            "added": len(changed.added),
            "removed": len(changed.removed),
            "moved": len(changed.moved),
        }
        for kind, changed in found.kinds.items()
    ]
    columns = {
        "kind": "rows", "train": "to train on", "held-out": "held out", "added": "added", "removed": "removed",
        "moved": "to the other side",
    }  # fmt: skip
    give_table(rows, columns, empty="")
    give("")
    about = [{"key": key, "before": of.before, "after": of.after} for key, of in found.about.items()]
    give_table(
        about, {"key": "what", "before": "before", "after": "after"}, empty="no setting, filter or count differs"
    )
    _give_samples(found.removed, sign="- ")
    _give_samples(found.added, sign="+ ")


def _step(found: "Diff", kind: Any, side: str) -> str:
    before, after = ({place.value: count for place, count in of[kind].items()} for of in (found.before, found.after))
    return f"{before[side]} -> {after[side]}" if before[side] != after[side] else str(after[side])


def _as_json(view: "View") -> dict[str, Any]:
    return {
        "hash": view.manifest.content_hash,
        "folder": str(view.folder),
        "built_at": view.built_at.isoformat(),
        "rows": _counts_as_json(view.rows),
        "about": view.manifest.about,
        "card": view.card,
        "samples": [_sample_as_json(row) for row in view.samples],
    }


def _diff_as_json(found: "Diff") -> dict[str, Any]:
    return {
        "counts": {"before": _counts_as_json(found.before), "after": _counts_as_json(found.after)},
        "rows": {kind: changed._asdict() for kind, changed in found.kinds.items()},
        "about": {key: changed._asdict() for key, changed in found.about.items()},
        "added": [_sample_as_json(row) for row in found.added],
        "removed": [_sample_as_json(row) for row in found.removed],
    }


def _counts_as_json(rows: Mapping[Any, Mapping[Any, int]]) -> dict[str, dict[str, int]]:
    return {kind: {side.value: count for side, count in sides.items()} for kind, sides in rows.items()}


def _sample_as_json(row: "Sample") -> dict[str, Any]:
    return row._asdict() | {"side": row.side.value, "lines": [line._asdict() for line in row.lines]}
