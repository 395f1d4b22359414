"""Every bot's documents as their files stand, and what its team answered: one search for both.

A change of a file counts within seconds, without a restart. The index before serves until the new one is whole; a
server that starts goes on with the one that the record names. A file that cannot be read is named with its reason, and
the others go on. Knows the bots' files and the data folder, not who asks.
"""

import asyncio
import logging
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Final

from collect.erase import Erasure
from collect.knowledge.agreement import Agreement
from collect.knowledge.answer_shelf import AnswerShelf
from collect.knowledge.current import current_index, name_index
from collect.knowledge.document import Unreadable
from collect.knowledge.documents import MAX_FILES, Fault, Stamp, look, read_document
from collect.knowledge.index import Embed, Index, index_folder, read_index, write_index
from collect.knowledge.passages import cut
from collect.knowledge.search import merged, search, within
from collect.store import Store
from nightschool.bots import Bot, BotShelf
from nightschool.embedding import load_embedder
from nightschool.errors import NightschoolError
from nightschool.home import Home
from nightschool.knowledge import Found, Passage, StandingIn, Stands
from nightschool.records import BotName, utc_now

log = logging.getLogger(__name__)

LOOK_PERIOD_S: Final = 1.0
REST: Final = 10
"""So many times as long as a look took is waited before the next: ten thousand files take a third of a second."""
KEPT_INDEXES: Final = 10
"""Of a bot: the current one and those before it, which answers of late and nights under way stand on."""
MAX_PASSAGES: Final = 100_000


@dataclass(frozen=True, slots=True)
class Standing:
    """What a bot has of its documents now."""

    folder: Path
    index: Index | None = None
    """None until the first is whole."""
    documents: Mapping[str, tuple[Passage, ...]] = field(default_factory=dict)
    """Of each file that was read, by its path in the folder."""
    faults: tuple[Fault, ...] = ()
    stamps: Mapping[Path, Stamp] | None = None
    """None where the folder was not looked at yet."""


class KnowledgeShelf:
    """Made once for all faces."""

    def __init__(
        self,
        store: Store,
        bots: BotShelf,
        home: Home,
        *,
        bots_folder: Path,
        standing_in: StandingIn,
        load: Callable[[], Embed] = lambda: load_embedder().embed,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._bots = bots
        self._home = home
        self._bots_folder = bots_folder
        self._embed = cache(load)
        self._now = now
        self.answers = AnswerShelf(store, bots, load=self._embed)
        """What the bots' teams answered."""
        self._agreement = Agreement(standing_in)
        self._standing: dict[BotName, Standing] = {}
        # Guards building: two looks at once would do everything twice.
        self._looking = asyncio.Lock()

    def search(self, bot_name: BotName, said: Sequence[str], /, *, apart_from: Collection[str] = ()) -> Found:
        """What the bot's documents and its team's answers hold for the last of `said`, its conversation's questions,
        oldest first; no answer of the conversations `apart_from`.

        From any thread. Nothing where the bot has neither, or none yet.
        """
        bot = self._bots.find(bot_name)
        wanted = bot.knowledge
        pages = self._nearest_pages(bot_name, said, passages=wanted.passages, min_score=wanted.min_score)
        answers = self.answers.search(
            bot_name, said, answers=wanted.answers, min_score=wanted.min_score, apart_from=apart_from,
            stands=self._stands(bot),
        )  # fmt: skip
        return within(merged(pages, answers), max_tokens=wanted.max_tokens)

    def nearest(self, bot_name: BotName, said: Sequence[str], *, passages: int) -> Found:
        """Of each so many, also such as are too far from the question to be served."""
        pages = self._nearest_pages(bot_name, said, passages=passages, min_score=0.0)
        stands = self._stands(self._bots.find(bot_name))
        answers = self.answers.search(bot_name, said, answers=passages, min_score=0.0, apart_from=(), stands=stands)
        return merged(pages, answers)

    def _stands(self, bot: Bot) -> Stands | None:
        """What the team's answers must agree with; None where the bot has no documents."""
        standing = self._standing.get(bot.bot_name)
        if standing is None or standing.index is None or not bot.knowledge.answers:
            return None
        return self._agreement.of(bot, standing.index)

    def _nearest_pages(self, bot_name: BotName, said: Sequence[str], *, passages: int, min_score: float) -> Found:
        standing = self._standing.get(bot_name)
        if standing is None or standing.index is None:
            return Found()
        return search(standing.index, said, embed=self._embed(), passages=passages, min_score=min_score)

    def standing(self, bot_name: BotName) -> Standing | None:
        """None where the bot's file names no folder, or was not looked at yet."""
        return self._standing.get(bot_name)

    async def forget(self, _erasure: Erasure) -> None:
        """Returns once nothing that was erased is found any more."""
        await self.answers.refresh()

    async def keep_fresh(self) -> None:
        """Until cancelled, the documents (answers: `AnswerShelf.follow`). Whatever a look meets, the next one comes."""
        clock = asyncio.get_running_loop().time
        while True:
            began_s = clock()
            try:
                await self._look()
            except (NightschoolError, OSError) as error:
                log.error("documents stay as they were: %s", error)
            except Exception:
                log.exception("documents stay as they were")
            await asyncio.sleep(max(LOOK_PERIOD_S, REST * (clock() - began_s)))

    async def look(self) -> None:
        """Take documents and answers as they stand now; returns once what changed is served."""
        await self.answers.refresh()
        await self._look()

    async def _look(self) -> None:
        async with self._looking:
            for name, bot in self._bots.bots.items():
                if bot.knowledge.folder:
                    await self._look_at(name, bot)
                else:
                    self._standing.pop(name, None)
            for gone in self._standing.keys() - self._bots.bots.keys():
                del self._standing[gone]

    async def _look_at(self, name: BotName, bot: Bot) -> None:
        folder = self._bots_folder / bot.knowledge.folder
        before = self._standing.get(name)
        if before is None or before.folder != folder:
            before = Standing(folder, await self._named(name))
            self._standing[name] = before
        stamps, faults = await asyncio.to_thread(_look_into, folder)
        if stamps is None:
            # A folder that is gone is being replaced, or out of reach.
            if before.faults != faults:
                log.error("bot=%s documents=%s are not there", name, folder)
                self._standing[name] = Standing(folder, before.index, before.documents, faults, before.stamps)
            return
        if stamps == before.stamps:
            return
        after = await asyncio.to_thread(self._build, name, before, stamps)
        if after.index and (before.index is None or after.index.content_hash != before.index.content_hash):
            change = partial(name_index, bot=name, index_hash=after.index.content_hash, at=self._now())
            await self._store.write(change)
            log.info("bot=%s documents=%d passages=%d", name, len(after.documents), len(after.index.passages))
        self._standing[name] = after
        # Read here, beside the loop, and not for the first question.
        await asyncio.to_thread(self._stands, bot)
        for fault in set(after.faults) - set(before.faults):
            log.warning("bot=%s document=%s %s", name, fault.file, fault.reason)
        await asyncio.to_thread(_tidy, self._home.knowledge(name), after.index)

    async def _named(self, name: BotName) -> Index | None:
        """The index that the record names, where it is whole: what was served before the server was started anew."""
        named = await self._store.read(partial(current_index, bot=name))
        if named is None:
            return None
        try:
            index = await asyncio.to_thread(read_index, index_folder(self._home.knowledge(name), named))
            await asyncio.to_thread(self._embed)
        except (NightschoolError, OSError, ValueError) as error:
            log.warning("bot=%s index is made anew: %s", name, error)
            return None
        return index

    def _build(self, name: BotName, before: Standing, stamps: Mapping[Path, Stamp]) -> Standing:
        documents: dict[str, tuple[Passage, ...]] = {}
        faults: list[Fault] = []
        found: dict[str, Passage] = {}
        for count, (file, stamp) in enumerate(stamps.items()):
            path = file.relative_to(before.folder).as_posix()
            try:
                if count >= MAX_FILES:
                    raise Unreadable(f"is one of {len(stamps)} files, more than {MAX_FILES}")
                passages = _passages(file, path, stamp, before)
                if len(found) + len(passages) > MAX_PASSAGES:
                    raise Unreadable(f"is left out: there are more than {MAX_PASSAGES} passages")
            except Unreadable as reason:
                faults.append(Fault(path, str(reason)))
                continue
            documents[path] = passages
            found |= {passage.passage_id: passage for passage in passages}
        index = before.index
        if index is None or index.passages != tuple(found.values()):
            index = read_index(write_index(tuple(found.values()), self._home.knowledge(name), embed=self._embed()))
        return Standing(before.folder, index, documents, tuple(faults), stamps)


def _look_into(folder: Path) -> tuple[Mapping[Path, Stamp] | None, tuple[Fault, ...]]:
    return (look(folder), ()) if folder.is_dir() else (None, (Fault(".", "is not there"),))


def _passages(file: Path, path: str, stamp: Stamp, before: Standing) -> tuple[Passage, ...]:
    """Raises Unreadable. A file that looks as it did is not read again."""
    if before.stamps and before.stamps.get(file) == stamp and path in before.documents:
        return before.documents[path]
    return cut(read_document(file, folder=before.folder))


def _tidy(root: Path, current: Index | None) -> None:
    """Remove all but the newest indexes, and what a kill left of one."""
    folders = (
        sorted(root.iterdir(), key=lambda folder: folder.stat().st_mtime_ns, reverse=True) if root.exists() else []
    )
    for place, folder in enumerate(folders):
        is_current = current is not None and folder == index_folder(root, current.content_hash)
        if folder.name.startswith(".") or (place >= KEPT_INDEXES and not is_current):
            shutil.rmtree(folder, ignore_errors=True)
