"""What a later import says of conversations that are there already: where they belong, and what they are about.

A mark moves what no adapter was trained on. Does not know files, nor how a night chooses sides (tune).
"""

from collections.abc import Mapping, Sequence
from typing import Final

from collect.store import Cursor
from nightschool.errors import Busy, InvalidInput
from nightschool.records import BotName

OTHERWISE_MARKED: Final = """
select conversation_id from conversations
where conversation_id in (select unnest($names::text[])) and is_held_out is distinct from $is_held_out
"""
RUNNING: Final = "select cycle_id from cycles where bot = $bot and state = 'running'"
# Before sides were kept, what was not held out was trained on by the next night that trained.
TRAINED_ON: Final = """
select count(*) from conversations as c left join sides as s using (conversation_id)
where c.conversation_id in (select unnest($names::text[])) and (
    (s.side = 'train' and exists (from adapters as a where a.bot = $bot and a.created_at >= s.decided_at))
    or (s.side is null and c.created_at < (select applied_at from migrations where name = 'm003_sides')
        and exists (from adapters as a join cycles as y using (cycle_id)
            where a.bot = $bot and y.started_at >= c.created_at))
)
"""
MARK: Final = """
update conversations set is_held_out = $is_held_out where conversation_id in (select unnest($names::text[]))
"""
FORGET_SIDES: Final = "delete from sides where conversation_id in (select unnest($names::text[]))"
NAME_TOPICS: Final = """
update conversations set topic = t.topic
from (select unnest($names::text[]) as name, unnest($topics::text[]) as topic) as t
where conversations.conversation_id = t.name and conversations.topic is distinct from t.topic
"""

ADD_FAQ: Final = "insert into faq (conversation_id) select unnest($names::text[]) on conflict do nothing"


def move_conversations(cursor: Cursor, *, bot: BotName, names: Sequence[str], is_held_out: bool) -> int:
    """Mark conversations of the bot; how many had another mark. The next night decides their sides anew.

    Raises InvalidInput where one would examine on what was trained on, Busy where a night of the bot runs, which may
    have taken them with their old mark.
    """
    found = cursor.execute(OTHERWISE_MARKED, {"names": list(names), "is_held_out": is_held_out}).fetchall()
    changed = [name for (name,) in found]
    if not changed:
        return 0
    if cursor.execute(RUNNING, {"bot": bot}).fetchone():
        raise Busy(
            "is at school with conversations that this import marks anew",
            subject=f"import for {bot}",
            remedy="Import them again when its night is over.",
        )
    [(trained,)] = cursor.execute(TRAINED_ON, {"bot": bot, "names": changed}).fetchall()
    if trained and is_held_out:
        raise InvalidInput(
            f"holds out {trained} conversations that an adapter was trained on, so they can examine none any more",
            subject=f"import for {bot}",
            remedy="Hold out other conversations, or import these for training.",
        )
    cursor.execute(MARK, {"is_held_out": is_held_out, "names": changed})
    cursor.execute(FORGET_SIDES, {"names": changed})
    return len(changed)


def name_topics(cursor: Cursor, topics: Mapping[str, str]) -> None:
    """Note what conversations are about; the later word counts."""
    if topics:
        cursor.execute(NAME_TOPICS, {"names": list(topics), "topics": list(topics.values())})


def mark_faq(cursor: Cursor, *, names: Sequence[str]) -> None:
    """Note conversations whose first answer stands for everybody who asks so (`collect.verified`)."""
    if names:
        cursor.execute(ADD_FAQ, {"names": list(names)})
