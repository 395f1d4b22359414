"""Turn a bot's snapshot into a dataset folder: what to train on, what to examine on, and where each row came from.

In: the snapshot's folder. Out: `<target>/<content hash>/` with a Parquet file for each kind of row and side, items and
sides (`tune.rows`), training rows for other trainers (`tune.exchange`), card.md with its picture and, last, its
manifest; the same snapshot and settings give the same bytes. Does not know tokens, models or when a night has enough.
"""

import gc
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from nightschool.errors import InvalidInput
from nightschool.files import publish, put_in_place, read_manifest
from tune.addresses import forget_gateways
from tune.bounds import Bounds, is_person
from tune.card import Counts, Settings, describe_repetition, write_card
from tune.decontaminate import suite_turns
from tune.dialogues import join_dialogues
from tune.exchange import write_exchange
from tune.grounding import Grounding, count_grounded, describe_grounded, ground_rows, own_words, render_parts
from tune.left_out import LEFT_OUT, explain_votes, write_left_out
from tune.masking import Privacy, describe_masked, mask_rows
from tune.older import is_older, read_older_items, read_older_trained
from tune.parts import KINDS, Parts, count_parts, part_rows
from tune.parts import SIDES as BOTH
from tune.plots import draw_card_plots
from tune.rows import (
    CARD,
    ITEMS,
    SIDES,
    TRAIN,
    Heading,
    read_conversations,
    read_decided,
    read_item_ids,
    write_items,
    write_kind,
    write_questions,
    write_sides,
)
from tune.screens import count_screened, describe_screened, screen_opinions, screen_preferences
from tune.select import Lesson, Selection, select_rows
from tune.snapshot import Snapshot, Talk, read_snapshot
from tune.split import IMPORT, Side, split_conversations

KIND: Final = "dataset"
SCHEMA: Final = 2
"""The form of the files; 1 was JSON lines."""


class DatasetSummary(BaseModel):
    """What a night needs to know of its dataset; small enough to be kept beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    content_hash: str
    train_rows: int
    held_out_rows: int
    held_out_conversations: int
    pairs: int
    """To train on, as the votes are."""
    votes: int
    new_rows: int
    """Training rows whose item is not among the known ones."""
    held_out_pairs: int = 0
    held_out_votes: int = 0
    conversations: int = 0
    """Those that were split."""
    largest_group: int = 0
    """Conversations in the largest group of near-duplicates."""
    questions: int = 0
    """Without a good answer, where methods that make one asked for them."""
    stopped: int = 0
    """Votes that screens stopped."""

    @property
    def repetition(self) -> str:
        """In a sentence."""
        return describe_repetition(largest_group=self.largest_group, conversations=self.conversations)

    @property
    def folder_name(self) -> str:
        return self.content_hash[:16]


@contextmanager
def _no_collector() -> Iterator[None]:
    """Millions of rows that make no cycle: to look for some among them again and again is a fifth of the work."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@_no_collector()
def build_dataset(
    snapshot: Path,
    target: Path,
    *,
    system_prompt: str,
    held_out_share: float,
    seed: int,
    bounds: Bounds = Bounds(),
    half_life_days: float = 0.0,
    topic_ratio: float = 1.0,
    suites: Sequence[Path] = (),
    known_items: frozenset[str] = frozenset(),
    trained_before: frozenset[str] = frozenset(),
    questions: int = 0,
    privacy: Privacy | None = None,
    grounding: Grounding | None = None,
) -> DatasetSummary:
    """The dataset of `snapshot` below `target`, named by its content; built once, found again afterwards.

    `held_out_share` is 0..1. `trained_before` names the conversations that production was trained on
    (`read_trained`): they are never held out. `suites` are files and folders of chats that examine elsewhere. With
    `questions` it also holds so many, at most, that nobody answered well. With `privacy` placeholders stand where
    personal data was; with `grounding` passages of the snapshot stand in the prompts. Raises InvalidInput where the
    snapshot, or a suite, is not one.
    """
    said = forget_gateways(join_dialogues(read_snapshot(snapshot, unjudged=questions)))
    screened = screen_opinions(said, bounds)
    taken = replace(said, opinions=screened.opinions, preferences=screen_preferences(said, bounds, screened))
    selection = _select(
        taken, bounds, half_life_days=half_life_days, system_prompt=system_prompt, with_unanswered=questions > 0
    )
    selection = replace(selection, left_out=Counter(selection.left_out) + screened.counts)
    split = partial(
        split_conversations, taken.talks, held_out_share=held_out_share, seed=seed, trained_before=trained_before
    )
    asked = list(suite_turns(suites))
    parts = part_rows(selection, taken, bounds, split=split, suites=asked, topic_ratio=topic_ratio, questions=questions)
    grounded = ground_rows(parts, snapshot, grounding)
    parts, masked = mask_rows(grounded.parts, privacy, own=own_words(system_prompt, grounding))
    parts = render_parts(parts, grounded.passages) if grounding else parts
    counts = count_parts(parts)
    target.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=target, prefix=".draft-"))
    try:
        _write(draft, parts, grounded.passages_from)
        write_left_out(draft / LEFT_OUT, explain_votes(said, screened, selection, parts))
        settings = Settings(held_out_share, half_life_days, topic_ratio, len(asked), seed)
        told = (*describe_screened(screened), *describe_masked(masked), *describe_grounded(grounded))
        _write_card(draft, parts, write_card(counts, bounds, settings), told)
        about = _about(taken, parts, counts) | asdict(settings) | masked | count_grounded(grounded)
        about |= count_screened(screened)
        if questions:
            about |= {"questions": questions, "rows.questions_train": len(parts.questions)}
        content_hash = publish(draft, kind=KIND, about=about).content_hash
        summary = _summarise(content_hash, parts, counts, known_items=known_items, stopped=len(screened.stopped))
        folder = target / summary.folder_name
        _settle(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return summary


def _select(
    snapshot: Snapshot, bounds: Bounds, *, half_life_days: float, system_prompt: str, with_unanswered: bool
) -> Selection:
    return select_rows(
        snapshot,
        system_prompt=system_prompt,
        agreeing_persons=bounds.agreeing_persons,
        half_life_days=half_life_days,
        with_unanswered=with_unanswered,
    )


def _summarise(
    content_hash: str, parts: Parts, counts: Counts, *, known_items: frozenset[str], stopped: int
) -> DatasetSummary:
    return DatasetSummary(
        content_hash=content_hash,
        train_rows=counts.train_rows,
        held_out_rows=counts.held_out_rows,
        held_out_conversations=counts.held_out_conversations,
        pairs=counts.pairs,
        votes=counts.votes_up + counts.votes_down,
        new_rows=len({named.item_id for named in parts.rows["sft", Side.TRAIN]} - known_items),
        held_out_pairs=counts.held_out_pairs,
        held_out_votes=counts.held_out_votes,
        conversations=counts.conversations,
        largest_group=counts.largest_group,
        questions=len(parts.questions),
        stopped=stopped,
    )


def _settle(draft: Path, folder: Path) -> None:
    """Give the draft its name, unless it is there; who builds the same at the same time may be first."""
    try:
        if not folder.exists():
            put_in_place(draft, folder)
    except OSError:
        if not folder.exists():
            raise


def is_usable(folder: Path) -> bool:
    """Whether the folder is a finished dataset in the form that is read here."""
    return read_manifest(folder) is not None and not is_older(folder)


def read_items(folder: Path) -> frozenset[str]:
    """Ids of a dataset's training rows, of an older form too. Raises InvalidInput where it was never finished."""
    finished = _finished(folder)
    return read_older_items(finished) if is_older(finished) else read_item_ids(finished / ITEMS)


def read_trained(folder: Path) -> frozenset[str]:
    """Conversations of a dataset's training rows, of an older form too. Raises InvalidInput where it was never
    finished."""
    finished = _finished(folder)
    if is_older(finished):
        return read_older_trained(finished)
    return read_conversations(finished / TRAIN)


def read_sides(folder: Path) -> Mapping[str, Literal["train", "held-out"]]:
    """Where each conversation stands that the dataset chose from, and not between both sides. Raises InvalidInput where
    the dataset was never finished."""
    return read_decided(_finished(folder) / SIDES)


def _finished(folder: Path) -> Path:
    manifest = read_manifest(folder)
    if manifest is None or manifest.kind != KIND:
        raise InvalidInput("is not a finished dataset", subject=str(folder), remedy="Build it again.")
    return folder


def _write(folder: Path, parts: Parts, passages_from: Mapping[str, Sequence[str]]) -> None:
    headings = {name: _head(parts.talks[name], group=group) for name, group in parts.groups.items()}
    for kind in KINDS:
        for side in BOTH:
            write_kind(folder, kind, side, parts.rows[kind, side], headings=headings)
    if parts.questions:
        write_questions(folder, parts.questions, headings=headings)
    write_exchange(folder, {kind: parts.rows[kind, Side.TRAIN] for kind in KINDS})
    write_sides(folder / SIDES, dict(parts.decided()))
    write_items(folder / ITEMS, {side: parts.of_side(side) for side in BOTH}, passages_from)


def _write_card(folder: Path, parts: Parts, card: str, told: Iterable[str]) -> None:
    (folder / CARD).write_text("\n".join([card, *told, *_draw(folder, parts)]), encoding="utf-8")


def _head(talk: Talk, *, group: str) -> Heading:
    day = None if talk.source == IMPORT else talk.created_at.astimezone(UTC).date().isoformat()
    return Heading(group, talk.owner if is_person(talk.owner) else None, talk.topic, day)


def _draw(folder: Path, parts: Parts) -> list[str]:
    """What the rows to imitate and to be examined on look like; the lines of the card that show it."""
    rows = [named.row for side in BOTH for named in parts.rows["sft", side] if isinstance(named.row, Lesson)]
    talks = [parts.talks[row.conversation_id] for row in rows]
    newest = max((talk.created_at for talk in talks), default=None)
    return draw_card_plots(
        folder,
        # The system prompt is the same for all.
        words=(sum(m["content"].count(" ") + 1 for m in row.messages if m["role"] != "system") for row in rows),
        ages_days=((newest - talk.created_at) / timedelta(days=1) for talk in talks if newest),
        topics=(talk.topic for talk in talks),
        origins=(row.messages[-1].get("origin", "") for row in rows),
    )


def _about(snapshot: Snapshot, parts: Parts, counts: Counts) -> dict[str, str | int | float | None]:
    """What the manifest says beside names and hashes: counts, what was left out by reason, sources and versions."""
    sources = Counter(snapshot.talks[name].source for name in parts.groups)
    rows = {f"{kind}_{side.value}": len(parts.rows[kind, side]) for kind in KINDS for side in BOTH}
    return {
        "schema": SCHEMA,
        "nightschool": version("nightschool"),
        "pyarrow": pa.__version__,
        "snapshot_hash": snapshot.content_hash,
        "conversations": counts.conversations,
        "largest_group": counts.largest_group,
        **{f"rows.{name}": count for name, count in rows.items()},
        **{f"influence.{name}": share for name, share in counts.influence.items()},
        **{f"left_out.{reason}": count for reason, count in sorted(counts.left_out.items())},
        **{f"source.{name}": count for name, count in sorted(sources.items())},
    }
