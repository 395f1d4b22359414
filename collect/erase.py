"""Forget what somebody said: all rows of their conversations and votes, in whatever table they stand.

A table is erased from by its columns that name messages or conversations, so one that a later Nightschool adds is too.
What is left is a row of `erasures`: ids, counts and hashes, by which the files made of those rows are found and
removed; never a word of them. Does not know files (`deploy.erasing`), nor what DuckDB keeps of rows that are deleted
(`collect.scrub`).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

from collect.events import append_event
from collect.scores import UNUSED_KINDS
from collect.store import Cursor
from nightschool.errors import NotFound
from nightschool.owners import belonging
from nightschool.records import BotName, Event

Kind = Literal["conversation", "user", "age"]
NAMES_MESSAGE: Final = ("message_id", "follow_up_id", "from_id")
NAMES_CONVERSATION: Final = ("conversation_id",)
NO_BOT: Final = BotName("")
COLUMNS: Final = """
select c.table_name, c.column_name
from duckdb_columns() as c join duckdb_tables() as t using (schema_name, table_name)
where c.schema_name = 'main' and not t.temporary and list_contains($names, c.column_name)
order by c.table_name, c.column_name
"""
OF_OWNER: Final = f"select conversation_id from conversations where {belonging('owner', 'subject')}"
MINE: Final = belonging("voter", "subject")
OF_AGE: Final = """
select m.conversation_id
from messages as m join conversations as c using (conversation_id)
where c.bot = $bot and c.source <> 'import'
group by m.conversation_id having max(m.created_at) < $before
order by max(m.created_at), m.conversation_id limit $most
"""
NEWEST: Final = "select max(erased_at) from erasures where erased_at <= $at"
LAST_AGED: Final = "select max(erased_at) from erasures where kind = 'age' and list_contains(bots, $bot)"
BOTS_OF: Final = "select distinct bot from conversations where conversation_id in (select unnest($ids::text[]))"
MESSAGES_OF: Final = "select message_id from messages where conversation_id in (select unnest($ids::text[]))"
BEGIN: Final = "select min(created_at) from messages where message_id in (select unnest($ids::text[]))"
TEXTS_OF: Final = "select content from messages where conversation_id in (select unnest($ids::text[]))"
VOTED: Final = f"select message_id, bot from {{table}} where {MINE}"
SAID: Final = """
select comment from {table} where {chosen} union all select ideal_answer from {table} where {chosen}
"""
CHOSEN: Final = "{column} in (select unnest($ids::text[]))"
VOTES: Final = ("feedback", "feedback_history")
ABOUT_VOTES: Final = ("quarantine", "releases")
SCORED: Final = f"select 1 from scores where {MINE} limit 1"
PROMPTS_OF: Final = """
select distinct system_hash from messages
where conversation_id in (select unnest($ids::text[])) and system_hash is not null
"""
FORGET_PROMPTS: Final = """
delete from system_prompts
where system_hash in (select unnest($hashes::text[]))
    and system_hash not in (select system_hash from messages where system_hash is not null)
"""
ADD: Final = """
insert into erasures (erasure_id, kind, subject_hash, actor, reason, erased_at, bots, conversation_ids, message_ids,
    voted_ids, about_json)
values ($erasure_id, $kind, $subject_hash, $actor, $reason, $erased_at, $bots, $conversation_ids, $message_ids,
    $voted_ids, $about_json)
"""
FIELDS: Final = """
erasure_id, kind, subject_hash, actor, reason, erased_at, bots, conversation_ids, message_ids, voted_ids, about_json,
    finished_at
""".strip()
UNFINISHED: Final = f"select {FIELDS} from erasures where finished_at is null order by erased_at, erasure_id"
ONE: Final = f"select {FIELDS} from erasures where erasure_id = $erasure_id"
FINISH: Final = "update erasures set finished_at = $at where erasure_id = $erasure_id"


@dataclass(frozen=True, slots=True)
class Wish:
    """That something be erased. `subject` is a conversation's id, or whose conversations: a browser's id, `key:NAME`,
    with all people behind it, or one of them."""

    erasure_id: str
    kind: Kind
    subject: str
    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Erasure:
    """What is gone from the record, by ids."""

    erasure_id: str
    kind: Kind
    subject_hash: str
    actor: str
    reason: str
    erased_at: datetime
    bots: tuple[BotName, ...]
    conversation_ids: frozenset[str]
    message_ids: frozenset[str]
    voted_ids: frozenset[str]
    """Other people's answers on which the person had voted."""
    about: Mapping[str, Any]
    """`rows`: how many and their hash by table; `since`: when the first of it was said."""
    finished_at: datetime | None


class Doomed(NamedTuple):
    """What a wish is about."""

    conversation_ids: tuple[str, ...]
    message_ids: tuple[str, ...]
    voted_ids: tuple[str, ...]
    bots: tuple[BotName, ...]


def hash_subject(subject: str) -> str:
    """By which the audit and a certificate name whoever is forgotten."""
    return hashlib.sha256(subject.encode()).hexdigest()[:16]


def find_doomed(cursor: Cursor, *, kind: Kind, subject: str) -> Doomed:
    """Raises NotFound where the record holds nothing of it."""
    if kind == "conversation":
        found = [(subject,)] if cursor.execute(BOTS_OF, {"ids": [subject]}).fetchone() else []
        voted: list[tuple[str, str]] = []
        has_scored = False
    else:
        found = cursor.execute(OF_OWNER, {"subject": subject}).fetchall()
        voted = [row for t in VOTES for row in cursor.execute(VOTED.format(table=t), {"subject": subject}).fetchall()]
        has_scored = cursor.execute(SCORED, {"subject": subject}).fetchone() is not None
    if not (found or voted or has_scored):
        raise NotFound(f"is not in the record as a {kind}", subject=repr(subject), remedy="Check the name.")
    return _doomed(cursor, sorted(row[0] for row in found), voted)


def find_aged(cursor: Cursor, *, bot: BotName, before: datetime, most: int) -> tuple[str, ...]:
    """Conversations with the bot in which nothing was said since, the longest silent first; imports are none."""
    rows = cursor.execute(OF_AGE, {"bot": bot, "before": before, "most": most}).fetchall()
    return tuple(row[0] for row in rows)


def last_aged(cursor: Cursor, *, bot: BotName) -> datetime | None:
    """When conversations with the bot were last erased for their age."""
    row = cursor.execute(LAST_AGED, {"bot": bot}).fetchone()
    return row[0].astimezone(UTC) if row and row[0] else None


def texts_of(cursor: Cursor, *, doomed: Doomed, subject: str) -> list[str]:
    """What would be erased, word for word: to be looked for where it ought not to be."""
    texts = cursor.execute(TEXTS_OF, {"ids": list(doomed.conversation_ids)}).fetchall()
    mine = f"{CHOSEN.format(column='message_id')} or {MINE}"
    for table in VOTES:
        wanted = {"ids": list(doomed.message_ids), "subject": subject}
        texts += cursor.execute(SAID.format(table=table, chosen=mine), wanted).fetchall()
    return [text for (text,) in texts if text]


def erase_rows(cursor: Cursor, *, wish: Wish, aged: Sequence[str] = ()) -> Erasure:
    """Delete the rows and keep what says so, in one transaction with its line of the audit. `aged` are the
    conversations of a wish by age. Done again with the same id it changes nothing. Raises NotFound."""
    if known := find_erasure(cursor, wish.erasure_id):
        return known
    if wish.kind == "age":
        doomed = _doomed(cursor, list(aged), [])
    else:
        doomed = find_doomed(cursor, kind=wish.kind, subject=wish.subject)
    since = _begin_of(cursor, doomed)
    prompts = [row[0] for row in cursor.execute(PROMPTS_OF, {"ids": list(doomed.conversation_ids)}).fetchall()]
    rows = _Tally()
    for table, column in _named_by(cursor, NAMES_MESSAGE):
        rows.take(cursor, table, CHOSEN.format(column=column), {"ids": list(doomed.message_ids)})
    for table, column in _named_by(cursor, NAMES_CONVERSATION):
        rows.take(cursor, table, CHOSEN.format(column=column), {"ids": list(doomed.conversation_ids)})
    if wish.kind == "user":
        for table in (*VOTES, *ABOUT_VOTES, "scores"):
            rows.take(cursor, table, MINE, {"subject": wish.subject})
    if "scores" in rows.told:
        rows.take(cursor, "score_kinds", UNUSED_KINDS, {})
    cursor.execute(FORGET_PROMPTS, {"hashes": prompts})
    erasure = Erasure(
        wish.erasure_id, wish.kind, hash_subject(wish.subject), wish.actor, wish.reason, wish.at, doomed.bots,
        frozenset(doomed.conversation_ids), frozenset(doomed.message_ids), frozenset(doomed.voted_ids),
        {"rows": rows.told, "since": since.isoformat() if since else None}, None,
    )  # fmt: skip
    cursor.execute(ADD, _stored(erasure))
    append_event(cursor, event=event_of(erasure, "erased", at=wish.at))
    return erasure


def event_of(erasure: Erasure, action: str, *, at: datetime) -> Event:
    """A line of the audit on an erasure: who, what kind, and no name of whoever is forgotten."""
    bot = erasure.bots[0] if len(erasure.bots) == 1 else NO_BOT
    event_id = f"{erasure.erasure_id}:{action}"
    return Event(event_id, at, bot, erasure.actor, action, f"{erasure.kind} {erasure.subject_hash}", erasure.reason)


def find_erasure(cursor: Cursor, erasure_id: str) -> Erasure | None:
    row = cursor.execute(ONE, {"erasure_id": erasure_id}).fetchone()
    return _erasure(row) if row else None


def unfinished(cursor: Cursor) -> list[Erasure]:
    """Those of which files, or bytes in the record's file, are left; oldest first."""
    return [_erasure(row) for row in cursor.execute(UNFINISHED).fetchall()]


def newest_erasure(cursor: Cursor, *, at: datetime) -> datetime | None:
    """When something was last erased, up to a moment."""
    [(found,)] = cursor.execute(NEWEST, {"at": at}).fetchall()
    return found.astimezone(UTC) if found else None


def finish(cursor: Cursor, *, erasure: Erasure, at: datetime) -> None:
    """Nothing is left of it anywhere, and its certificate is written."""
    cursor.execute(FINISH, {"erasure_id": erasure.erasure_id, "at": at})
    append_event(cursor, event=event_of(erasure, "finished an erasure", at=at))


class _Tally:
    """Rows that were deleted, and one hash over them, by table."""

    def __init__(self) -> None:
        self.told: dict[str, dict[str, str | int]] = {}
        self._digests: dict[str, Any] = {}

    def take(self, cursor: Cursor, table: str, chosen: str, parameters: Mapping[str, Any]) -> None:
        if table == "erasures":
            return
        found = cursor.execute(f"select * from {table} where {chosen}", parameters).fetchall()
        if not found:
            return
        cursor.execute(f"delete from {table} where {chosen}", parameters)
        digest = self._digests.setdefault(table, hashlib.sha256())
        for line in sorted(json.dumps(row, default=str, ensure_ascii=False) for row in found):
            digest.update(line.encode())
        rows = int(self.told.get(table, {}).get("rows", 0)) + len(found)
        self.told[table] = {"rows": rows, "sha256": digest.hexdigest()}


def _named_by(cursor: Cursor, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    yield from cursor.execute(COLUMNS, {"names": list(names)}).fetchall()


def _doomed(cursor: Cursor, names: Sequence[str], voted: Sequence[tuple[str, str]]) -> Doomed:
    messages = [row[0] for row in cursor.execute(MESSAGES_OF, {"ids": list(names)}).fetchall()]
    bots = {row[0] for row in cursor.execute(BOTS_OF, {"ids": list(names)}).fetchall()}
    others = sorted({message for message, _ in voted} - set(messages))
    every = sorted(bots | {bot for _, bot in voted})
    return Doomed(tuple(names), tuple(messages), tuple(others), tuple(map(BotName, every)))


def _begin_of(cursor: Cursor, doomed: Doomed) -> datetime | None:
    ids = [*doomed.message_ids, *doomed.voted_ids]
    row = cursor.execute(BEGIN, {"ids": ids}).fetchone()
    return row[0].astimezone(UTC) if row and row[0] else None


def _stored(erasure: Erasure) -> dict[str, Any]:
    return {
        "erasure_id": erasure.erasure_id,
        "kind": erasure.kind,
        "subject_hash": erasure.subject_hash,
        "actor": erasure.actor,
        "reason": erasure.reason,
        "erased_at": erasure.erased_at,
        "bots": list(erasure.bots),
        "conversation_ids": sorted(erasure.conversation_ids),
        "message_ids": sorted(erasure.message_ids),
        "voted_ids": sorted(erasure.voted_ids),
        "about_json": json.dumps(erasure.about),
    }


def _erasure(row: tuple[Any, ...]) -> Erasure:
    return Erasure(
        row[0], row[1], row[2], row[3], row[4], row[5].astimezone(UTC), tuple(map(BotName, row[6])),
        frozenset(row[7]), frozenset(row[8]), frozenset(row[9]), json.loads(row[10]),
        row[11].astimezone(UTC) if row[11] else None,
    )  # fmt: skip
