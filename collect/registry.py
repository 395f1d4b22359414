"""Which adapters exist, in which stage, and what was found out about them. A change of stage comes with its event."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from collect.events import append_event
from collect.store import Cursor
from nightschool.errors import Busy, NotFound
from nightschool.records import Adapter, BotName, Event, Moved, Outcome, Stage

NEXT_VERSION: Final = "select coalesce(max(version), 0) + 1 from adapters where bot = $bot"
ADD: Final = """
insert into adapters (bot, version, content_hash, folder, stage, cycle_id, dataset_hash, created_at,
    has_passing_verdict)
values ($bot, $version, $content_hash, $folder, $stage, $cycle_id, $dataset_hash, $created_at, $has_passing_verdict)
"""
LIST: Final = """
select bot, version, content_hash, folder, stage, cycle_id, dataset_hash, created_at, has_passing_verdict
from adapters where $bot is null or bot = $bot
order by created_at desc, bot, version desc
"""
ONE: Final = """
select bot, version, content_hash, folder, stage, cycle_id, dataset_hash, created_at, has_passing_verdict
from adapters where bot = $bot and version = $version
"""
SET_STAGE: Final = "update adapters set stage = $stage where bot = $bot and version = $version"
IN_PRODUCTION: Final = "select count(*) from adapters where bot = $bot and stage = 'production'"
ADD_EVALUATION: Final = """
insert into evaluations (evaluation_id, cycle_id, bot, candidate, outcome, reasons, figures_json, folder, evaluated_at)
values ($evaluation_id, $cycle_id, $bot, $candidate, $outcome, $reasons, $figures_json, $folder, $at)
on conflict do nothing
"""
PASSED: Final = "update adapters set has_passing_verdict = true where bot = $bot and version = $version"
EVALUATIONS: Final = """
select evaluation_id, cycle_id, bot, candidate, outcome, reasons, figures_json, folder, evaluated_at
from evaluations where $bot is null or bot = $bot
order by evaluated_at desc limit $limit
"""
LOOK_AGAIN: Final = "Look at `nightschool adapters`, then try again."


@dataclass(frozen=True, slots=True)
class Evaluation:
    evaluation_id: str
    cycle_id: str
    bot: BotName
    candidate: int
    outcome: Outcome
    reasons: tuple[str, ...]
    figures_json: str
    folder: str
    """Relative to the data folder."""
    evaluated_at: datetime


def next_version(cursor: Cursor, *, bot: BotName) -> int:
    row = cursor.execute(NEXT_VERSION, {"bot": bot}).fetchone()
    return int(row[0]) if row else 1


def register_adapter(cursor: Cursor, *, adapter: Adapter, event: Event) -> None:
    """Keep a new adapter and who made it. Raises Busy where the version was taken."""
    if cursor.execute(ONE, {"bot": adapter.bot, "version": adapter.version}).fetchone():
        raise Busy("exists already", subject=str(adapter.name), remedy="Take the next version.")
    cursor.execute(ADD, asdict(adapter))
    append_event(cursor, event=event)


def adapters(cursor: Cursor, *, bot: BotName | None = None) -> list[Adapter]:
    """Newest first."""
    return [_adapter(row) for row in cursor.execute(LIST, {"bot": bot}).fetchall()]


def adapter(cursor: Cursor, *, bot: BotName, version: int) -> Adapter:
    """Raises NotFound."""
    row = cursor.execute(ONE, {"bot": bot, "version": version}).fetchone()
    if row is None:
        raise NotFound("does not exist", subject=f"{bot}@{version}", remedy="`nightschool adapters` lists them.")
    return _adapter(row)


def store_moves(cursor: Cursor, *, moves: Sequence[Moved]) -> None:
    """Keep new stages and their events, all or none.

    Raises NotFound, and Busy where two of a bot would be in production or an adapter has left the stage in which the
    mover saw it.
    """
    for moved, before, event in moves:
        stored = adapter(cursor, bot=moved.bot, version=moved.version)
        if stored.stage is not before:
            raise Busy(f"became {stored.stage} meanwhile", subject=str(moved.name), remedy=LOOK_AGAIN)
        cursor.execute(SET_STAGE, {"stage": moved.stage, "bot": moved.bot, "version": moved.version})
        append_event(cursor, event=event)
    for bot in {moved.bot for moved, _, _ in moves if moved.stage is Stage.PRODUCTION}:
        row = cursor.execute(IN_PRODUCTION, {"bot": bot}).fetchone()
        if row and row[0] > 1:
            raise Busy("has another version in production", subject=bot, remedy=LOOK_AGAIN)


def record_evaluation(
    cursor: Cursor,
    *,
    evaluation_id: str,
    cycle_id: str,
    bot: BotName,
    candidate: int,
    outcome: Outcome,
    reasons: Sequence[str],
    figures_json: str,
    folder: str,
    at: datetime,
) -> None:
    """Keep a verdict; a passing one is noted on the adapter too. Raises NotFound where there is no such adapter."""
    adapter(cursor, bot=bot, version=candidate)
    cursor.execute(
        ADD_EVALUATION,
        {
            "evaluation_id": evaluation_id,
            "cycle_id": cycle_id,
            "bot": bot,
            "candidate": candidate,
            "outcome": outcome,
            "reasons": list(reasons),
            "figures_json": figures_json,
            "folder": folder,
            "at": at,
        },
    )
    if outcome is Outcome.PROMOTE:
        cursor.execute(PASSED, {"bot": bot, "version": candidate})


def evaluations(cursor: Cursor, *, bot: BotName | None = None, limit: int = 50) -> list[Evaluation]:
    """Newest first."""
    rows = cursor.execute(EVALUATIONS, {"bot": bot, "limit": limit}).fetchall()
    return [
        Evaluation(
            row[0], row[1], BotName(row[2]), row[3], Outcome(row[4]), tuple(row[5]), row[6], row[7],
            row[8].astimezone(UTC),
        )
        for row in rows
    ]  # fmt: skip


def _adapter(row: tuple[Any, ...]) -> Adapter:
    return Adapter(
        BotName(row[0]), row[1], row[2], row[3], Stage(row[4]), row[5], row[6], row[7].astimezone(UTC), row[8]
    )
