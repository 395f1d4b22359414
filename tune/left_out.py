"""Why a dataset has no row of a vote, vote by vote, so that whoever cast it can be told: left_out.parquet.

The card counts the same by rows. Does not know who is told, nor what a trainer leaves out later.
"""

from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Final

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from nightschool.tables import read_rows, write_rows
from tune.parts import SIDES, Parts
from tune.rows import Row
from tune.screens import Screen, Screened
from tune.select import Selection
from tune.snapshot import Snapshot
from tune.split import Side
from tune.words import VoteRef

LEFT_OUT: Final = "left_out.parquet"
BETWEEN: Final = "nearly the same stands in the exam"
SAME: Final = "another conversation says the same"

_SCHEMA: Final = pa.schema([pa.field(name, pa.string(), nullable=False) for name in ("message_id", "voter", "reason")])


class LeftOut(BaseModel):
    """A row: why there is none of a vote, in words for whoever cast it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    message_id: str
    voter: str
    reason: str


def write_left_out(file: Path, rows: Iterable[LeftOut]) -> None:
    write_rows(file, (row.model_dump() for row in rows), schema=_SCHEMA)


def read_stopped(dataset: Path) -> list[LeftOut]:
    """The votes that screens stopped; none of a dataset of before there were screens. Raises InvalidInput."""
    file = dataset / LEFT_OUT
    screens = frozenset(screen.value for screen in Screen)
    found = read_rows(file, LeftOut, row="a vote left out") if file.exists() else ()
    return [row for row in found if row.reason in screens]


def explain_votes(said: Snapshot, screened: Screened, selection: Selection, parts: Parts) -> list[LeftOut]:
    """Of what was `said` each opinion without a row and the first reason that is known, if one is.

    `screened` is what the selection was made by.
    """
    used = {vote for side in SIDES for named in parts.of_side(side) for vote in named.row.lineage.votes}
    lost = _lost_votes(selection, parts)
    rows: list[LeftOut] = []
    for vote in sorted(VoteRef(o.message_id, o.voter) for opinions in said.opinions.values() for o in opinions):
        why = screened.stopped.get(vote) or lost.get(vote) or selection.why_not.get(vote.message_id)
        if why and vote not in used:
            rows.append(LeftOut(message_id=vote.message_id, voter=vote.voter, reason=why))
    return rows


def _lost_votes(selection: Selection, parts: Parts) -> Mapping[VoteRef, str]:
    """The votes that were selected and lost, where all their rows were."""
    why: dict[VoteRef, str] = {}
    for reason, lost in parts.lost.items():
        for named in lost:
            for vote in named.row.lineage.votes:
                why.setdefault(vote, reason)
    selected: Iterable[Row] = chain(selection.lessons, selection.pairs, selection.rated)
    for row in selected:
        between = parts.sides[row.conversation_id] is Side.NEITHER
        for vote in row.lineage.votes:
            why.setdefault(vote, BETWEEN if between else SAME)
    return why
