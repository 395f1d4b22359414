"""Answers that callers asked to be listed (OpenAI's `store`), as their list shows them.

A list and no more: an answer that is not on it, or was taken off it, stands in the record as any other. Does not know
who asks; whose an answer is its conversation says.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from collect.store import Cursor
from nightschool.errors import InvalidInput, NotFound
from nightschool.owners import belonging
from nightschool.records import BotName, Finish, Source

ADD: Final = """
insert into stored_completions (message_id, model, labels) values ($message_id, $model, $labels)
on conflict do nothing
"""
LISTED: Final = f"""
select m.message_id, s.model, s.labels, m.bot, m.content, m.finish, m.version, m.source, m.tools_json, m.prompt_tokens,
    m.completion_tokens, m.created_at, m.position
from stored_completions as s join messages as m using (message_id) join conversations as c using (conversation_id)
where {belonging("c.owner", "owner")} and m.finish in ('stop', 'length', 'tool_calls')
""".strip()
ONE: Final = f"{LISTED} and m.message_id = $message_id"
PAGE: Final = f"""
select * from ({LISTED}) as listed
where ($model is null or listed.model = $model) and list_has_all(listed.labels, $labels::text[])
    and ($after is null or (listed.position - $after) * $direction > 0)
order by listed.position * $direction limit $limit
"""
LABEL: Final = "update stored_completions set labels = $labels where message_id = $message_id"
TAKE_OFF: Final = "delete from stored_completions where message_id = $message_id"


@dataclass(frozen=True, slots=True)
class Listing:
    """That an answer be listed: under which name its model was asked for, and what was noted."""

    message_id: str
    model: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StoredCompletion:
    completion_id: str
    model: str
    metadata: Mapping[str, str]
    bot: BotName
    answer: str
    finish: Finish
    version: int | None
    source: Source
    tools_json: str
    prompt_tokens: int
    completion_tokens: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Page:
    completions: tuple[StoredCompletion, ...]
    has_more: bool


def keep_listing(cursor: Cursor, listing: Listing) -> None:
    """Twice is once."""
    row = {"message_id": listing.message_id, "model": listing.model, "labels": _labels(listing.metadata)}
    cursor.execute(ADD, row)


def list_stored(
    cursor: Cursor,
    *,
    owner: str,
    model: str | None,
    metadata: Mapping[str, str],
    after: str | None,
    limit: int,
    is_newest_first: bool,
) -> Page:
    """The owner's behind `after`, with all of `metadata`. Raises InvalidInput for an `after` that is not listed."""
    asked = {
        "owner": owner,
        "model": model,
        "labels": _labels(metadata),
        "after": None if after is None else _position(cursor, owner=owner, completion_id=after),
        "direction": -1 if is_newest_first else 1,
        "limit": limit + 1,
    }
    found = [_stored(row) for row in cursor.execute(PAGE, asked).fetchall()]
    return Page(tuple(found[:limit]), len(found) > limit)


def find_stored(cursor: Cursor, *, owner: str, completion_id: str) -> StoredCompletion:
    """Raises NotFound, also where it is somebody else's."""
    return _stored(_row(cursor, owner=owner, completion_id=completion_id))


def label_stored(cursor: Cursor, *, owner: str, completion_id: str, metadata: Mapping[str, str]) -> StoredCompletion:
    """With other metadata. Raises as `find_stored`."""
    find_stored(cursor, owner=owner, completion_id=completion_id)
    cursor.execute(LABEL, {"message_id": completion_id, "labels": _labels(metadata)})
    return find_stored(cursor, owner=owner, completion_id=completion_id)


def take_off_list(cursor: Cursor, *, owner: str, completion_id: str) -> None:
    """Raises as `find_stored`."""
    find_stored(cursor, owner=owner, completion_id=completion_id)
    cursor.execute(TAKE_OFF, {"message_id": completion_id})


def _position(cursor: Cursor, *, owner: str, completion_id: str) -> int:
    try:
        return int(_row(cursor, owner=owner, completion_id=completion_id)[-1])
    except NotFound as error:
        raise InvalidInput(
            "is not in the list", subject="after", remedy="Name the last id of the page before.", param="after"
        ) from error


def _row(cursor: Cursor, *, owner: str, completion_id: str) -> tuple[Any, ...]:
    row = cursor.execute(ONE, {"owner": owner, "message_id": completion_id}).fetchone()
    if row is None:
        raise NotFound(
            "is not among your stored completions",
            subject=repr(completion_id[:80]),
            remedy="Ask with `store` true, and look which there are.",
            param="completion_id",
        )
    return tuple(row)


def _labels(metadata: Mapping[str, str]) -> Sequence[str]:
    """Each pair as one text, so that it can be looked for."""
    return [json.dumps([name, value]) for name, value in metadata.items()]


def _stored(row: tuple[Any, ...]) -> StoredCompletion:
    metadata = dict(json.loads(label) for label in row[2])
    return StoredCompletion(
        row[0], row[1], metadata, BotName(row[3]), row[4], Finish(row[5]), row[6], Source(row[7]), row[8] or "",
        row[9], row[10], row[11].astimezone(UTC),
    )  # fmt: skip
