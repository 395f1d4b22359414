"""Which index of its documents each bot answers from now. Does not know where indexes lie, nor what is in them."""

from datetime import datetime
from typing import Final

from collect.store import Cursor
from nightschool.records import BotName

NAME: Final = """
insert into knowledge_indexes (bot, index_hash, named_at) values ($bot, $index_hash, $at)
on conflict (bot) do update set index_hash = excluded.index_hash, named_at = excluded.named_at
"""
CURRENT: Final = "select index_hash from knowledge_indexes where bot = $bot"


def name_index(cursor: Cursor, *, bot: BotName, index_hash: str, at: datetime) -> None:
    cursor.execute(NAME, {"bot": bot, "index_hash": index_hash, "at": at})


def current_index(cursor: Cursor, *, bot: BotName) -> str | None:
    """Its content hash; None where the bot never had one."""
    row = cursor.execute(CURRENT, {"bot": bot}).fetchone()
    return str(row[0]) if row else None
