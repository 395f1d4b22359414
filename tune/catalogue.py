"""The datasets that lie in a bot's folder: find one by its hash, look into it, and tell what differs between two.

Reads finished datasets and changes nothing. Does not know whose they are, nor how they are shown.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import BaseModel

from nightschool.errors import InvalidInput, NotFound
from nightschool.files import MANIFEST, Manifest, read_manifest
from nightschool.records import ChatMessage
from nightschool.tables import read_rows
from tune.dataset import KIND
from tune.parts import KINDS, SIDES
from tune.rows import CARD, Kind, file_of, read_pairs, read_sft_rows, read_votes
from tune.split import Side

LATEST: Final = "latest"
NAMED_AT_MOST: Final = 5

Counts = Mapping[Kind, Mapping[Side, int]]


class Line(NamedTuple):
    """What one side of a row says: a role, or what became of an answer (`chosen`, `rejected`, `liked`, `disliked`)."""

    who: str
    words: str


class Sample(NamedTuple):
    """A row for people to read."""

    kind: Kind
    side: Side
    item_id: str
    weight: float
    lines: tuple[Line, ...]


class View(NamedTuple):
    """A dataset as it lies there."""

    folder: Path
    manifest: Manifest
    built_at: datetime
    rows: Counts
    card: str
    samples: Sequence[Sample]


class Changed(NamedTuple):
    before: str | int | float | None
    after: str | int | float | None


class KindDiff(NamedTuple):
    """Rows of one kind, by the ids of their items."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    moved: tuple[str, ...]
    """To the other side of the split."""


class Diff(NamedTuple):
    """What the second of two datasets has otherwise than the first."""

    before: Counts
    after: Counts
    kinds: Mapping[Kind, KindDiff]
    about: Mapping[str, Changed]
    """Settings, filters, sources and versions, by the manifests' keys."""
    added: Sequence[Sample]
    removed: Sequence[Sample]


def find_dataset(root: Path, name: str) -> Path:
    """The finished dataset below `root` whose hash begins with `name`; `latest` is the one that was built last.

    Raises NotFound, which names those that are near, and InvalidInput where several begin so.
    """
    found = sorted(_finished(root), key=lambda folder: ((folder / MANIFEST).stat().st_mtime, folder.name))[::-1]
    if not found:
        raise NotFound("holds no dataset", subject=root.name, remedy="`nightschool dataset build` makes one.")
    if name == LATEST:
        return found[0]
    # Folders are named by the beginning of the hash; a whole one is as good.
    fitting = [folder for folder in found if name and (folder.name.startswith(name) or name.startswith(folder.name))]
    if len(fitting) == 1:
        return fitting[0]
    names = [folder.name for folder in fitting or found]
    if fitting:
        raise InvalidInput(f"begins {len(names)} hashes", subject=name, remedy=f"Say more of one: {_some(names)}.")
    near = get_close_matches(name, names, n=NAMED_AT_MOST, cutoff=0.5)
    remedy = f"Did you mean {_some(near)}?" if near else f"The newest are {_some(names)}."
    raise NotFound("is no dataset here", subject=repr(name), remedy=remedy)


def view_dataset(folder: Path, *, samples: int) -> View:
    """The dataset with at most `samples` rows of each kind and side. Raises InvalidInput where a file is damaged."""
    manifest = read_manifest(folder)
    assert manifest is not None, "the dataset was found by its manifest"
    return View(
        folder=folder,
        manifest=manifest,
        built_at=datetime.fromtimestamp((folder / MANIFEST).stat().st_mtime, UTC),
        rows=_counts(_ids(folder)),
        card=(folder / CARD).read_text(encoding="utf-8"),
        samples=[row for kind in KINDS for side in SIDES for row in islice(_rows(folder, kind, side), samples)],
    )


def compare_datasets(before: Path, after: Path, *, samples: int) -> Diff:
    """At most `samples` added and as many removed rows are shown whole. Raises InvalidInput where a file is damaged."""
    old, new = _ids(before), _ids(after)
    kinds = {kind: _compare(old[kind], new[kind]) for kind in KINDS}
    one, other = (manifest.about if (manifest := read_manifest(folder)) else {} for folder in (before, after))
    about = {key: Changed(one.get(key), other.get(key)) for key in sorted({*one, *other})}
    return Diff(
        before=_counts(old),
        after=_counts(new),
        kinds=kinds,
        about={key: changed for key, changed in about.items() if changed.before != changed.after},
        added=_pick(after, {kind: diff.added for kind, diff in kinds.items()}, samples),
        removed=_pick(before, {kind: diff.removed for kind, diff in kinds.items()}, samples),
    )


class _Id(BaseModel):
    item_id: str


_Ids = Mapping[Kind, Mapping[str, Side]]


def _finished(root: Path) -> Iterator[Path]:
    for folder in root.glob("[!.]*") if root.is_dir() else ():
        manifest = read_manifest(folder) if folder.is_dir() else None
        if manifest is not None and manifest.kind == KIND:
            yield folder


def _some(names: Sequence[str]) -> str:
    more = "" if len(names) <= NAMED_AT_MOST else ", ..."
    return ", ".join(names[:NAMED_AT_MOST]) + more


def _ids(folder: Path) -> _Ids:
    """On which side each row stands, by kind and item."""
    return {
        kind: {row.item_id: side for side in SIDES for row in read_rows(folder / file_of(kind, side), _Id, row="a row")}
        for kind in KINDS
    }


def _counts(ids: _Ids) -> Counts:
    return {kind: {side: list(of_kind.values()).count(side) for side in SIDES} for kind, of_kind in ids.items()}


def _compare(old: Mapping[str, Side], new: Mapping[str, Side]) -> KindDiff:
    return KindDiff(
        added=tuple(item for item in new if item not in old),
        removed=tuple(item for item in old if item not in new),
        moved=tuple(item for item, side in new.items() if old.get(item, side) is not side),
    )


def _pick(folder: Path, wanted: Mapping[Kind, Sequence[str]], count: int) -> list[Sample]:
    """The first of the wanted rows."""
    found: list[Sample] = []
    for kind, items in wanted.items():
        left = set(items[: count - len(found)])
        for side in SIDES:
            if left:
                some = [row for row in _rows(folder, kind, side) if row.item_id in left]
                left -= {row.item_id for row in some}
                found += some
    return found


def _rows(folder: Path, kind: Kind, side: Side) -> Iterator[Sample]:
    if kind == "sft":
        for row in read_sft_rows(folder / file_of(kind, side)):
            yield Sample(kind, side, row.item_id, row.weight, _said(row.messages))
    elif kind == "pairs":
        for pair in read_pairs(folder, side):
            ends = (Line("chosen", pair.chosen), Line("rejected", pair.rejected))
            yield Sample(kind, side, pair.item_id, pair.weight, _said(pair.prompt) + ends)
    else:
        for vote in read_votes(folder, side):
            end = Line("liked" if vote.is_good else "disliked", vote.answer)
            yield Sample(kind, side, vote.item_id, vote.weight, (*_said(vote.prompt), end))


def _said(messages: Sequence[ChatMessage]) -> tuple[Line, ...]:
    return tuple(Line(message["role"], message["content"]) for message in messages)
