"""A bot's documents as operators see and keep them: what is indexed, what a question finds, what nothing is written on.

Operators write Markdown; each change has its line in the audit and is served at once. Other forms change in the folder
itself. Knows no page and no command.
"""

import asyncio
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final

from collect.knowledge.asked import newest_questions
from collect.knowledge.documents import Fault
from collect.knowledge.shelf import KnowledgeShelf, Standing
from collect.store import Store
from nightschool.bots import BotShelf
from nightschool.errors import Busy, InvalidInput, NotFound
from nightschool.files import write_atomic
from nightschool.knowledge import Found, Passage
from nightschool.records import BotName, utc_now
from nightschool.text import check_name, clean_text, fold
from serve.audited import note

NEWEST: Final = 2_000
"""Questions of the record that `check` asks."""
SHOWN: Final = 10
"""Passages of `show`, and answers, also those that are too far from the question to be served."""
MAX_TEXT_CHARS: Final = 200_000
MAX_NAME_CHARS: Final = 120
WRITTEN: Final = ".md"


@dataclass(frozen=True, slots=True)
class DocumentRow:
    file: str
    title: str
    passages: int


@dataclass(frozen=True, slots=True)
class DocumentsStatus:
    bot: BotName
    folder: str
    """Empty where there is none."""
    index_hash: str
    """Empty until the first index is whole."""
    passages: int
    answers: int
    """Of the team, that are found as passages."""
    documents: tuple[DocumentRow, ...]
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A question of which no document says anything."""

    question: str
    times: int
    is_held_out: bool
    """Whether a night examines with it."""


@dataclass(frozen=True, slots=True)
class Checked:
    questions: int
    """That were looked at, the newest."""
    unanswered: tuple[Unanswered, ...]
    """The most frequent first."""


class OperatorsDocuments:
    """Made once for all faces, so that two operators do not write over each other."""

    def __init__(
        self, store: Store, shelf: BotShelf, knowledge: KnowledgeShelf, *, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._store = store
        self._shelf = shelf
        self._knowledge = knowledge
        self._now = now
        self._writing = asyncio.Lock()

    async def status(self, bot: str) -> DocumentsStatus:
        """As files and record stand now. Raises UnknownModel, InvalidInput where the bot has neither a folder nor
        answers."""
        name = await self._grounded(bot)
        standing = self._knowledge.standing(name)
        answers = self._knowledge.answers.count(name)
        if standing is None:
            return DocumentsStatus(name, "", "", 0, answers, (), ())
        return DocumentsStatus(
            name,
            str(standing.folder),
            standing.index.content_hash if standing.index else "",
            len(standing.index.passages) if standing.index else 0,
            answers,
            tuple(
                DocumentRow(file, passages[0].document, len(passages)) for file, passages in standing.documents.items()
            ),
            standing.faults,
        )

    async def show(self, bot: str, said: Sequence[str]) -> Found:
        """The passages and answers nearest to the last of `said`, also those that would not be served. Raises as
        `status` does."""
        name = await self._grounded(bot)
        return await asyncio.to_thread(self._knowledge.nearest, name, said, passages=SHOWN)

    def is_served(self, bot: str, score: float) -> bool:
        """Whether a passage so near to a question is shown to the model."""
        return score >= self._shelf.find(bot).knowledge.min_score

    async def check(self, bot: str) -> Checked:
        """For which questions of the record nothing is found. Raises as `status` does."""
        name = await self._grounded(bot)
        asked = await self._store.read(partial(newest_questions, bot=name, limit=NEWEST))
        counts = Counter(one.said for one in asked)
        held_out = {one.said for one in asked if one.is_held_out}
        nothing = await asyncio.to_thread(self._find_nothing, name, list(counts))
        found = [Unanswered(said[-1], counts[said], said in held_out) for said in nothing]
        return Checked(len(asked), tuple(sorted(found, key=lambda one: (-one.times, fold(one.question)))))

    async def passages(self, bot: str, file: str) -> tuple[Passage, ...]:
        """What was made of a document. Raises NotFound, InvalidInput where the bot has no folder."""
        _, standing = await self._standing(bot)
        if file not in standing.documents:
            raise NotFound("is no document", subject=repr(file), remedy="Look which there are.", param="file")
        return standing.documents[file]

    async def text(self, bot: str, file: str) -> str:
        """Raises NotFound, InvalidInput where it is none of those that operators write."""
        return await asyncio.to_thread(self._read, await self._place(bot, file), file)

    async def save(self, bot: str, file: str, text: str, *, replaces: str | None, actor: str, reason: str) -> None:
        """Write a document down; it is served when this returns. `replaces`: its text as the operator saw it; None for
        a new one. Raises Busy where it changed meanwhile or is there already, InvalidInput for a name or text that
        cannot be.
        """
        text = clean_text(text, subject="document", param="text")
        if not text.strip() or len(text) > MAX_TEXT_CHARS:
            raise InvalidInput(
                f"has {len(text)} letters, and may have {MAX_TEXT_CHARS}" if text.strip() else "is empty",
                subject=repr(file),
                remedy="Remove it instead, or split it.",
                param="text",
            )
        place = await self._place(bot, file)
        async with self._writing:
            stands = place.exists()
            if stands != (replaces is not None):
                raise _changed(file, "was removed meanwhile" if replaces else "is there already")
            if stands and await asyncio.to_thread(self._read, place, file) != replaces:
                raise _changed(file, "was changed meanwhile")
            with _writable(file):
                await asyncio.to_thread(_write, place, text)
            await self._note(bot, "changed a document" if stands else "added a document", file, actor, reason)
        await self._knowledge.look()

    async def remove(self, bot: str, file: str, *, actor: str, reason: str) -> None:
        """Nothing stands on it when this returns. Raises NotFound, InvalidInput."""
        place = await self._place(bot, file)
        async with self._writing:
            await asyncio.to_thread(self._read, place, file)
            with _writable(file):
                place.unlink()
            await self._note(bot, "removed a document", file, actor, reason)
        await self._knowledge.look()

    async def _grounded(self, bot: str) -> BotName:
        """Raises UnknownModel, InvalidInput where nothing can be found for its questions."""
        found = self._shelf.find(bot)
        await self._knowledge.look()
        if not found.knowledge.is_grounded:
            raise _no_folder(bot)
        return found.bot_name

    async def _standing(self, bot: str) -> tuple[BotName, Standing]:
        name = self._shelf.find(bot).bot_name
        await self._knowledge.look()
        standing = self._knowledge.standing(name)
        if standing is None:
            raise _no_folder(name)
        return name, standing

    def _find_nothing(self, bot: BotName, asked: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
        return [said for said in asked if not self._knowledge.search(bot, said).passages]

    async def _place(self, bot: str, file: str) -> Path:
        """Where a document of that name lies. Raises InvalidInput where operators do not write such."""
        _, standing = await self._standing(bot)
        check_name(file, subject="document", param="file")
        path = PurePosixPath(file)
        parts = path.parts
        place = standing.folder.joinpath(*parts)
        if (
            len(file) > MAX_NAME_CHARS
            or path.suffix != WRITTEN
            or path.is_absolute()
            or "\\" in file
            or any(part.startswith((".", "~$")) for part in parts)
            or not place.resolve().is_relative_to(standing.folder.resolve())
        ):
            raise InvalidInput(
                "is no name for a document",
                subject=repr(file),
                remedy=f"Call it like returns{WRITTEN}; other forms are changed in {standing.folder}.",
                param="file",
            )
        return place

    def _read(self, place: Path, file: str) -> str:
        try:
            return place.read_text("utf-8")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFound("is no document", subject=repr(file), remedy="Look which there are.", param="file") from None
        except UnicodeDecodeError:
            raise InvalidInput("is not UTF-8", subject=repr(file), remedy="Save it as UTF-8.", param="file") from None

    async def _note(self, bot: str, action: str, file: str, actor: str, reason: str) -> None:
        name = self._shelf.find(bot).bot_name
        told = partial(note, actor=actor, action=action, subject=f"document:{file}", bot=name, reason=reason)
        await self._store.write(partial(told, at=self._now()))


def _write(place: Path, text: str) -> None:
    """As open to others as it was, or as its folder is: what is written here is not the data folder's."""
    before = stat.S_IMODE(place.stat().st_mode) if place.exists() else None
    write_atomic(place, text)
    place.chmod(place.parent.stat().st_mode & 0o666 if before is None else before)


@contextmanager
def _writable(file: str) -> Iterator[None]:
    """A folder that may only be read is no fault of ours."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidInput(
            f"cannot be written ({reason})", subject=repr(file), remedy="Let the server write into the folder."
        ) from error


def _no_folder(bot: str) -> InvalidInput:
    remedy = "Name one in its file: knowledge.folder."
    return InvalidInput("has no folder of documents", subject=f"bot {bot}", remedy=remedy)


def _changed(file: str, how: str) -> Busy:
    return Busy(how, subject=repr(file), remedy="Look at it anew, then write it again.")
