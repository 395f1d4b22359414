"""What each bot's team answered, at hand for every search: an index in memory, read anew soon after the record changed.

The one before serves until the new one is whole. Does not know documents.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from collect.knowledge.answers import is_for_others, list_answers, read_mark
from collect.knowledge.index import Embed, Index, make_index
from collect.knowledge.search import search
from collect.store import Store
from nightschool.bots import BotShelf
from nightschool.errors import NightschoolError
from nightschool.knowledge import Found, Passage, Stands
from nightschool.records import BotName
from nightschool.text import fold

log = logging.getLogger(__name__)

PAUSE_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Shelved:
    """What one bot has."""

    index: Index | None = None
    """None where there is no answer."""
    mark: tuple[Any, ...] = ()
    own: str = ""
    """The bot's own texts."""
    is_for_others: Mapping[str, bool] = field(default_factory=dict)
    """By passage, so that a new answer costs one look."""


class AnswerShelf:
    """Of the bots whose files want answers. `search` and `count` may be called from any thread."""

    def __init__(self, store: Store, bots: BotShelf, *, load: Callable[[], Embed]) -> None:
        self._store = store
        self._bots = bots
        self._load = load
        self._shelved: dict[BotName, Shelved] = {}
        self._seen: tuple[Any, ...] = ()
        # Guards reading: an older reading must not take the place of a newer one.
        self._reading = asyncio.Lock()

    def search(
        self, bot: BotName, said: Sequence[str], *, answers: int, min_score: float, apart_from: Collection[str],
        stands: Stands | None,
    ) -> Found:  # fmt: skip
        """At most so many, best first, each text once, and only such as stand; None lets all."""
        index = self._shelved.get(bot, Shelved()).index
        if index is None or not answers:
            return Found()
        # Twice as many, since some may say the same, or what is true no more.
        found = search(
            index, said, embed=self._load(), passages=2 * answers, min_score=min_score, apart_from=apart_from
        )
        kept: dict[str, tuple[Passage, float]] = {}
        for passage, score in zip(found.passages, found.scores, strict=True):
            if stands is None or stands(passage.text):
                kept.setdefault(passage.text, (passage, score))
        best = list(kept.values())[:answers]
        return Found(tuple(p for p, _ in best), tuple(score for _, score in best), found.index_hash)

    def count(self, bot: BotName) -> int:
        index = self._shelved.get(bot, Shelved()).index
        return len(index.passages) if index else 0

    async def follow(self, *, pause_s: float = PAUSE_S) -> None:
        """Until cancelled: read what changed, soon after it did."""
        while True:
            try:
                await self.refresh()
            except NightschoolError as error:
                log.warning("the team's answers are not read anew now: %s", error)
            except Exception:
                log.exception("the team's answers are not read anew now")
            await asyncio.sleep(pause_s)

    async def refresh(self) -> None:
        """Read what changed since the last time; returns once it is served."""
        async with self._reading:
            wanted = {name: bot.own_texts for name, bot in self._bots.bots.items() if bot.knowledge.answers}
            seen = (self._store.commits, wanted)
            if seen == self._seen:
                return
            self._shelved = {name: shelved for name, shelved in self._shelved.items() if name in wanted}
            for bot, own in wanted.items():
                await self._refresh(bot, own)
            self._seen = seen

    async def _refresh(self, bot: BotName, own: str) -> None:
        before = self._shelved.get(bot, Shelved())
        mark = await self._store.read(partial(read_mark, bot=bot))
        if (mark, own) == (before.mark, before.own):
            return
        answers = await self._store.read_long(partial(list_answers, bot=bot))
        after = await asyncio.to_thread(self._build, answers, mark, own, before)
        self._shelved[bot] = after
        log.info("bot=%s answers=%d", bot, len(after.index.passages) if after.index else 0)

    def _build(self, answers: Sequence[Passage], mark: tuple[Any, ...], own: str, before: Shelved) -> Shelved:
        known = before.is_for_others if own == before.own else {}
        folded = fold(own)
        looked = {
            answer.passage_id: known[answer.passage_id]
            if answer.passage_id in known
            else is_for_others(answer, own=folded)
            for answer in answers
        }
        kept = [answer for answer in answers if looked[answer.passage_id]]
        index = make_index(kept, embed=self._load(), before=before.index) if kept else None
        return Shelved(index, mark, own, looked)
