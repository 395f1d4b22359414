"""Whether what the team once answered still agrees with the bot's documents: they may have changed since.

Each fact of an answer must stand in the documents as they are, or in what the bot's file says to everybody; else an old
price would stand beside the new one, said by the team. Which words are facts comes in as a function. Of a bot without
documents nothing is known that an answer could disagree with.
"""

from functools import lru_cache
from typing import Final

from collect.knowledge.index import Index, whole_text
from nightschool.bots import Bot
from nightschool.knowledge import StandingIn, Stands
from nightschool.records import BotName

KEPT_ANSWERS: Final = 10_000
"""Of a bot: looked at once."""
Key = tuple[str, str, tuple[str, ...]]


class Agreement:
    """By bot, read anew where its documents or its file changed. May be asked from any thread."""

    def __init__(self, standing_in: StandingIn) -> None:
        self._standing_in = standing_in
        self._known: dict[BotName, tuple[Key, Stands]] = {}

    def of(self, bot: Bot, index: Index) -> Stands:
        key = (index.content_hash, bot.own_texts, bot.knowledge.glossary)
        known = self._known.get(bot.bot_name)
        if known and known[0] == key:
            return known[1]
        texts = [*map(whole_text, index.passages), bot.own_texts]
        stands = lru_cache(KEPT_ANSWERS)(self._standing_in(texts, bot.knowledge.glossary))
        self._known[bot.bot_name] = key, stands
        return stands
