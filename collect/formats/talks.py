"""Cut a bot's conversations into slices, so that what reads all of them holds a few thousand at a time.

A slice has whole conversations, oldest first, and says between which rows their messages stand: those are found without
a look at the others. Conversations from which their people want nothing learnt are in none. Does not know what is read.
"""

from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from collect.chat_settings import PRIVATE
from collect.store import Cursor
from nightschool.records import BotName

SLICE_MESSAGES: Final = 50_000
NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
SLICES: Final = f"""
with sized as (
    select c.created_at, c.conversation_id, count(*) as messages, min(m.rowid) as first_row, max(m.rowid) as last_row
    from messages as m join conversations as c using (conversation_id)
    where c.bot = $bot and c.conversation_id not in ({PRIVATE})
    group by c.created_at, c.conversation_id
),
numbered as (
    select *, (sum(messages) over (order by created_at, conversation_id) - messages) // $slice_messages as number
    from sized
)
select min(first_row), max(last_row), min(created_at), arg_min(conversation_id, (created_at, conversation_id)),
    max(created_at), arg_max(conversation_id, (created_at, conversation_id))
from numbered group by number order by number
"""
CHOSEN: Final = f"""
select conversation_id, created_at from conversations
where bot = $bot and conversation_id not in ({PRIVATE})
    and (created_at > $first_at or (created_at = $first_at and conversation_id >= $first_id))
    and (created_at < $last_at or (created_at = $last_at and conversation_id <= $last_id))
"""
"""Those of a slice."""


class TalkSlice(NamedTuple):
    bot: BotName
    first_row: int
    last_row: int
    """Rows of messages; between them there may be others'."""
    first_at: datetime
    first_id: str
    last_at: datetime
    last_id: str

    @property
    def talks(self) -> dict[str, Any]:
        """What `CHOSEN` is asked with."""
        return {name: getattr(self, name) for name in ("bot", "first_at", "first_id", "last_at", "last_id")}

    @property
    def messages(self) -> dict[str, Any]:
        """As `talks`, with the rows."""
        return self._asdict()


def slice_talks(cursor: Cursor, *, bot: BotName, slice_messages: int = SLICE_MESSAGES) -> list[TalkSlice]:
    """Of about so many messages each; one conversation is never cut. They hold for the transaction in which they are
    asked for."""
    rows = cursor.execute(SLICES, {"bot": bot, "slice_messages": slice_messages}).fetchall()
    return [TalkSlice(bot, *row) for row in rows]


def no_talks(bot: BotName) -> TalkSlice:
    """A slice without any, for what a file looks like that holds nothing."""
    return TalkSlice(bot, 0, -1, NEVER, "", NEVER, "")
