"""What keeps a version from going live by itself: a bot that is held, weights that were refused, a verdict out of date.

A hold is armed by a rollback or by an operator, and lifted by an operator alone. Refused weights are known by their
content hash, since the next night may train the very same ones. `find_objection` is asked in the transaction that moves
the adapter, so nothing happens in between. Does not know which version answers now: it is told.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from collect.events import append_event
from collect.registry import Evaluation, adapter, count_moves, note_promoted, record_evaluation, store_moves
from collect.store import Cursor
from nightschool.errors import Busy
from nightschool.records import Adapter, AdapterName, BotName, Event, Moved, Outcome, Stage, new_id
from nightschool.text import clean_text

ARM: Final = """
insert into holds (bot, armed_by, reason, armed_at) values ($bot, $armed_by, $reason, $armed_at)
on conflict (bot) do update set armed_by = excluded.armed_by, reason = excluded.reason, armed_at = excluded.armed_at
"""
LIFT: Final = "delete from holds where bot = $bot"
FIND_HOLD: Final = "select bot, armed_by, reason, armed_at from holds where bot = $bot"
REFUSE: Final = """
insert into refusals (bot, content_hash, cause, refused_by, reason, refused_at)
values ($bot, $content_hash, $cause, $refused_by, $reason, $refused_at)
on conflict (bot, content_hash) do update
set cause = excluded.cause, refused_by = excluded.refused_by, reason = excluded.reason,
    refused_at = excluded.refused_at
where excluded.cause = 'rollback'
"""
ALLOW: Final = "delete from refusals where bot = $bot and content_hash = $content_hash"
FIND_REFUSAL: Final = """
select bot, content_hash, cause, refused_by, reason, refused_at
from refusals where bot = $bot and content_hash = $content_hash
"""
TAKEN_DOWN: Final = """
select bot, max(version) from holds join refusals using (bot) join adapters using (bot, content_hash)
where armed_by = $actor and refused_by = $actor and refused_at = armed_at
group by bot order by bot
"""
ROLLED_BACK: Final = "select content_hash from refusals where bot = $bot and cause = 'rollback'"


@dataclass(frozen=True, slots=True)
class Hold:
    bot: BotName
    armed_by: str
    reason: str
    armed_at: datetime


@dataclass(frozen=True, slots=True)
class Refusal:
    bot: BotName
    content_hash: str
    cause: Literal["rollback", "verdict"]
    refused_by: str
    reason: str
    refused_at: datetime


def arm_hold(cursor: Cursor, *, hold: Hold) -> None:
    """No version of the bot goes live by itself from now on. Armed twice, the newer reason stands."""
    cursor.execute(ARM, asdict(hold) | {"reason": _clean(hold.reason)})
    _note(cursor, bot=hold.bot, actor=hold.armed_by, action="held", reason=hold.reason, at=hold.armed_at)


def lift_hold(cursor: Cursor, *, bot: BotName, actor: str, reason: str, at: datetime) -> None:
    """Raises Busy where the bot is not held."""
    if find_hold(cursor, bot=bot) is None:
        raise Busy("is not held", subject=bot, remedy="Nothing to do.")
    cursor.execute(LIFT, {"bot": bot})
    _note(cursor, bot=bot, actor=actor, action="released", reason=reason, at=at)


def find_hold(cursor: Cursor, *, bot: BotName) -> Hold | None:
    row = cursor.execute(FIND_HOLD, {"bot": bot}).fetchone()
    return Hold(BotName(row[0]), row[1], row[2], row[3].astimezone(UTC)) if row else None


def refuse(cursor: Cursor, *, refusal: Refusal) -> None:
    """These weights never go live by themselves, under whichever version they come back.

    A verdict's refusal does not replace a person's.
    """
    cursor.execute(REFUSE, asdict(refusal) | {"reason": _clean(refusal.reason)})


def find_refusal(cursor: Cursor, *, bot: BotName, content_hash: str) -> Refusal | None:
    row = cursor.execute(FIND_REFUSAL, {"bot": bot, "content_hash": content_hash}).fetchone()
    return Refusal(BotName(row[0]), row[1], row[2], row[3], row[4], row[5].astimezone(UTC)) if row else None


def rolled_back_hashes(cursor: Cursor, *, bot: BotName) -> frozenset[str]:
    """Weights that a person took down and nobody put live since."""
    return frozenset(row[0] for row in cursor.execute(ROLLED_BACK, {"bot": bot}).fetchall())


def taken_down(cursor: Cursor, *, actor: str) -> list[AdapterName]:
    """Versions that `actor` rolled back, until somebody puts one live again, or holds or releases its bot."""
    rows = cursor.execute(TAKEN_DOWN, {"actor": actor}).fetchall()
    return [AdapterName(BotName(bot), version) for bot, version in rows]


def keep_verdict(cursor: Cursor, *, evaluation: Evaluation) -> Evaluation:
    """Record a verdict and return it as it stands; the weights that it rejects are refused."""
    kept = record_evaluation(cursor, evaluation=evaluation)
    if kept.outcome is Outcome.REJECT:
        because = f"cycle {kept.cycle_id}"
        refusal = Refusal(kept.bot, kept.candidate_hash, "verdict", "the gate", because, kept.evaluated_at)
        refuse(cursor, refusal=refusal)
    return kept


def put_up(cursor: Cursor, *, adapter: Adapter, moves: Sequence[Moved]) -> None:
    """Store the moves by which an operator puts an adapter live: its weights are refused no longer."""
    store_moves(cursor, moves=moves)
    cursor.execute(ALLOW, {"bot": adapter.bot, "content_hash": adapter.content_hash})


def take_down(cursor: Cursor, *, current: Adapter, back_to: Adapter | None, moves: Sequence[Moved], hold: Hold) -> None:
    """Store the moves of a rollback: the bot is held, and the weights that were taken down are refused."""
    if back_to:
        put_up(cursor, adapter=back_to, moves=moves)
    else:
        store_moves(cursor, moves=moves)
    arm_hold(cursor, hold=hold)
    refusal = Refusal(hold.bot, current.content_hash, "rollback", hold.armed_by, hold.reason, hold.armed_at)
    refuse(cursor, refusal=refusal)


def put_live(
    cursor: Cursor, *, evaluation: Evaluation, live_hash: str, moves: Sequence[Moved], at: datetime
) -> str | None:
    """Store the moves by which a passing verdict puts its candidate live, or say what speaks against it."""
    objection = find_objection(cursor, evaluation=evaluation, live_hash=live_hash)
    if objection is None:
        store_moves(cursor, moves=moves)
        note_promoted(cursor, evaluation_id=evaluation.evaluation_id, at=at)
    return objection


def find_objection(cursor: Cursor, *, evaluation: Evaluation, live_hash: str) -> str | None:
    """Why a passing verdict may not put its candidate live now; None where it may.

    `live_hash` is that of the weights that answer now (empty: the base model's).
    """
    candidate = adapter(cursor, bot=evaluation.bot, version=evaluation.candidate)
    if candidate.content_hash != evaluation.candidate_hash:
        return f"{candidate.name} does not hold the weights that were examined"
    if candidate.stage is not Stage.CANDIDATE:
        return f"{candidate.name} became {candidate.stage} meanwhile"
    if hold := find_hold(cursor, bot=evaluation.bot):
        return (
            f"{hold.bot} is held since {hold.armed_at:%Y-%m-%d %H:%M} UTC by {hold.armed_by} ({hold.reason}); "
            f"`nightschool release --bot {hold.bot}` lifts it"
        )
    if refusal := find_refusal(cursor, bot=evaluation.bot, content_hash=candidate.content_hash):
        return (
            f"the same weights were refused on {refusal.refused_at:%Y-%m-%d} by {refusal.refused_by} ({refusal.reason})"
        )
    if count_moves(cursor, bot=evaluation.bot) != evaluation.moves:
        return f"{evaluation.bot} was moved by an operator after the examination began"
    if live_hash != evaluation.production_hash:
        return "what answers now is not what the candidate was compared with"
    return None


def _clean(reason: str) -> str:
    """As the audit keeps it."""
    return clean_text(reason, subject="reason", param="reason")


def _note(cursor: Cursor, *, bot: BotName, actor: str, action: str, reason: str, at: datetime) -> None:
    append_event(cursor, event=Event(new_id(), at, bot, actor, action, bot, reason))
