"""Nights as they stand: one row a cycle, one running cycle a bot, one scheduled night a bot and local date.

They are in the order in which they were begun, whatever the wall clock said.
"""

from dataclasses import asdict
from datetime import UTC, date
from typing import Any, Final

from collect.events import append_event
from collect.store import Cursor
from nightschool.errors import Busy, NotFound
from nightschool.records import BotName, Cycle, CycleState, Event, Outcome, new_id

ADD: Final = """
insert into cycles (cycle_id, bot, started_by, local_date, state, step, progress, started_at, finished_at, candidate,
    outcome, reasons, figures_json, position)
values ($cycle_id, $bot, $trigger, $local_date, $state, $step, $progress, $started_at, $finished_at, $candidate,
    $outcome, $reasons, $figures_json, nextval('cycle_positions'))
"""
UPDATE: Final = """
update cycles set state = $state, step = $step, progress = $progress, finished_at = $finished_at,
    candidate = $candidate, outcome = $outcome, reasons = $reasons, figures_json = $figures_json
where cycle_id = $cycle_id
"""
RUNNING: Final = "select cycle_id from cycles where bot = $bot and state = 'running'"
TAKEN: Final = "select cycle_id from cycles where bot = $bot and local_date = $local_date"
NOTE_UNBEGUN: Final = """
insert into unbegun (bot, local_date, cycle_id) values ($bot, $local_date, $cycle_id) on conflict do nothing
returning cycle_id
"""
ONE: Final = """
select cycle_id, bot, started_by, local_date, state, step, progress, started_at, finished_at, candidate, outcome,
    reasons, figures_json
from cycles where cycle_id = $cycle_id
"""
LIST: Final = """
select cycle_id, bot, started_by, local_date, state, step, progress, started_at, finished_at, candidate, outcome,
    reasons, figures_json
from cycles where $bot is null or bot = $bot
order by position desc limit $limit
"""
ALL_RUNNING: Final = """
select cycle_id, bot, started_by, local_date, state, step, progress, started_at, finished_at, candidate, outcome,
    reasons, figures_json
from cycles where state = 'running' order by position
"""


def start_cycle(cursor: Cursor, *, cycle: Cycle) -> None:
    """Claim a cycle. Raises Busy where one of the bot runs, or its night of that date was had."""
    if cursor.execute(RUNNING, {"bot": cycle.bot}).fetchone():
        raise Busy("is at school already", subject=cycle.bot, remedy="`nightschool status` shows how far it is.")
    if cycle.local_date and cursor.execute(TAKEN, {"bot": cycle.bot, "local_date": cycle.local_date}).fetchone():
        raise Busy(f"had its night of {cycle.local_date}", subject=cycle.bot, remedy="Nothing to do.")
    cursor.execute(ADD, _row(cycle))


def begin_night(cursor: Cursor, *, cycle: Cycle, actor: str) -> None:
    """Claim a cycle, and keep in the audit who began it. Raises as `start_cycle` does."""
    start_cycle(cursor, cycle=cycle)
    append_event(cursor, event=Event(new_id(), cycle.started_at, cycle.bot, actor, "began a night", cycle.cycle_id, ""))


def keep_unbegun(cursor: Cursor, *, cycle: Cycle, local_date: date) -> bool:
    """Keep a due night that could not begin, the first of its date alone; whether this was it.

    It has no date itself: that is for the night that begins once nothing keeps it any more.
    """
    named = {"bot": cycle.bot, "local_date": local_date, "cycle_id": cycle.cycle_id}
    if cursor.execute(NOTE_UNBEGUN, named).fetchone() is None:
        return False
    cursor.execute(ADD, _row(cycle))
    action = "could not begin a night"
    append_event(cursor, event=Event(new_id(), cycle.started_at, cycle.bot, cycle.trigger, action, cycle.cycle_id, ""))
    return True


def update_cycle(cursor: Cursor, *, cycle: Cycle) -> None:
    """Raises NotFound for a cycle that was never started, Busy for one that has ended: what it says stays."""
    if (state := _find(cursor, cycle.cycle_id).state) is not CycleState.RUNNING:
        raise Busy(f"is {state} already", subject=f"cycle {cycle.cycle_id}", remedy="A cycle ends once.")
    row = _row(cycle)
    for fixed in ("bot", "trigger", "local_date", "started_at"):
        del row[fixed]
    cursor.execute(UPDATE, row)


def cycle(cursor: Cursor, cycle_id: str) -> Cycle:
    """Raises NotFound."""
    return _find(cursor, cycle_id)


def list_cycles(cursor: Cursor, *, bot: BotName | None = None, limit: int = 20) -> list[Cycle]:
    """Newest first."""
    return [_cycle(row) for row in cursor.execute(LIST, {"bot": bot, "limit": limit}).fetchall()]


def had_night(cursor: Cursor, *, bot: BotName, local_date: date) -> bool:
    """Whether the bot's scheduled night of that date was begun."""
    return cursor.execute(TAKEN, {"bot": bot, "local_date": local_date}).fetchone() is not None


def running_cycles(cursor: Cursor) -> list[Cycle]:
    """Those that run, or that a dead server left running; oldest first."""
    return [_cycle(row) for row in cursor.execute(ALL_RUNNING).fetchall()]


def _find(cursor: Cursor, cycle_id: str) -> Cycle:
    row = cursor.execute(ONE, {"cycle_id": cycle_id}).fetchone()
    if row is None:
        raise NotFound("is not in the record", subject=repr(cycle_id), remedy="`nightschool status` lists cycles.")
    return _cycle(row)


def _row(cycle: Cycle) -> dict[str, Any]:
    return asdict(cycle) | {"reasons": list(cycle.reasons)}


def _cycle(row: tuple[Any, ...]) -> Cycle:
    return Cycle(
        cycle_id=row[0],
        bot=BotName(row[1]),
        trigger=row[2],
        local_date=row[3],
        state=CycleState(row[4]),
        step=row[5],
        progress=row[6],
        started_at=row[7].astimezone(UTC),
        finished_at=row[8].astimezone(UTC) if row[8] else None,
        candidate=row[9],
        outcome=Outcome(row[10]) if row[10] else None,
        reasons=tuple(row[11]),
        figures_json=row[12],
    )
