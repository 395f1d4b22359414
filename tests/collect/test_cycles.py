"""Nights in the record: newest first, and none left running by a dead server."""

from dataclasses import replace
from datetime import timedelta

import pytest

from collect.cycles import cycle, list_cycles, running_cycles, start_cycle, update_cycle
from collect.store import Cursor
from nightschool.errors import Busy, NotFound
from nightschool.records import BotName, Cycle, CycleState

from .conftest import AT, BOT


def night(name: str, *, bot: str = BOT, hour: int = 0) -> Cycle:
    started_at = AT + timedelta(hours=hour)
    return Cycle(name, BotName(bot), "operator", None, CycleState.RUNNING, "train", 0.5, started_at)


def test_what_a_dead_server_left_running_is_found(cursor: Cursor) -> None:
    start_cycle(cursor, cycle=replace(night("done"), state=CycleState.DONE, finished_at=AT))
    start_cycle(cursor, cycle=night("cut off"))
    assert running_cycles(cursor) == [night("cut off")]
    update_cycle(cursor, cycle=replace(night("cut off"), state=CycleState.FAILED, finished_at=AT))
    assert running_cycles(cursor) == []
    assert cycle(cursor, "cut off").state is CycleState.FAILED


def test_cycles_are_listed_newest_first(cursor: Cursor) -> None:
    for hour, bot in enumerate(("support", "reviewer", "legal")):
        start_cycle(cursor, cycle=night(bot, bot=bot, hour=hour))
    assert [each.cycle_id for each in list_cycles(cursor)] == ["legal", "reviewer", "support"]
    assert [each.cycle_id for each in list_cycles(cursor, bot=BOT)] == ["support"]
    assert [each.cycle_id for each in list_cycles(cursor, limit=1)] == ["legal"]


def test_a_clock_that_was_set_back_does_not_change_the_order(cursor: Cursor) -> None:
    for hour, name in ((0, "first"), (2, "second"), (-5, "third")):
        start_cycle(cursor, cycle=night(name, bot=name, hour=hour))
        if name == "second":
            update_cycle(cursor, cycle=replace(night(name, bot=name, hour=hour), state=CycleState.DONE))
    assert [each.cycle_id for each in list_cycles(cursor)] == ["third", "second", "first"]
    assert [each.cycle_id for each in running_cycles(cursor)] == ["first", "third"]


def test_an_update_of_a_cycle_that_never_began_is_not_lost_in_silence(cursor: Cursor) -> None:
    with pytest.raises(NotFound):
        update_cycle(cursor, cycle=night("nowhere"))


@pytest.mark.parametrize("state", [CycleState.DONE, CycleState.FAILED])
def test_an_ended_cycle_is_not_brought_back_by_a_late_update(cursor: Cursor, state: CycleState) -> None:
    start_cycle(cursor, cycle=night("a"))
    update_cycle(cursor, cycle=replace(night("a"), state=state, finished_at=AT))
    with pytest.raises(Busy, match=f"is {state} already"):
        update_cycle(cursor, cycle=night("a"))
    assert cycle(cursor, "a").state is state
