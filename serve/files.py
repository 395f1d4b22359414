"""Callers' files: taken in and checked, listed, read and deleted, each its owner's alone.

Bytes lie once in the data folder, by their content hash, whoever sent them; the record says whose they are. Knows no
HTTP and no command.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final
from uuid import uuid4

from collect import files
from collect.files import StoredFile
from collect.store import Store
from eval.graders.rows import check_rows
from nightschool.errors import InvalidInput
from nightschool.files import hash_file, replace_file
from nightschool.fine_tuning_part import FineTuningSettings
from nightschool.home import Home
from nightschool.records import utc_now
from tune.token_count import token_counter
from tune.training_file import Checked, check_file

PURPOSE: Final = "fine-tune"
EVALS: Final = "evals"
RESULTS: Final = "fine-tune-results"
REFUSED: Final = frozenset({"assistants", "batch", "user_data", "vision"})
"""OpenAI's other purposes."""
MAX_NAME_CHARS: Final = 256


class CallersFiles:
    """Made once for all faces, so that bytes do not go while an equal file comes."""

    def __init__(
        self,
        store: Store,
        home: Home,
        limits: FineTuningSettings,
        *,
        base_model: str,
        context_tokens: int,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._home = home
        self.limits = limits
        self._base_model = base_model
        self._context_tokens = context_tokens
        self._now = now
        # Guards bytes and rows that name them: a file that comes beside an equal one that goes.
        self._changing = asyncio.Lock()

    async def take_in(self, draft: Path, *, filename: str, purpose: str, owner: str) -> StoredFile:
        """The file at `draft`, which is gone afterwards, as one of the owner's. Raises InvalidInput, InvalidFile."""
        check_purpose(purpose)
        look = self._check if purpose == PURPOSE else check_eval_file
        about = await asyncio.to_thread(look, draft)
        return await self.keep(draft, filename=filename, purpose=purpose, owner=owner, about=about)

    async def keep(
        self, draft: Path, *, filename: str, purpose: str, owner: str, about: Mapping[str, object]
    ) -> StoredFile:
        """As `take_in`, of what needs no look. Raises TooManyRequests where the owner has too much already."""
        size_bytes, content_hash = await asyncio.to_thread(_measure, draft)
        file = StoredFile(
            file_id=f"file-{uuid4().hex}",
            owner=owner,
            filename=filename[:MAX_NAME_CHARS],
            purpose=purpose,
            size_bytes=size_bytes,
            content_hash=content_hash,
            about_json=json.dumps(dict(about)),
            created_at=self._now(),
        )
        add = partial(files.add_file, file=file, max_owner_bytes=self.limits.max_key_bytes)
        async with self._changing:
            place = self._home.upload(file.content_hash)
            was_there = place.exists()
            await asyncio.to_thread(replace_file, draft, place)
            try:
                await self._store.write(add)
            except BaseException:
                if not was_there:
                    place.unlink()
                raise
        return file

    async def find(self, file_id: str, *, owner: str) -> StoredFile:
        """Raises NotFound, also where it is somebody else's."""
        return await self._store.read(partial(files.find_file, file_id=_known(file_id), owner=owner))

    def place_of(self, file: StoredFile) -> Path:
        """Where its bytes lie."""
        return self._home.upload(file.content_hash)

    async def delete(self, file_id: str, *, owner: str) -> None:
        """Raises NotFound."""
        async with self._changing:
            file = await self.find(file_id, owner=owner)
            if await self._store.write(partial(files.delete_file, file_id=file_id, owner=owner)):
                self.place_of(file).unlink(missing_ok=True)

    async def list(
        self, *, owner: str, purpose: str | None, after: str | None, limit: int, is_newest_first: bool
    ) -> files.Page:
        """Raises NotFound where `after` is none of the owner's."""
        asked = partial(
            files.list_files,
            owner=owner,
            purpose=purpose,
            after=_known(after) if after is not None else None,
            limit=limit,
            is_newest_first=is_newest_first,
        )
        return await self._store.read(asked)

    def _check(self, draft: Path) -> dict[str, object]:
        checked = check_training_file(
            draft, subject="file", base_model=self._base_model, context_tokens=self._context_tokens
        )
        return asdict(checked)


def check_eval_file(file: Path, *, subject: str = "file") -> dict[str, object]:
    """What is in a file of rows to grade. Raises InvalidFile, which names the line at fault."""
    with file.open("rb") as lines:
        return {"format": EVALS, "rows": check_rows(lines, subject=subject)}


def check_training_file(file: Path, *, subject: str, base_model: str, context_tokens: int) -> Checked:
    """What is in it. Raises InvalidFile, which names the line at fault."""
    with file.open("rb") as lines:
        return check_file(lines, subject=subject, context_tokens=context_tokens, count=token_counter(base_model))


def check_purpose(purpose: str) -> None:
    """Raises InvalidInput for what is taken for anything else than training and evals."""
    if purpose not in {PURPOSE, EVALS}:
        problem = f"{purpose} is not served here" if purpose in REFUSED else "is not one that is known here"
        remedy = f"Files are taken for {PURPOSE!r} and {EVALS!r}."
        raise InvalidInput(problem, subject="purpose", remedy=remedy, param="purpose")


def _measure(draft: Path) -> tuple[int, str]:
    return draft.stat().st_size, hash_file(draft)


def _known(file_id: str) -> str:
    """The id, where it may be one. Raises NotFound."""
    word = file_id.removeprefix("file-")
    if word == file_id or not (word.isascii() and word.isalnum()):
        raise files.no_such_file(file_id)
    return file_id
