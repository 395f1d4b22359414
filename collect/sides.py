"""Where a conversation stands, training or examination: decided by a night once, kept for good.

Does not know how a side is chosen (tune); a later import may change what was not trained on (`collect.imports`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import pyarrow as pa

from collect.store import Cursor
from nightschool.records import BotName

ADD: Final = """
insert into sides (conversation_id, bot, side, decided_at)
select d.conversation_id, c.bot, d.side, $at
from decided as d join conversations as c using (conversation_id) anti join sides as s using (conversation_id)
where c.bot = $bot
"""
# An empty column would have no type, and DuckDB would read ids as numbers.
DECIDED: Final = pa.schema([("conversation_id", pa.string()), ("side", pa.string())])


def keep_sides(cursor: Cursor, *, bot: BotName, sides: Mapping[str, str], at: datetime) -> None:
    """Keep the sides of conversations that have none yet: the first word wins, and keeping twice is keeping once.

    `sides` maps conversations of the bot to "train" or "held-out".
    """
    cursor.register("decided", pa.table([list(sides), list(sides.values())], schema=DECIDED))
    try:
        cursor.execute(ADD, {"bot": bot, "at": at})
    finally:
        cursor.unregister("decided")
