"""Turn a bot's snapshot into a dataset folder: what to train on, what to examine on, and where each row came from.

In: the snapshot's folder. Out: `<target>/<content hash>/` with sft_train.jsonl, sft_held_out.jsonl, preferences.jsonl,
votes.jsonl, items.jsonl, sides.jsonl, card.md and, last, its manifest; the same snapshot gives the same bytes. Does not
know tokens, models or when a night has enough.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from nightschool.errors import InvalidInput
from nightschool.files import publish, read_manifest
from tune.bounds import Bounds, bound_exam, bound_training, bound_votes
from tune.card import Counts, describe_repetition, write_card
from tune.dialogues import join_dialogues
from tune.duplicates import Spoken, group_duplicates
from tune.rows import (
    CARD,
    HELD_OUT,
    ITEMS,
    PREFERENCES,
    SIDES,
    TRAIN,
    VOTES,
    Named,
    Row,
    name_row,
    read_decided,
    read_item_ids,
    read_sft_rows,
    write_items,
    write_rows,
    write_sides,
)
from tune.select import Lesson, Pair, Rated, Selection, select_rows
from tune.snapshot import Snapshot, Talk, read_snapshot
from tune.split import Side, split_conversations
from tune.words import Word

KIND: Final = "dataset"


class DatasetSummary(BaseModel):
    """What a night needs to know of its dataset; small enough to be kept beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    content_hash: str
    train_rows: int
    held_out_rows: int
    held_out_conversations: int
    pairs: int
    votes: int
    new_rows: int
    """Training rows whose item is not among the known ones."""
    conversations: int = 0
    """Those that were split."""
    largest_group: int = 0
    """Conversations in the largest group of near-duplicates."""

    @property
    def repetition(self) -> str:
        """In a sentence."""
        return describe_repetition(largest_group=self.largest_group, conversations=self.conversations)

    @property
    def folder_name(self) -> str:
        return self.content_hash[:16]


@dataclass(frozen=True, slots=True)
class _Parts:
    """The rows of each file. Pairs and votes are of the training side: nothing is trained on what is examined."""

    train: tuple[Named, ...]
    held_out: tuple[Named, ...]
    pairs: tuple[Named, ...]
    votes: tuple[Named, ...]
    groups: Mapping[str, str]
    sides: Mapping[str, Side]
    talks: Mapping[str, Talk]
    left_out: Mapping[str, int]
    most_of_one_person: tuple[int, int]
    """Rows of training and of examination."""


def build_dataset(
    snapshot: Path,
    target: Path,
    *,
    system_prompt: str,
    held_out_share: float,
    seed: int,
    bounds: Bounds = Bounds(),
    known_items: frozenset[str] = frozenset(),
    trained_before: frozenset[str] = frozenset(),
) -> DatasetSummary:
    """The dataset of `snapshot` below `target`, named by its content; built once, found again afterwards.

    `held_out_share` is 0..1. `trained_before` names the conversations that production was trained on
    (`read_trained`): they are never held out. Raises InvalidInput where the snapshot is not one.
    """
    taken = join_dialogues(read_snapshot(snapshot))
    paced = bound_votes(taken, votes_a_day=bounds.votes_a_day)
    taken = replace(taken, opinions=paced.opinions)
    selection = select_rows(taken, system_prompt=system_prompt, agreeing_persons=bounds.agreeing_persons)
    left_out = Counter(selection.left_out) + Counter({"votes beyond one person's day": paced.left_out})
    selection = replace(selection, left_out=left_out)
    choose = partial(
        split_conversations, taken.talks, held_out_share=held_out_share, seed=seed, trained_before=trained_before
    )
    parts = _part(selection, taken, bounds, choose=choose)
    counts = _count(parts)
    about: dict[str, str | int | float | None] = {
        "snapshot_hash": taken.content_hash,
        "held_out_share": held_out_share,
        "seed": seed,
        "train_rows": counts.train_rows,
        "held_out_rows": counts.held_out_rows,
    }
    target.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=target, prefix=".draft-"))
    try:
        _write(draft, parts)
        (draft / CARD).write_text(write_card(counts, bounds, held_out_share=held_out_share, seed=seed))
        content_hash = publish(draft, kind=KIND, about=about).content_hash
        summary = DatasetSummary(
            content_hash=content_hash,
            train_rows=counts.train_rows,
            held_out_rows=counts.held_out_rows,
            held_out_conversations=counts.held_out_conversations,
            pairs=counts.pairs,
            votes=counts.votes_up + counts.votes_down,
            new_rows=len({named.item_id for named in parts.train} - known_items),
            conversations=counts.conversations,
            largest_group=counts.largest_group,
        )
        folder = target / summary.folder_name
        if not folder.exists():
            draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return summary


def read_items(folder: Path) -> frozenset[str]:
    """Ids of a dataset's training rows. Raises InvalidInput where the dataset was never finished."""
    return read_item_ids(_finished(folder) / ITEMS)


def read_trained(folder: Path) -> frozenset[str]:
    """Conversations of a dataset's training rows. Raises InvalidInput where the dataset was never finished."""
    return frozenset(row.conversation_id for row in read_sft_rows(_finished(folder) / TRAIN))


def read_sides(folder: Path) -> Mapping[str, Literal["train", "held-out"]]:
    """Where each conversation stands that the dataset chose from, and not between both sides. Raises InvalidInput where
    the dataset was never finished."""
    return read_decided(_finished(folder) / SIDES)


def _finished(folder: Path) -> Path:
    manifest = read_manifest(folder)
    if manifest is None or manifest.kind != KIND:
        raise InvalidInput("is not a finished dataset", subject=str(folder), remedy="Build it again.")
    return folder


def _part(
    selection: Selection,
    snapshot: Snapshot,
    bounds: Bounds,
    *,
    choose: Callable[[Mapping[str, str]], Mapping[str, Side]],
) -> _Parts:
    groups = group_duplicates(_spoken(selection, snapshot))
    sides = choose(groups)

    def on(side: Side, rows: Iterable[Row]) -> tuple[Named, ...]:
        named = [name_row(row) for row in rows if sides[row.conversation_id] is side]
        # Equal content is kept once, in its oldest conversation.
        return tuple({n.item_id: n for n in reversed(named)}.values())[::-1]

    lessons = selection.lessons
    train, held_out = on(Side.TRAIN, lessons), on(Side.HELD_OUT, lessons)
    neither = sum(sides[lesson.conversation_id] is Side.NEITHER for lesson in lessons)
    left_out = Counter(selection.left_out)
    left_out["near-duplicate of the other side"] = neither
    left_out["exact duplicate"] = len(lessons) - neither - len(train) - len(held_out)
    owners = {name: talk.owner for name, talk in snapshot.talks.items()}
    limited = partial(bound_training, owners=owners, share=bounds.train_share)
    taught = limited(train)
    examined = [named for named in held_out if not _is_agreed(named)]
    asked = bound_exam(examined, owners, share=bounds.exam_share)
    left_out["agreed on by persons, which is for training only"] = len(held_out) - len(examined)
    left_out["beyond one person's share of training"] = taught.left_out
    left_out["beyond one person's share of the exam"] = asked.left_out
    return _Parts(
        train=taught.rows,
        held_out=asked.rows,
        pairs=limited(on(Side.TRAIN, selection.pairs)).rows,
        votes=limited(on(Side.TRAIN, selection.rated)).rows,
        groups=groups,
        sides=sides,
        talks=snapshot.talks,
        left_out=+left_out,
        most_of_one_person=(taught.largest, asked.largest),
    )


def _is_agreed(named: Named) -> bool:
    return isinstance(named.row, Lesson) and named.row.messages[-1].get("origin") == Word.AGREED


def _spoken(selection: Selection, snapshot: Snapshot) -> dict[str, Spoken]:
    """What each selected conversation says, oldest conversation first."""
    lines: dict[str, dict[tuple[str, str], None]] = {name: {} for name in snapshot.talks}
    rows: list[Row] = [*selection.lessons, *selection.pairs, *selection.rated]
    for row in rows:
        said = row.messages if isinstance(row, Lesson) else row.prompt
        lines[row.conversation_id].update(((m["role"], m["content"]), None) for m in said if m["role"] != "system")
        if isinstance(row, Pair | Rated):
            lines[row.conversation_id]["assistant", row.chosen if isinstance(row, Pair) else row.answer] = None
    return {
        name: Spoken(
            questions=tuple(content for role, content in said if role == "user"),
            text="\n".join(content for _, content in said),
        )
        for name, said in lines.items()
        if said
    }


def _count(parts: _Parts) -> Counts:
    good = [isinstance(named.row, Rated) and named.row.is_good for named in parts.votes]
    return Counts(
        train_rows=len(parts.train),
        train_conversations=_conversations(parts.train),
        train_answers=_answers(parts.train),
        held_out_rows=len(parts.held_out),
        held_out_conversations=_conversations(parts.held_out),
        held_out_answers=_answers(parts.held_out),
        pairs=len(parts.pairs),
        votes_up=sum(good),
        votes_down=len(good) - sum(good),
        conversations=len(parts.groups),
        largest_group=max(Counter(parts.groups.values()).values(), default=0),
        left_out=parts.left_out,
        most_of_one_person=parts.most_of_one_person,
    )


def _conversations(rows: Iterable[Named]) -> int:
    return len({named.row.conversation_id for named in rows})


def _answers(rows: Iterable[Named]) -> int:
    lessons = [named.row for named in rows if isinstance(named.row, Lesson)]
    return sum(m["role"] == "assistant" and m.get("weight", 1) != 0 for lesson in lessons for m in lesson.messages)


def _write(folder: Path, parts: _Parts) -> None:
    files = ((TRAIN, parts.train), (HELD_OUT, parts.held_out), (PREFERENCES, parts.pairs), (VOTES, parts.votes))
    topics = {name: talk.topic for name, talk in parts.talks.items()}
    for name, rows in files:
        write_rows(folder / name, rows, groups=parts.groups, topics=topics)
    write_sides(folder / SIDES, dict(_decided(parts)))
    write_items(
        folder / ITEMS,
        {Side.TRAIN: (*parts.train, *parts.pairs, *parts.votes), Side.HELD_OUT: parts.held_out},
    )


def _decided(parts: _Parts) -> Iterator[tuple[str, Literal["train", "held-out"]]]:
    for name, side in parts.sides.items():
        for conversation_id in parts.talks[name].calls or (name,):
            if side is not Side.NEITHER:
                yield conversation_id, "train" if side is Side.TRAIN else "held-out"
