"""Opinions as rows: what stands on answers, and how new ones take its place while the history keeps what stood before.

For groups of many at once. Does not know which opinion is a new one (`collect.feedback`).
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from itertools import starmap
from typing import Any, Final, NamedTuple

from collect.lookup import find_rows
from collect.store import Cursor
from nightschool.records import BotName, Feedback, Vote

ADD: Final = """
insert into feedback (opinion_id, message_id, voter, bot, vote, reasons, comment, ideal_answer, voted_at, address)
select unnest($opinion_id::text[]), unnest($message_id::text[]), unnest($voter::text[]), unnest($bot::text[]),
    unnest($vote::text[]), unnest($reasons::text[][]), unnest($comment::text[]), unnest($ideal_answer::text[]),
    unnest($voted_at::timestamptz[]), unnest($address::text[])
"""
# A changed opinion is deleted and added: an update that sets a list does so too, and reads every column for it.
DROP: Final = "delete from feedback where opinion_id in (select unnest($names::text[]))"
REMEMBER: Final = """
insert into feedback_history (message_id, voter, bot, vote, reasons, comment, ideal_answer, voted_at)
select unnest($message_id::text[]), unnest($voter::text[]), unnest($bot::text[]), unnest($vote::text[]),
    unnest($reasons::text[][]), unnest($comment::text[]), unnest($ideal_answer::text[]),
    unnest($voted_at::timestamptz[])
"""
ABOUT: Final = "select message_id, bot, role, source from messages where message_id in ({names})"
STANDING: Final = """
select opinion_id, bot, vote, reasons, comment, ideal_answer, voted_at, address
from feedback where opinion_id in ({names})
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
    address: str | None


def opinion_id(message_id: str, voter: str) -> str:
    """Of what one voter thinks of one answer; those of before m036 have it from there."""
    return _md5(_md5(message_id) + voter)


def find_about(cursor: Cursor, message_ids: Iterable[str]) -> dict[str, About]:
    """What these messages are."""
    return {row[0]: About(*row) for row in find_rows(cursor, ABOUT, list(dict.fromkeys(message_ids)))}


def find_standing(cursor: Cursor, keys: Iterable[Key]) -> dict[Key, Stored]:
    """What stands of these."""
    wanted = {opinion_id(*key): key for key in keys}
    stored: dict[Key, Stored] = {}
    for name, bot, *said, address in find_rows(cursor, STANDING, list(wanted)):
        message_id, voter = key = wanted[name]
        stored[key] = Stored(read_feedback((message_id, bot, voter, *said)), address)
    return stored


def add_opinions(cursor: Cursor, opinions: Sequence[Feedback], addresses: Mapping[Key, str | None]) -> None:
    """What nobody has an opinion in the place of."""
    if opinions:
        keys = [(feedback.message_id, feedback.voter) for feedback in opinions]
        names = {"opinion_id": list(starmap(opinion_id, keys)), "address": list(map(addresses.get, keys))}
        cursor.execute(ADD, _columns(opinions) | names)


def replace_standing(
    cursor: Cursor,
    *,
    new: Sequence[Feedback],
    stored: Mapping[Key, Stored],
    former: Sequence[Feedback],
    addresses: Mapping[Key, str],
) -> None:
    """Of each voter's on an answer the last one of `new`, as what stands, and `former` into the history.

    `stored` is what stands on these keys (`find_standing`); an address that is known stays where none is given.
    """
    standing = {(feedback.message_id, feedback.voter): feedback for feedback in new}
    if changed := standing.keys() & stored.keys():
        cursor.execute(DROP, {"names": list(starmap(opinion_id, changed))})
    known = {key: stored[key].address for key in changed}
    add_opinions(cursor, list(standing.values()), {**known, **addresses})
    if former:
        cursor.execute(REMEMBER, _columns(former))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _columns(rows: Sequence[Feedback]) -> dict[str, list[Any]]:
    return {name: [getattr(row, name) for row in rows] for name in FIELDS} | {
        "reasons": [list(row.reasons) for row in rows]
    }


def read_feedback(row: tuple[Any, ...]) -> Feedback:
    voted_at: datetime = row[7]
    return Feedback(
        row[0], BotName(row[1]), row[2], Vote(row[3]), tuple(row[4]), row[5], row[6], voted_at.astimezone(UTC)
    )
