"""Changes of stage: all or none, and only from the stage that the mover saw."""

from dataclasses import replace

import pytest

from collect.events import list_events
from collect.registry import Evaluation, adapter, adapters, record_evaluation, register_adapter, store_moves
from collect.store import Cursor
from nightschool.errors import Busy, NotFound
from nightschool.records import Adapter, Event, Moved, Outcome, Stage, new_id

from .conftest import AT, BOT


def add(cursor: Cursor, version: int, stage: Stage) -> Adapter:
    added = Adapter(BOT, version, f"hash{version}", "folder", stage, "cycle", "data", AT)
    register_adapter(cursor, adapter=added, event=Event(new_id(), AT, BOT, "night", "registered", str(added.name), ""))
    return added


def move(seen: Adapter, to: Stage) -> Moved:
    event = Event(new_id(), AT, BOT, "ada", f"{seen.stage}->{to}", str(seen.name), "better")
    return Moved(replace(seen, stage=to), seen.stage, event)


def stages(cursor: Cursor) -> dict[int, Stage]:
    return {each.version: each.stage for each in adapters(cursor, bot=BOT)}


def test_a_promotion_moves_both_and_says_so(cursor: Cursor) -> None:
    old, new = add(cursor, 1, Stage.PRODUCTION), add(cursor, 2, Stage.CANDIDATE)
    store_moves(cursor, moves=[move(old, Stage.PREVIOUS), move(new, Stage.PRODUCTION)])
    assert stages(cursor) == {1: Stage.PREVIOUS, 2: Stage.PRODUCTION}
    assert {"production->previous", "candidate->production"} < {event.action for event in list_events(cursor)}


def test_a_move_by_somebody_who_looked_too_early_is_refused(cursor: Cursor) -> None:
    """The night retires a candidate that an operator has just promoted."""
    seen = add(cursor, 1, Stage.CANDIDATE)
    store_moves(cursor, moves=[move(seen, Stage.PRODUCTION)])
    with pytest.raises(Busy, match="became production meanwhile"):
        store_moves(cursor, moves=[move(seen, Stage.RETIRED)])


def test_what_does_not_exist_is_neither_moved_nor_judged(cursor: Cursor) -> None:
    ghost = Adapter(BOT, 9, "hash", "folder", Stage.CANDIDATE, "cycle", "data", AT)
    with pytest.raises(NotFound):
        store_moves(cursor, moves=[move(ghost, Stage.RETIRED)])
    with pytest.raises(NotFound):
        record_evaluation(cursor, evaluation=Evaluation("e", "c", BOT, 9, Outcome.PROMOTE, (), "{}", "f", AT))


def test_a_version_is_given_once(cursor: Cursor) -> None:
    first = add(cursor, 1, Stage.CANDIDATE)
    with pytest.raises(Busy, match="exists already"):
        add(cursor, 1, Stage.CANDIDATE)
    assert adapter(cursor, bot=BOT, version=1) == first
