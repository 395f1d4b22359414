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
    has_passing_verdict, live_at, tainted_at)
values ($bot, $version, $content_hash, $folder, $stage, $cycle_id, $dataset_hash, $created_at, $has_passing_verdict,
    $live_at, $tainted_at)
"""
LIST: Final = """
select bot, version, content_hash, folder, stage, cycle_id, dataset_hash, created_at, has_passing_verdict, live_at,
    tainted_at
from adapters where $bot is null or bot = $bot
order by bot, version desc
"""
ONE: Final = """
select bot, version, content_hash, folder, stage, cycle_id, dataset_hash, created_at, has_passing_verdict, live_at,
    tainted_at
from adapters where bot = $bot and version = $version
"""
NEWEST_JUDGED: Final = """
select bot, version, content_hash, folder, stage, cycle_id, dataset_hash, created_at, has_passing_verdict, live_at,
    tainted_at
from adapters as a
where bot = $bot and stage <> 'tainted'
    and (live_at is not null
        or exists (from evaluations as e where e.bot = a.bot and e.candidate = a.version))
order by version desc limit 1
"""
SET_STAGE: Final = """
update adapters
set stage = $stage, live_at = coalesce($live_at, live_at), tainted_at = coalesce(tainted_at, $tainted_at)
where bot = $bot and version = $version
"""
TAINT: Final = "update adapters set tainted_at = $at where bot = $bot and version = $version and tainted_at is null"
MOVES: Final = """
select count(*) from events
where bot = $bot and (action like '%->production' or action like 'production->%')
"""
IN_PRODUCTION: Final = "select count(*) from adapters where bot = $bot and stage = 'production'"
ADD_EVALUATION: Final = """
insert into evaluations (evaluation_id, cycle_id, bot, candidate, outcome, reasons, figures_json, folder, evaluated_at,
    candidate_hash, production_hash, moves, promoted_at)
values ($evaluation_id, $cycle_id, $bot, $candidate, $outcome, $reasons, $figures_json, $folder,
    greatest($evaluated_at, (
        select max(evaluated_at) + interval 1 microsecond from evaluations where bot = $bot and candidate = $candidate
    )), $candidate_hash, $production_hash, $moves, $promoted_at)
on conflict do nothing
"""
NOTE_VERDICT: Final = """
update adapters set has_passing_verdict = (
    select outcome = 'promote' from evaluations where bot = $bot and candidate = $version
    order by evaluated_at desc limit 1
)
where bot = $bot and version = $version
"""
NOTE_PROMOTED: Final = "update evaluations set promoted_at = $at where evaluation_id = $evaluation_id"
EVALUATION: Final = """
select evaluation_id, cycle_id, bot, candidate, outcome, reasons, figures_json, folder, evaluated_at, candidate_hash,
    production_hash, moves, promoted_at
from evaluations where evaluation_id = $evaluation_id
"""
EVALUATIONS: Final = """
select evaluation_id, cycle_id, bot, candidate, outcome, reasons, figures_json, folder, evaluated_at, candidate_hash,
    production_hash, moves, promoted_at
from evaluations where ($bot is null or bot = $bot) and ($candidate is null or candidate = $candidate)
order by evaluated_at desc limit $limit
"""
LOOK_AGAIN: Final = "Look at `nightschool adapters`, then try again."


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A verdict and the weights it is about."""

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
    candidate_hash: str = ""
    production_hash: str = ""
    """Of the weights that the candidate was compared with; empty for the base model's."""
    moves: int = 0
    """`count_moves` of the bot when the examination began."""
    promoted_at: datetime | None = None
    """When this verdict put its candidate live; a verdict does so once."""


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
    """Of each bot the newest first, by its number: a clock may have been set back."""
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
        live_at = event.at if moved.stage is Stage.PRODUCTION else None
        tainted_at = event.at if moved.stage is Stage.TAINTED else None
        changed = {"stage": moved.stage, "live_at": live_at, "tainted_at": tainted_at}
        cursor.execute(SET_STAGE, changed | {"bot": moved.bot, "version": moved.version})
        append_event(cursor, event=event)
    for bot in {moved.bot for moved, _, _ in moves if moved.stage is Stage.PRODUCTION}:
        row = cursor.execute(IN_PRODUCTION, {"bot": bot}).fetchone()
        if row and row[0] > 1:
            raise Busy("has another version in production", subject=bot, remedy=LOOK_AGAIN)


def mark_tainted(cursor: Cursor, *, adapter: Adapter, event: Event) -> None:
    """Something that the adapter had learnt was erased; where it stands it stays. Marked again changes nothing."""
    cursor.execute(TAINT, {"at": event.at, "bot": adapter.bot, "version": adapter.version})
    append_event(cursor, event=event)


def newest_judged(cursor: Cursor, *, bot: BotName) -> Adapter | None:
    """The newest adapter that was examined or answered people; one whose night failed before that is passed over."""
    row = cursor.execute(NEWEST_JUDGED, {"bot": bot}).fetchone()
    return _adapter(row) if row else None


def count_moves(cursor: Cursor, *, bot: BotName) -> int:
    """How often the bot's production has changed, by whomever; only ever grows."""
    row = cursor.execute(MOVES, {"bot": bot}).fetchone()
    return int(row[0]) if row else 0


def record_evaluation(cursor: Cursor, *, evaluation: Evaluation) -> Evaluation:
    """Keep a verdict and return it as it stands: the first of an id stays, and the adapter's mark follows the record.

    Raises NotFound where there is no such adapter.
    """
    adapter(cursor, bot=evaluation.bot, version=evaluation.candidate)
    cursor.execute(ADD_EVALUATION, asdict(evaluation) | {"reasons": list(evaluation.reasons)})
    cursor.execute(NOTE_VERDICT, {"bot": evaluation.bot, "version": evaluation.candidate})
    return find_evaluation(cursor, evaluation.evaluation_id) or evaluation


def note_promoted(cursor: Cursor, *, evaluation_id: str, at: datetime) -> None:
    """The verdict has put its candidate live."""
    cursor.execute(NOTE_PROMOTED, {"evaluation_id": evaluation_id, "at": at})


def find_evaluation(cursor: Cursor, evaluation_id: str) -> Evaluation | None:
    row = cursor.execute(EVALUATION, {"evaluation_id": evaluation_id}).fetchone()
    return _evaluation(row) if row else None


def evaluations(
    cursor: Cursor, *, bot: BotName | None = None, candidate: int | None = None, limit: int = 50
) -> list[Evaluation]:
    """Newest first; of one bot, and of one version, or of all."""
    asked = {"bot": bot, "candidate": candidate, "limit": limit}
    return [_evaluation(row) for row in cursor.execute(EVALUATIONS, asked).fetchall()]


def _adapter(row: tuple[Any, ...]) -> Adapter:
    return Adapter(
        BotName(row[0]), row[1], row[2], row[3], Stage(row[4]), row[5], row[6], row[7].astimezone(UTC), row[8],
        row[9].astimezone(UTC) if row[9] else None, row[10].astimezone(UTC) if row[10] else None,
    )  # fmt: skip


def _evaluation(row: tuple[Any, ...]) -> Evaluation:
    return Evaluation(
        row[0], row[1], BotName(row[2]), row[3], Outcome(row[4]), tuple(row[5]), row[6], row[7],
        row[8].astimezone(UTC), row[9], row[10], row[11], row[12].astimezone(UTC) if row[12] else None,
    )  # fmt: skip
