"""Opinions as rows: what stands on answers, and how new ones take its place while the history keeps what stood before.

For groups of many at once. Does not know which opinion is a new one (`collect.feedback`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from collect.lookup import find_rows
from collect.store import Cursor
from nightschool.records import BotName, Feedback, Vote

ADD: Final = """
insert into feedback (message_id, voter, bot, vote, reasons, comment, ideal_answer, voted_at, address)
select unnest($message_id::text[]), unnest($voter::text[]), unnest($bot::text[]), unnest($vote::text[]),
    unnest($reasons::text[][]), unnest($comment::text[]), unnest($ideal_answer::text[]),
    unnest($voted_at::timestamptz[]), unnest($address::text[])
"""
# By row, since DuckDB would scan the table for message and voter.
CHANGE: Final = """
update feedback set vote = now.vote, reasons = now.reasons, comment = now.comment, ideal_answer = now.ideal_answer,
    voted_at = now.voted_at, address = coalesce(now.address, feedback.address)
from (
    select unnest($row::bigint[]) as row, unnest($vote::text[]) as vote, unnest($reasons::text[][]) as reasons,
        unnest($comment::text[]) as comment, unnest($ideal_answer::text[]) as ideal_answer,
        unnest($voted_at::timestamptz[]) as voted_at, unnest($address::text[]) as address
) as now
where feedback.rowid = now.row
"""
REMEMBER: Final = """
insert into feedback_history (message_id, voter, bot, vote, reasons, comment, ideal_answer, voted_at)
select unnest($message_id::text[]), unnest($voter::text[]), unnest($bot::text[]), unnest($vote::text[]),
    unnest($reasons::text[][]), unnest($comment::text[]), unnest($ideal_answer::text[]),
    unnest($voted_at::timestamptz[])
"""
# Each by its own index; what one statement costs beside what it finds is the most of a single vote.
STANDING: Final = """
select m.message_id, m.bot, f.voter, f.vote, f.reasons, f.comment, f.ideal_answer, f.voted_at, f.row, m.role, m.source
from (select message_id, bot, role, source from messages where message_id in ({names})) as m
left join (
    select message_id, voter, vote, reasons, comment, ideal_answer, voted_at, rowid as row
    from feedback where message_id in ({names})
) as f using (message_id)
"""
Key = tuple[str, str]
"""Of an opinion: the answer and its voter."""
FIELDS: Final = tuple(field.name for field in fields(Feedback))


class About(NamedTuple):
    """Of the message that an opinion is about."""

    message_id: str
    bot: BotName
    role: str
    source: str


class Stored(NamedTuple):
    feedback: Feedback
    row: int


def find_standing(cursor: Cursor, message_ids: Sequence[str]) -> tuple[dict[str, About], dict[Key, Stored]]:
    """What these messages are, and what stands on them."""
    about: dict[str, About] = {}
    stored: dict[Key, Stored] = {}
    for row in find_rows(cursor, STANDING, message_ids):
        about[row[0]] = About(row[0], row[1], row[9], row[10])
        if row[2] is not None:
            stored[row[0], row[2]] = Stored(read_feedback(row), row[8])
    return about, stored


def replace_standing(
    cursor: Cursor,
    *,
    new: Sequence[Feedback],
    stored: Mapping[Key, Stored],
    former: Sequence[Feedback],
    addresses: Mapping[Key, str],
) -> None:
    """Of each voter's on an answer the last one of `new`, as what stands, and `former` into the history."""
    standing = {(feedback.message_id, feedback.voter): feedback for feedback in new}
    added = [feedback for key, feedback in standing.items() if key not in stored]
    changed = [(stored[key].row, feedback) for key, feedback in standing.items() if key in stored]
    if added:
        cursor.execute(ADD, _columns(added) | {"address": _of_each(added, addresses)})
    if changed:
        changes = [feedback for _, feedback in changed]
        columns = _columns(changes) | {"address": _of_each(changes, addresses)}
        given = {name: columns[name] for name in ("vote", "reasons", "comment", "ideal_answer", "voted_at", "address")}
        cursor.execute(CHANGE, given | {"row": [row for row, _ in changed]})
    if former:
        cursor.execute(REMEMBER, _columns(former))


def _of_each(rows: Sequence[Feedback], addresses: Mapping[Key, str]) -> list[str | None]:
    return [addresses.get((row.message_id, row.voter)) for row in rows]


def _columns(rows: Sequence[Feedback]) -> dict[str, list[Any]]:
    return {name: [getattr(row, name) for row in rows] for name in FIELDS} | {
        "reasons": [list(row.reasons) for row in rows]
    }


def read_feedback(row: tuple[Any, ...]) -> Feedback:
    voted_at: datetime = row[7]
    return Feedback(
        row[0], BotName(row[1]), row[2], Vote(row[3]), tuple(row[4]), row[5], row[6], voted_at.astimezone(UTC)
    )
