"""Votes that a dataset's screens stopped: which, why, and an operator's word that one counts or never does.

Each night says anew which of a bot's votes it stopped. A stopped vote stays where it is and as it is; it is only not
learnt from. An operator's word is on an opinion as it stands: let through, no screen looks at it again; kept out, no
night learns from it, whatever its screens say. Where the person changes it afterwards that word is over. Does not know
what screens look for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import pyarrow as pa

from collect.erase import hash_subject
from collect.events import append_event
from collect.store import Cursor
from nightschool.errors import Busy, InvalidInput, NotFound
from nightschool.records import BotName, Event, Vote, VoteState, new_id
from nightschool.text import clean_text

GONE: Final = """
delete from quarantine where bot = $bot
    and (message_id, voter, reason) not in (select (message_id, voter, reason) from stopped)
"""
NEW: Final = """
insert into quarantine (bot, message_id, voter, reason, found_at)
select $bot, s.message_id, s.voter, s.reason, $at
from stopped as s
anti join (select message_id, voter, reason from quarantine where bot = $bot) as q using (message_id, voter, reason)
order by s.message_id, s.voter
"""
# The few first, then what they are about: a join of whole tables reads every text there is.
SEEN: Final = """
with named as (
    select message_id, voter from quarantine union select message_id, voter from releases
),
seen as (
    select f.bot, f.message_id, f.voter, f.vote, f.ideal_answer, f.voted_at,
        case when r.reason is null then 'stopped' when r.counts then 'released' else 'kept' end as state,
        coalesce(r.reason, q.reason) as reason, coalesce(r.released_by, '') as ruled_by,
        coalesce(r.released_at, q.found_at) as found_at
    from named as n join feedback as f on f.message_id = n.message_id and f.voter = n.voter
        left join quarantine as q on q.message_id = f.message_id and q.voter = f.voter
        left join releases as r
            on r.message_id = f.message_id and r.voter = f.voter and r.released_at >= f.voted_at
    where f.vote <> 'none' and (q.reason is not null or r.reason is not null)
),
asked as (
    select * from seen
    where ($bot is null or bot = $bot) and ($state is null or state = $state) and ($voter is null or voter = $voter)
)
"""
LIST: Final = f"""{SEEN},
chosen as (
    select *, count(*) over (partition by bot, voter, state) as alike from asked
    qualify $message_id is null or message_id = $message_id
    order by alike desc, voter, voted_at, message_id limit $limit offset $offset
),
answers as (
    select message_id, parent_id, content from messages where message_id in (select message_id from chosen)
),
questions as (
    select message_id, content from messages where message_id in (select parent_id from answers)
)
select c.bot, c.message_id, c.voter, c.state, c.reason, c.ruled_by, c.found_at, c.vote, c.ideal_answer, c.voted_at,
    c.alike, coalesce(q.content, ''), a.content
from chosen as c join answers as a using (message_id) left join questions as q on q.message_id = a.parent_id
order by c.alike desc, c.voter, c.voted_at, c.message_id
"""
COUNT: Final = f"{SEEN} select count(*) from asked"
FOUND: Final = f"""{SEEN}
select message_id, voted_at from asked where $message_id is null or message_id = $message_id order by message_id
"""
RULE: Final = """
insert into releases (bot, message_id, voter, released_by, reason, released_at, counts)
select $bot, unnest($message_ids::text[]), $voter, $by, $reason, $at, $counts
on conflict (message_id, voter) do update
set released_by = excluded.released_by, reason = excluded.reason, released_at = excluded.released_at,
    counts = excluded.counts
"""
# An empty column would have no type, and DuckDB would read ids as numbers.
STOPPED: Final = pa.schema([(name, pa.string()) for name in ("message_id", "voter", "reason")])

ACTIONS: Final = {VoteState.RELEASED: "let a stopped vote count", VoteState.KEPT: "kept a stopped vote out"}
"""What an operator may say, and how the audit calls it."""


class Stopped(NamedTuple):
    """A vote that a dataset was built without."""

    message_id: str
    voter: str
    reason: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A vote that was stopped, with what it is about."""

    bot: BotName
    message_id: str
    voter: str
    state: VoteState
    reason: str
    """Why a screen stopped it; where an operator ruled, their reason."""
    ruled_by: str
    """Empty where no operator ruled on it."""
    found_at: datetime
    """When a night first stopped it for this reason, or the operator ruled."""
    vote: Vote
    proposal: str
    voted_at: datetime
    alike: int
    """So many of this person's votes are in this state."""
    question: str
    answer: str


def keep_stopped(cursor: Cursor, *, bot: BotName, stopped: Sequence[Stopped], at: datetime) -> None:
    """What the newest dataset of the bot was built without, in place of what an older one was."""
    columns = [list(column) for column in zip(*stopped, strict=True)] or [[], [], []]
    cursor.register("stopped", pa.table(columns, schema=STOPPED))
    try:
        cursor.execute(GONE, {"bot": bot})
        cursor.execute(NEW, {"bot": bot, "at": at})
    finally:
        cursor.unregister("stopped")


def list_quarantine(
    cursor: Cursor,
    *,
    bot: BotName | None = None,
    state: VoteState = VoteState.STOPPED,
    voter: str | None = None,
    limit: int = 100,
    offset: int = 0,
) -> list[Quarantined]:
    """Those of whom most is there first."""
    asked = {"bot": bot, "state": state, "voter": voter, "message_id": None, "limit": limit, "offset": offset}
    return [_quarantined(row) for row in cursor.execute(LIST, asked).fetchall()]


def count_quarantine(cursor: Cursor, *, bot: BotName | None = None, state: VoteState = VoteState.STOPPED) -> int:
    """How many `list_quarantine` would find without a limit."""
    [(count,)] = cursor.execute(COUNT, {"bot": bot, "state": state, "voter": None}).fetchall()
    return int(count)


def find_quarantined(cursor: Cursor, *, message_id: str, voter: str) -> Quarantined:
    """Raises NotFound where that vote was never stopped, or was taken back."""
    asked = {"bot": None, "state": None, "voter": voter, "message_id": message_id, "limit": 1, "offset": 0}
    for row in cursor.execute(LIST, asked).fetchall():
        return _quarantined(row)
    raise _not_stopped()


def rule_votes(
    cursor: Cursor,
    *,
    bot: BotName,
    voter: str,
    message_id: str | None,
    state: VoteState,
    actor: str,
    reason: str,
    at: datetime,
    seen_at: datetime | None = None,
) -> int:
    """Let a stopped vote count, or keep it out for good; with no `message_id` all of that person that no operator
    ruled on. How many that are.

    Raises NotFound where there is none, InvalidInput without a reason, Busy where an opinion is newer than `seen_at`.
    """
    if not reason.strip():
        raise InvalidInput("is missing", subject="reason", remedy="Say why: it is kept in the audit.", param="reason")
    of = VoteState.STOPPED if message_id is None else None
    asked = {"bot": bot, "voter": voter, "message_id": message_id, "state": of}
    found = cursor.execute(FOUND, asked).fetchall()
    if not found:
        raise _not_stopped()
    if seen_at is not None and any(voted_at > seen_at for _, voted_at in found):
        raise Busy("changed while you read it", subject="this vote", remedy="Open it again from the list.")
    names = [name for name, _ in found]
    told = clean_text(reason, subject="reason", param="reason")
    kept = {"bot": bot, "message_ids": names, "voter": voter, "by": actor, "reason": told, "at": at}
    cursor.execute(RULE, kept | {"counts": state is VoteState.RELEASED})
    # The audit outlives what is erased, so it names no person.
    subject = names[0] if message_id else f"{len(names)} votes of {hash_subject(voter)}"
    append_event(cursor, event=Event(new_id(), at, bot, actor, ACTIONS[state], subject, told))
    return len(names)


def _not_stopped() -> NotFound:
    return NotFound("is not stopped", subject="this vote", remedy="`nightschool quarantine` lists what is.")


def _quarantined(row: tuple[Any, ...]) -> Quarantined:
    bot, message_id, voter, state, reason, ruled_by, found_at, vote, proposal, voted_at, *rest = row
    return Quarantined(
        BotName(bot), message_id, voter, VoteState(state), reason, ruled_by, found_at.astimezone(UTC), Vote(vote),
        proposal, voted_at.astimezone(UTC), *rest,
    )  # fmt: skip
