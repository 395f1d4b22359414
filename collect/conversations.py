"""Who said what: conversations and their messages, a tree in which nothing is overwritten."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final

from collect.calls import CallPath, keep_paths
from collect.grounds import NO_GROUNDS, Grounds, keep_grounds
from collect.lookup import find_rows
from collect.side_by_side import keep_duel
from collect.store import Cursor
from collect.stored_completions import Listing, keep_listing
from nightschool.errors import InvalidInput, NightschoolError, NotAllowed, NotFound
from nightschool.records import BotName, Conversation, Finish, Message, Role, Source

ADD_CONVERSATIONS: Final = """
insert into conversations (conversation_id, bot, owner, source, title, created_at, is_held_out)
select unnest($conversation_id::text[]), unnest($bot::text[]), unnest($owner::text[]), unnest($source::text[]),
    unnest($title::text[]), unnest($created_at::timestamptz[]), unnest($is_held_out::boolean[])
"""
ONE_CONVERSATION: Final = """
select conversation_id, bot, owner, source, title, created_at, is_held_out
from conversations where conversation_id = $conversation_id
"""
SOME_CONVERSATIONS: Final = """
select conversation_id, bot, owner, source, title, created_at, is_held_out
from conversations where conversation_id in ({names})
"""
COLUMNS: Final = """
message_id, conversation_id, bot, parent_id, role, content, source, created_at, version, adapter_hash, finish,
    prompt_tokens, completion_tokens, first_token_s, duration_s, sampling_json, passage_ids, index_hash, system_hash,
    held_json, turns_left_out, base_model, metadata_json, tools_json
""".strip()
"""Of a message, in the order of its fields."""
# Lists, since one statement takes 1.3 ms for any number of messages; "on conflict" would make that 8 ms.
ADD_MESSAGES: Final = f"""
insert into messages ({COLUMNS}, position)
select unnest($message_id::text[]), unnest($conversation_id::text[]), unnest($bot::text[]),
    unnest($parent_id::text[]), unnest($role::text[]), unnest($content::text[]), unnest($source::text[]),
    unnest($created_at::timestamptz[]), unnest($version::integer[]), unnest($adapter_hash::text[]),
    unnest($finish::text[]), unnest($prompt_tokens::integer[]), unnest($completion_tokens::integer[]),
    unnest($first_token_s::double[]), unnest($duration_s::double[]), unnest($sampling_json::text[]),
    unnest($passage_ids::text[][]), unnest($index_hash::text[]), unnest($system_hash::text[]),
    unnest($held_json::text[]), unnest($turns_left_out::integer[]), unnest($base_model::text[]),
    unnest($metadata_json::text[]), nullif(unnest($tools_json::text[]), ''),
    nextval('message_positions')
"""
IDS_OF: Final = """
select conversation_id, message_id from messages where conversation_id in ({names})
"""
ONE_MESSAGE: Final = f"""
select {COLUMNS}
from messages where message_id = $message_id
"""
MESSAGES_OF: Final = f"""
select {COLUMNS}
from messages where conversation_id = $conversation_id order by position
"""
TEXTS_ABOUT: Final = """
with said as (select message_id, content from messages where conversation_id = $conversation_id)
select content from said
union all select title from conversations where conversation_id = $conversation_id
union all select title from chat_settings where conversation_id = $conversation_id
union all select concat_ws(' ', comment, ideal_answer, array_to_string(reasons, ' '))
    from feedback where message_id in (select message_id from said)
union all select corrected_answer from reviews where message_id in (select message_id from said)
"""
TALKS_WITH: Final = "select distinct conversation_id from messages where message_id in ({names})"
CONVERSATIONS_OF: Final = """
select c.conversation_id, coalesce(nullif(s.title, ''), c.title) as name, max(m.created_at) as updated_at,
    count(*) as messages, coalesce(s.is_pinned, false) as on_top
from conversations as c join messages as m using (conversation_id) left join chat_settings as s using (conversation_id)
where c.owner = $owner and c.bot = $bot
group by c.conversation_id, name, on_top {having}
order by on_top desc, updated_at desc limit $limit
"""
# Apart, since it reads all that was said.
SOUGHT: Final = "having contains(lower(name), lower($sought)) or bool_or(contains(lower(m.content), lower($sought)))"
CONVERSATION_FIELDS: Final = tuple(field.name for field in fields(Conversation))
MESSAGE_FIELDS: Final = tuple(field.name for field in fields(Message))


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    conversation_id: str
    title: str
    updated_at: datetime
    messages: int
    is_pinned: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """What a turn adds to a conversation, oldest message first, and what its answer stood on."""

    conversation: Conversation
    messages: Sequence[Message]
    grounds: Grounds = NO_GROUNDS
    paths: Sequence[CallPath] = ()
    """Of an API call: where it can be found again."""
    listing: Listing | None = None
    """Where its caller asked for that."""
    usual_id: str = ""
    """Of production's answer, where this one was given beside it to be compared with it."""


def record_turn(
    cursor: Cursor,
    *,
    conversation: Conversation,
    messages: Sequence[Message],
    grounds: Grounds = NO_GROUNDS,
    paths: Sequence[CallPath] = (),
    listing: Listing | None = None,
) -> None:
    """Keep a turn, and what its answer stood on; keeping it twice is keeping it once.

    Raises NotAllowed where the conversation is somebody else's, InvalidInput where a message or its parent is of
    another one.
    """
    [refusal] = record_turns(cursor, [Told(conversation, messages, grounds, paths, listing)])
    if refusal is not None:
        raise refusal


def record_turns(cursor: Cursor, turns: Sequence[Told]) -> list[NightschoolError | None]:
    """As `record_turn` for many: why each was refused, in their order, or None; a refused one adds nothing."""
    names = list({turn.conversation.conversation_id for turn in turns})
    owned, known = _owned(cursor, names)
    begun: list[Conversation] = []
    added: list[Message] = []
    grounds: list[Grounds] = []
    paths: list[CallPath] = []
    listings: list[Listing] = []
    duels: list[Told] = []
    outcomes: list[NightschoolError | None] = []
    for turn in turns:
        name = turn.conversation.conversation_id
        there = known.setdefault(name, set())
        fresh = [message for message in turn.messages if message.message_id not in there]
        try:
            _check_owner(turn.conversation, owned.get(name))
            _check_places(turn.conversation, fresh, there)
        except NightschoolError as refusal:
            outcomes.append(refusal)
            continue
        outcomes.append(None)
        if name not in owned:
            owned[name] = turn.conversation
            begun.append(turn.conversation)
        if fresh:
            there.update(ids := {message.message_id for message in fresh})
            paths.extend(path for path in turn.paths if path.message_id in ids)
            added.extend(fresh)
            grounds.append(turn.grounds)
            listings += [turn.listing] if turn.listing is not None else []
            duels += [turn] if turn.usual_id else []
    if begun:
        cursor.execute(ADD_CONVERSATIONS, {name: [getattr(one, name) for one in begun] for name in CONVERSATION_FIELDS})
    if added:
        cursor.execute(ADD_MESSAGES, {name: [getattr(message, name) for message in added] for name in MESSAGE_FIELDS})
        keep_grounds(cursor, grounds)
        keep_paths(cursor, paths)
    for listing in listings:
        keep_listing(cursor, listing)
    for duel in duels:
        keep_duel(cursor, answer=duel.messages[-1], usual_id=duel.usual_id)
    return outcomes


def conversation(cursor: Cursor, conversation_id: str) -> Conversation:
    """Raises NotFound."""
    found = _find(cursor, conversation_id)
    if found is None:
        raise NotFound("is not in the record", subject="conversation", remedy="Start a new one.")
    return found


def message(cursor: Cursor, *, message_id: str, bot: BotName | None = None) -> Message:
    """Raises NotFound."""
    row = cursor.execute(ONE_MESSAGE, {"message_id": message_id}).fetchone()
    if row is None or (bot is not None and row[2] != bot):
        raise not_recorded(message_id)
    return _message(row)


def not_recorded(message_id: str) -> NotFound:
    return NotFound("is not in the record", subject=repr(message_id), remedy="Check the id.")


def conversation_messages(cursor: Cursor, *, conversation_id: str) -> list[Message]:
    """The whole tree, oldest first."""
    return [_message(row) for row in cursor.execute(MESSAGES_OF, {"conversation_id": conversation_id}).fetchall()]


def texts_about(cursor: Cursor, *, conversation_id: str) -> list[str]:
    """All that stands of it: what was said, its titles, and what people and operators wrote of its answers."""
    return [text for (text,) in cursor.execute(TEXTS_ABOUT, {"conversation_id": conversation_id}).fetchall() if text]


def conversations_with(cursor: Cursor, *, message_ids: Sequence[str]) -> list[str]:
    """Those that hold any of these messages, of which there is one at least."""
    return [name for (name,) in find_rows(cursor, TALKS_WITH, message_ids)]


def path_to(cursor: Cursor, *, message_id: str) -> list[Message]:
    """From the conversation's first message down to this one. Raises NotFound."""
    leaf = message(cursor, message_id=message_id)
    by_id = {m.message_id: m for m in conversation_messages(cursor, conversation_id=leaf.conversation_id)}
    path = [leaf]
    while (parent := by_id.get(path[-1].parent_id or "")) is not None:
        path.append(parent)
    return path[::-1]


def conversations_of(
    cursor: Cursor, *, bot: BotName, owner: str, limit: int = 50, sought: str = ""
) -> list[ConversationSummary]:
    """Those of the owner in which `sought` is said, or that are called so: pinned ones on top, then newest first."""
    given: dict[str, object] = {"bot": bot, "owner": owner, "limit": limit}
    question = CONVERSATIONS_OF.format(having=SOUGHT if sought else "")
    rows = cursor.execute(question, given | ({"sought": sought} if sought else {})).fetchall()
    return [ConversationSummary(row[0], row[1], row[2].astimezone(UTC), row[3], row[4]) for row in rows]


def _owned(cursor: Cursor, names: Sequence[str]) -> tuple[dict[str, Conversation], dict[str, set[str]]]:
    """Of these conversations those that are there, and the ids of their messages."""
    rows = find_rows(cursor, SOME_CONVERSATIONS, names)
    owned = {row[0]: _conversation(row) for row in rows}
    known: dict[str, set[str]] = {name: set() for name in owned}
    if owned:
        for name, message_id in find_rows(cursor, IDS_OF, list(owned)):
            known[name].add(message_id)
    return owned, known


def _check_owner(wanted: Conversation, found: Conversation | None) -> None:
    if found is not None and (found.owner, found.bot) != (wanted.owner, wanted.bot):
        raise NotAllowed("is another person's", subject="conversation", remedy="Start a new one.")


def _check_places(conversation: Conversation, messages: Sequence[Message], known: set[str]) -> None:
    """Each message is of this conversation and hangs below one that is there; the record has no foreign keys."""
    there = set(known)
    for message in messages:
        is_here = (message.conversation_id, message.bot) == (conversation.conversation_id, conversation.bot)
        if not is_here or (message.parent_id is not None and message.parent_id not in there):
            raise InvalidInput("has no place in this conversation", subject="message", remedy="Reload the page.")
        there.add(message.message_id)


def _find(cursor: Cursor, conversation_id: str) -> Conversation | None:
    row = cursor.execute(ONE_CONVERSATION, {"conversation_id": conversation_id}).fetchone()
    return None if row is None else _conversation(row)


def _conversation(row: tuple[Any, ...]) -> Conversation:
    return Conversation(row[0], BotName(row[1]), row[2], Source(row[3]), row[4], row[5].astimezone(UTC), row[6])


def _message(row: tuple[Any, ...]) -> Message:
    role: Role = row[4]
    return Message(
        message_id=row[0],
        conversation_id=row[1],
        bot=BotName(row[2]),
        parent_id=row[3],
        role=role,
        content=row[5],
        source=Source(row[6]),
        created_at=row[7].astimezone(UTC),
        version=row[8],
        adapter_hash=row[9],
        finish=None if row[10] is None else Finish(row[10]),
        prompt_tokens=row[11],
        completion_tokens=row[12],
        first_token_s=row[13],
        duration_s=row[14],
        sampling_json=row[15],
        passage_ids=tuple(row[16] or ()),
        index_hash=row[17] or "",
        system_hash=row[18] or "",
        held_json=row[19] or "",
        turns_left_out=row[20] or 0,
        base_model=row[21] or "",
        metadata_json=row[22] or "",
        tools_json=row[23] or "",
    )
