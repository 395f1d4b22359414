"""The verified answers of every bot, at hand for each turn: what was let in a moment ago is there a moment later.

`find` is quick and asks no record, so what it finds is asked of the record once more before it is served. The very
question needs no calibration: an operator ruled on it. A near one is served only where the bot's record shows from
which score on that is right often enough. Does not know who asks.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from collect.store import Store
from collect.verified.calibration import Calibration
from collect.verified.nearness import EMPTY, Embed, Index
from collect.verified.pairs import Hit, list_pairs, list_refusals, read_mark
from collect.verified.served import stands
from nightschool.bots import BotShelf
from nightschool.embedding import load_embedder
from nightschool.errors import NightschoolError
from nightschool.records import BotName

log = logging.getLogger(__name__)

PAUSE_S: Final = 0.25
UNKNOWN: Final = Calibration(threshold=None, known=0, least=0)


@dataclass(frozen=True, slots=True)
class Shelved:
    """What one bot has."""

    index: Index = EMPTY
    calibration: Calibration = UNKNOWN
    precision: float = 0.0
    """For which the threshold holds."""
    mark: tuple[Any, ...] = ()


class VerifiedShelf:
    """Made once; `follow` keeps it true. `find` and `shelved` may be called from any thread."""

    def __init__(
        self, store: Store, bots: BotShelf, *, load: Callable[[], Embed] = lambda: load_embedder().embed
    ) -> None:
        self._store = store
        self._bots = bots
        self._embed = _Memory(load)
        self._shelved: dict[BotName, Shelved] = {}
        self._commits = -1

    def find(self, bot: BotName, question: str) -> Hit | None:
        """The answer that stands for the first question of a conversation; None where none is sure enough."""
        shelved = self.shelved(bot)
        if not shelved.index.pairs:
            return None
        same = shelved.index.same(question)
        if same is not None or shelved.calibration.threshold is None:
            return same
        near = shelved.index.near(question, embed=self._embed.once)
        return near if near and near.score >= shelved.calibration.threshold else None

    async def find_standing(self, bot: BotName, question: str) -> Hit | None:
        """What `find` finds, where the record still says so: a dislike a moment ago counts."""
        hit = self.find(bot, question)
        if hit is None:
            return None
        standing = partial(stands, message_id=hit.pair.message_id, answer=hit.pair.answer)
        return hit if await self._store.read(standing) else None

    def shelved(self, bot: BotName) -> Shelved:
        return self._shelved.get(bot, Shelved())

    async def follow(self, *, pause_s: float = PAUSE_S) -> None:
        """Until cancelled: read what changed, soon after it did."""
        while True:
            try:
                await self.refresh()
            except NightschoolError as error:
                log.warning("verified answers are not read anew now: %s", error)
            except Exception:
                log.exception("verified answers are not read anew now")
            await asyncio.sleep(pause_s)

    async def refresh(self) -> None:
        """Read what changed since the last time. The new answers are served before they are calibrated anew."""
        bots = self._bots.bots
        wanted = {name: bot.knowledge.verified_precision for name, bot in bots.items()}
        commits = self._store.commits
        held = {name: shelved.precision for name, shelved in self._shelved.items()}
        if commits == self._commits and wanted == held:
            return
        self._shelved = {name: shelved for name, shelved in self._shelved.items() if name in wanted}
        for bot, precision in wanted.items():
            await self._refresh(bot, precision)
        self._commits = commits

    async def _refresh(self, bot: BotName, precision: float) -> None:
        before = self.shelved(bot)
        mark = await self._store.read(partial(read_mark, bot=bot))
        index = before.index
        if mark != before.mark:
            pairs = await self._store.read(partial(list_pairs, bot=bot))
            refusals = await self._store.read(partial(list_refusals, bot=bot)) if pairs else []
            index = await asyncio.to_thread(Index.build, pairs, refusals, embed=self._embed.all) if pairs else EMPTY
            self._shelved[bot] = Shelved(index, before.calibration if pairs else UNKNOWN, before.precision, before.mark)
        if (mark, precision) != (before.mark, before.precision):
            calibration = await asyncio.to_thread(index.calibration, precision=precision)
            self._shelved[bot] = Shelved(index, calibration, precision, mark)


@dataclass(slots=True)
class _Memory:
    """Vectors of stored questions, so that a new one costs one."""

    load: Callable[[], Embed]
    embed: Embed | None = None
    known: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def once(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Of what is asked: not kept."""
        if self.embed is None:
            self.embed = self.load()
        return self.embed(texts)

    def all(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Of all that is stored: what is stored no more is forgotten."""
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        if new:
            self.known |= dict(zip(new, self.once(new), strict=True))
        return np.array([self.known[text] for text in texts])
