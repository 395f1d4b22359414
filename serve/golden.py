"""Golden cases as operators keep them: those of the bot's own file, which only its owner writes, and those added here.

What is added stands in the data folder and is asked from the next exam on. Each change has its line in the audit. Knows
no page and no command.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from collect.conversations import path_to
from collect.store import Store
from deploy.orders import golden_of
from eval.suite.golden import GoldenCase, check_case, golden_files, read_file, write_file
from nightschool.bots import BotShelf
from nightschool.errors import Busy, InvalidInput, NotFound
from nightschool.home import Home
from nightschool.records import utc_now
from serve.audited import note
from serve.branches import without_torsos


class Kept(NamedTuple):
    """One case of a bot."""

    case: GoldenCase
    file: Path
    is_ours: bool
    """Whether it was added here, so can be taken out here."""


class GoldenCases:
    """Reads and writes them; made once for all faces, so that two operators do not write over each other."""

    def __init__(self, store: Store, shelf: BotShelf, home: Home, *, now: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._shelf = shelf
        self._home = home
        self._now = now
        self._writing = asyncio.Lock()

    async def cases(self, bot: str) -> Sequence[Kept]:
        """In the order in which they are asked. Raises UnknownModel, and InvalidInput for a faulty file."""
        return await asyncio.to_thread(self._read, bot)

    async def add(self, bot: str, wanted: dict[str, Any], *, actor: str) -> GoldenCase:
        """Raises UnknownModel, InvalidInput for a faulty case, Busy where its id is taken."""
        case = check_case(wanted)
        async with self._writing:
            kept = await self.cases(bot)
            if any(one.case.id == case.id for one in kept):
                raise Busy("is a case already", subject=repr(case.id), remedy="Choose another id, or remove that one.")
            await self._write(bot, [*_ours(kept), case])
            await self._note(bot, "added a golden case", case.id, actor)
        return case

    async def add_from_answer(
        self, message_id: str, *, must_say: Sequence[str], must_not_say: Sequence[str], actor: str
    ) -> GoldenCase:
        """A case that asks what led to an answer, with what was said before.

        Raises NotFound, InvalidInput where a caller's tools were called, and as `add` does.
        """
        path = await self._store.read(partial(path_to, message_id=message_id))
        if any(turn.tools_json for turn in path):
            raise InvalidInput(
                "rests on what a caller's tool found, and an exam has no tools",
                subject="answer",
                remedy="Write the case by hand.",
            )
        *before, question = without_torsos([turn for turn in path[:-1] if turn.role != "system"])
        said = [
            {"user": asked.content, "assistant": answer.content}
            for asked, answer in pairwise(before)
            if (asked.role, answer.role) == ("user", "assistant")
        ]
        wanted = {"id": f"answer-{message_id[:8]}", "ask": question.content, "said": said}
        facts = {"must_say": list(must_say), "must_not_say": list(must_not_say)}
        return await self.add(path[-1].bot, wanted | facts, actor=actor)

    async def remove(self, bot: str, case_id: str, *, actor: str) -> None:
        """Raises UnknownModel, NotFound, and InvalidInput where it stands in the bot's own file."""
        async with self._writing:
            kept = await self.cases(bot)
            found = next((one for one in kept if one.case.id == case_id), None)
            if found is None:
                raise NotFound("is no golden case", subject=repr(case_id), remedy="Look which there are.", param="id")
            if not found.is_ours:
                raise InvalidInput("stands in the bot's own file", subject=repr(case_id), remedy=f"Edit {found.file}.")
            await self._write(bot, [case for case in _ours(kept) if case.id != case_id])
            await self._note(bot, "removed a golden case", case_id, actor)

    def _read(self, bot: str) -> list[Kept]:
        known = self._shelf.find(bot)
        own = self._home.golden(known.bot_name)
        files = golden_files(*golden_of(known, own=own))
        return [Kept(case, file, file == own) for file in files for case in read_file(file)]

    async def _write(self, bot: str, cases: Sequence[GoldenCase]) -> None:
        file = self._home.golden(self._shelf.find(bot).bot_name)
        if cases:
            await asyncio.to_thread(write_file, file, cases)
        else:
            file.unlink(missing_ok=True)

    async def _note(self, bot: str, action: str, case_id: str, actor: str) -> None:
        name = self._shelf.find(bot).bot_name
        await self._store.write(
            partial(note, actor=actor, action=action, subject=f"golden:{case_id}", at=self._now(), bot=name)
        )


def _ours(kept: Sequence[Kept]) -> list[GoldenCase]:
    return [one.case for one in kept if one.is_ours]
