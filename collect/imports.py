"""Take in conversations that others had: in bulk, and never the same one twice.

A conversation's ids are made of its content within the bot, so a second import finds them there. What it says anew of
them is `collect.marks`'. Does not know files or formats (`collect.formats`).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, NamedTuple, Self

import pyarrow as pa

from collect.brought import bring_trees
from collect.formats.read import ParsedConversation
from collect.formats.table import Parsed
from collect.formats.talk import ParsedNote, ParsedTree
from collect.marks import mark_faq, move_conversations, name_topics
from collect.restore import KeptTalk, restore_conversations
from collect.store import Cursor
from nightschool.records import BotName, Source

OWNER: Final = "import"
TITLE_CHARS: Final = 60

CONVERSATION_FIELDS: Final = pa.schema(
    [
        ("conversation_id", pa.string()),
        ("bot", pa.string()),
        ("owner", pa.string()),
        ("source", pa.string()),
        ("title", pa.string()),
        ("is_held_out", pa.bool_()),
        ("topic", pa.string()),
        ("created_at", pa.timestamp("us", tz="UTC")),
    ]
)
MESSAGE_FIELDS: Final = pa.schema(
    [
        ("message_id", pa.string()),
        ("conversation_id", pa.string()),
        ("parent_id", pa.string()),
        ("role", pa.string()),
        ("content", pa.string()),
        ("weight", pa.int32()),
        ("position", pa.int64()),
        ("original_json", pa.string()),
    ]
)
KNOWN: Final = "select c.conversation_id from conversations as c semi join incoming using (conversation_id)"
ADD_CONVERSATIONS: Final = """
insert into conversations (conversation_id, bot, owner, source, title, is_held_out, topic, created_at)
select conversation_id, bot, owner, source, title, is_held_out, topic, created_at from incoming
"""
ADD_MESSAGES: Final = """
insert into messages (message_id, conversation_id, bot, parent_id, role, content, weight, source, created_at, position,
    adapter_hash, prompt_tokens, completion_tokens, sampling_json, original_json)
select message_id, conversation_id, $bot, parent_id, role, content, weight, 'import', $at, position, '', 0, 0, '{}',
    original_json
from incoming
"""


class Imported(NamedTuple):
    imported: int
    skipped: int
    """Conversations that were there already, or twice in this import."""
    moved: int = 0
    """Of those that were there: how many are held out from now on and were not, or the reverse."""
    votes: int = 0
    corrections: int = 0
    lost: tuple[int, ...] = ()
    """Lines of opinions on something that is not in the record."""
    scores: int = 0

    def plus(self, other: Self) -> Self:
        return type(self)(
            self.imported + other.imported,
            self.skipped + other.skipped,
            self.moved + other.moved,
            self.votes + other.votes,
            self.corrections + other.corrections,
            self.lost + other.lost,
            self.scores + other.scores,
        )


def import_conversations(
    cursor: Cursor,
    *,
    bot: BotName,
    conversations: Sequence[Parsed],
    is_held_out: bool | None,
    at: datetime,
    is_faq: bool = False,
) -> Imported:
    """Keep what is new. `is_held_out` marks it for evaluation or training; None lets the night decide. `is_faq` has
    the first answer of each, also of those that are there already, served as it stands from now on.

    What an export of ours held comes back as what it was (`collect.restore`); others' trees and opinions come in with
    their votes (`collect.brought`). What is there already gets the mark and the topic of this import. Raises what
    `collect.marks.move_conversations` raises.
    """
    plain = [parsed for parsed in conversations if isinstance(parsed, ParsedConversation)]
    ours = [KeptTalk(parsed.kept, parsed.messages, parsed.topic) for parsed in plain if parsed.kept is not None]
    others = [parsed for parsed in plain if parsed.kept is None]
    trees = [parsed for parsed in conversations if isinstance(parsed, ParsedTree)]
    notes = [parsed for parsed in conversations if isinstance(parsed, ParsedNote)]
    back = restore_conversations(cursor, bot=bot, lines=ours, is_held_out=is_held_out, at=at)
    new = _import_others(cursor, bot=bot, conversations=others, is_held_out=is_held_out, at=at)
    brought = bring_trees(cursor, bot=bot, trees=trees, notes=notes, is_held_out=is_held_out, at=at)
    known = {**back.known, **new.known, **dict.fromkeys(brought.known)}
    name_topics(cursor, {name: topic for name, topic in known.items() if topic})
    if is_faq:
        mark_faq(cursor, names=sorted({_content_id(bot, parsed) for parsed in others}))
    moved = 0
    if is_held_out is not None:
        moved = move_conversations(cursor, bot=bot, names=list(known), is_held_out=is_held_out)
    return Imported(
        back.restored + new.imported + brought.imported,
        len(back.known) + new.skipped + brought.skipped,
        moved,
        brought.votes,
        brought.corrections,
        brought.lost,
        brought.scores,
    )


class _Taken(NamedTuple):
    imported: int
    skipped: int
    known: Mapping[str, str | None]
    """Conversations that were there already, with the topic that their line names."""


def _import_others(
    cursor: Cursor,
    *,
    bot: BotName,
    conversations: Sequence[ParsedConversation],
    is_held_out: bool | None,
    at: datetime,
) -> _Taken:
    by_id: dict[str, ParsedConversation] = {}
    total = 0
    for parsed in conversations:
        total += 1
        by_id.setdefault(_content_id(bot, parsed), parsed)
    rows = [_conversation_row(name, bot, parsed, is_held_out, at) for name, parsed in by_id.items()]
    with _incoming(cursor, rows, CONVERSATION_FIELDS):
        known = {name for (name,) in cursor.execute(KNOWN).fetchall()}
    new = {name: parsed for name, parsed in by_id.items() if name not in known}
    if new:
        with _incoming(cursor, [row for row in rows if row["conversation_id"] in new], CONVERSATION_FIELDS):
            cursor.execute(ADD_CONVERSATIONS)
        with _incoming(cursor, [row for item in new.items() for row in _message_rows(*item)], MESSAGE_FIELDS):
            cursor.execute(ADD_MESSAGES, {"bot": bot, "at": at})
    return _Taken(len(new), total - len(new), {name: by_id[name].topic for name in known})


@contextmanager
def _incoming(cursor: Cursor, rows: list[dict[str, Any]], schema: pa.Schema) -> Iterator[None]:
    """`rows` as the table `incoming` for the length of the block; not kept for the cursor's next user."""
    cursor.register("incoming", pa.Table.from_pylist(rows, schema=schema))
    try:
        yield
    finally:
        cursor.unregister("incoming")


def _content_id(bot: BotName, parsed: ParsedConversation) -> str:
    said = [[m["role"], m["content"], m.get("weight", 1)] for m in parsed.messages]
    content = json.dumps([bot, said, *([parsed.original_json] if parsed.original_json else [])])
    return f"import-{hashlib.sha256(content.encode()).hexdigest()[:32]}"


def _conversation_row(
    name: str, bot: BotName, parsed: ParsedConversation, is_held_out: bool | None, at: datetime
) -> dict[str, Any]:
    first = next(message["content"] for message in parsed.messages if message["role"] == "user")
    return {
        "conversation_id": name,
        "bot": bot,
        "owner": OWNER,
        "source": Source.IMPORT.value,
        "title": " ".join(first.split())[:TITLE_CHARS],
        "is_held_out": is_held_out,
        "topic": parsed.topic,
        "created_at": at,
    }


def _message_rows(name: str, parsed: ParsedConversation) -> Iterable[dict[str, Any]]:
    for position, message in enumerate(parsed.messages):
        yield {
            "message_id": f"{name}-{position}",
            "conversation_id": name,
            "parent_id": f"{name}-{position - 1}" if position else None,
            "role": message["role"],
            "content": message["content"],
            "weight": message.get("weight", 1),
            # Within the conversation: rows of a bulk insert are not numbered in their order.
            "position": position,
            "original_json": None if position else parsed.original_json,
        }
