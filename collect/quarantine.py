"""Votes that a dataset's screens stopped: which, why, and who let them count all the same.

Each night says anew which of a bot's votes it stopped. A stopped vote stays where it is and as it is; it is only not
learnt from. A release is an operator's word on an opinion as it stands: no screen looks at it again, and where the
person changes it afterwards the release is over. Does not know what screens look for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import pyarrow as pa

from collect.erase import hash_subject
from collect.events import append_event
from collect.store import Cursor
from nightschool.errors import InvalidInput, NotFound
from nightschool.records import BotName, Event, Vote, new_id
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
STANDING: Final = """
select q.bot, q.message_id, q.voter, q.reason, q.found_at, f.vote, f.ideal_answer, f.voted_at
from quarantine as q join feedback as f on f.message_id = q.message_id and f.voter = q.voter
    left join releases as r on r.message_id = q.message_id and r.voter = q.voter and r.released_at >= f.voted_at
where f.vote <> 'none' and r.message_id is null and ($bot is null or q.bot = $bot)
    and ($voter is null or q.voter = $voter) and ($message_id is null or q.message_id = $message_id)
"""
# The few first, then what they are about: a join of whole tables reads every text there is.
LIST: Final = f"""
with standing as ({STANDING}),
chosen as (
    select *, count(*) over (partition by bot, voter) as alike from standing
    order by alike desc, voter, voted_at, message_id limit $limit
),
answers as (
    select message_id, parent_id, content from messages where message_id in (select message_id from chosen)
),
questions as (
    select message_id, content from messages where message_id in (select parent_id from answers)
)
select c.bot, c.message_id, c.voter, c.reason, c.found_at, c.vote, c.ideal_answer, c.voted_at, c.alike,
    coalesce(q.content, ''), a.content
from chosen as c join answers as a using (message_id) left join questions as q on q.message_id = a.parent_id
order by c.alike desc, c.voter, c.voted_at, c.message_id
"""
FOUND: Final = f"select message_id, voter from ({STANDING}) order by message_id, voter"
RELEASE: Final = """
insert into releases (bot, message_id, voter, released_by, reason, released_at)
select $bot, unnest($message_ids::text[]), $voter, $by, $reason, $at
on conflict (message_id, voter) do update
set released_by = excluded.released_by, reason = excluded.reason, released_at = excluded.released_at
"""
# An empty column would have no type, and DuckDB would read ids as numbers.
STOPPED: Final = pa.schema([(name, pa.string()) for name in ("message_id", "voter", "reason")])


class Stopped(NamedTuple):
    """A vote that a dataset was built without."""

    message_id: str
    voter: str
    reason: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A stopped vote, with what it is about."""

    bot: BotName
    message_id: str
    voter: str
    reason: str
    found_at: datetime
    """When a night first stopped it for this reason."""
    vote: Vote
    proposal: str
    voted_at: datetime
    alike: int
    """So many of this person's votes are stopped."""
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
    cursor: Cursor, *, bot: BotName | None = None, voter: str | None = None, limit: int = 100
) -> list[Quarantined]:
    """What is stopped and nobody released, those of whom most is stopped first."""
    asked = {"bot": bot, "voter": voter, "message_id": None, "limit": limit}
    return [_quarantined(row) for row in cursor.execute(LIST, asked).fetchall()]


def release_votes(
    cursor: Cursor, *, bot: BotName, voter: str, message_id: str | None, actor: str, reason: str, at: datetime
) -> int:
    """Let a stopped vote count, or with no `message_id` all stopped ones of that person; how many that are.

    Raises NotFound where none is stopped, InvalidInput without a reason.
    """
    if not reason.strip():
        raise InvalidInput("is missing", subject="reason", remedy="Say why these votes may count.", param="reason")
    asked = {"bot": bot, "voter": voter, "message_id": message_id}
    names = [row[0] for row in cursor.execute(FOUND, asked).fetchall()]
    if not names:
        raise NotFound("is not stopped", subject="this vote", remedy="`nightschool quarantine` lists what is.")
    told = clean_text(reason, subject="reason", param="reason")
    kept = {"bot": bot, "message_ids": names, "voter": voter, "by": actor, "reason": told, "at": at}
    cursor.execute(RELEASE, kept)
    # The audit outlives what is erased, so it names no person.
    subject = names[0] if message_id else f"{len(names)} votes of {hash_subject(voter)}"
    append_event(cursor, event=Event(new_id(), at, bot, actor, "let a stopped vote count", subject, told))
    return len(names)


def _quarantined(row: tuple[Any, ...]) -> Quarantined:
    bot, message_id, voter, reason, found_at, vote, proposal, voted_at, *rest = row
    return Quarantined(
        BotName(bot), message_id, voter, reason, found_at.astimezone(UTC), Vote(vote), proposal,
        voted_at.astimezone(UTC), *rest,
    )  # fmt: skip
