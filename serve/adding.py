"""Adapters and whole models from outside: unpacked, read by a child, and taken in as a bot's candidate.

One at a time, since each takes the memory of a base model or two. What is unpacked lies in the data folder and goes at
the end, whatever came of it; a kill's leftovers go with the next one. Does not know HTTP, nor how weights are read
(`tune.bring`).
"""

import asyncio
import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Final, Literal, NamedTuple

from collect.store import Store
from deploy.adopt import Newcomer, take_in
from deploy.proof import AdapterFiles
from deploy.rollout import Rollout
from nightschool.bots import Bot
from nightschool.child import CALM_THREADS, run_child
from nightschool.errors import InvalidInput, Unavailable
from nightschool.files import read_manifest, write_atomic
from nightschool.home import Home
from nightschool.records import Adapter
from nightschool.run_files import ADAPTER, PROOF
from nightschool.settings import EngineSettings
from serve.engines import is_ours, places_for_whole_models
from tune.brought import FOUND, MAX_TEXT_BYTES, ORDER, BringOrder, Found, choose_files

READER: Final = (sys.executable, "-m", "tune.bring")
PREFIX: Final = "brought-"
FOLDER: Final = "folder"
TIMEOUT_S: Final = 3_600.0
NICENESS: Final = 10
ServeAs = Literal["nearest", "whole", "alone"]
"""A whole model: as the adapter nearest to it, by an engine beside the base model's, or by one in its place."""


class Added(NamedTuple):
    adapter: Adapter
    found: Found


class Adding:
    """One per server."""

    def __init__(
        self,
        store: Store,
        rollout: Rollout,
        home: Home,
        engine: EngineSettings,
        *,
        base_model: str,
        command: Sequence[str] = READER,
    ) -> None:
        self._store = store
        self._rollout = rollout
        self._home = home
        self._base_model = base_model
        self._engine = engine
        self._command = command
        # Guards memory and the leftovers of a killed server: one folder is read at a time.
        self._reading = asyncio.Lock()

    async def add(
        self, archive: IO[bytes], *, name: str, bot: Bot, actor: str, reason: str, serve_as: ServeAs = "nearest"
    ) -> Added:
        """The tar `archive` of a folder called `name` as the bot's candidate; `serve_as` is for a whole model.

        Raises InvalidInput for what cannot be served, Unavailable where it could not be read, and what
        `deploy.adopt.take_in` raises.
        """
        self._check_served(serve_as, name=name)
        async with self._reading:
            await asyncio.to_thread(_clear, self._home.temp)
            with tempfile.TemporaryDirectory(dir=self._home.temp, prefix=PREFIX) as made:
                work = Path(made)
                await asyncio.to_thread(unpack, archive, work / FOLDER, subject=name)
                found = await self._read(work, name=name, bot=bot, serve_as=serve_as)
                manifest = read_manifest(work / ADAPTER)
                assert manifest is not None, "what was found was published"
                files = AdapterFiles(work / ADAPTER, work / PROOF, manifest.content_hash)
                cycle_id = f"{PREFIX}{manifest.content_hash[:16]}"
                newcomer = Newcomer(files, "added", f"{found.kind} {name}{describe_shares(found)}", cycle_id)
                adapter = await take_in(
                    self._store, self._rollout, self._home, newcomer, bot=bot.bot_name, actor=actor, reason=reason
                )
        return Added(adapter, found)

    def _check_served(self, serve_as: ServeAs, *, name: str) -> None:
        can_be = is_ours(self._engine) if serve_as == "alone" else places_for_whole_models(self._engine)
        if serve_as != "nearest" and not can_be:
            lacking = "" if serve_as == "alone" else ", or engine.whole_models is 0"
            raise InvalidInput(
                f"cannot be served {serve_as}: the engine is not the server's own{lacking}",
                subject=name,
                remedy="Add it as the nearest adapter (--as nearest).",
            )

    async def _read(self, work: Path, *, name: str, bot: Bot, serve_as: ServeAs) -> Found:
        """What the child found. Raises InvalidInput, Unavailable."""
        order = BringOrder(
            folder=str(work / FOLDER),
            name=name,
            base_model=self._base_model,
            max_rank=self._engine.max_lora_rank,
            is_served_whole=serve_as != "nearest",
            is_alone=serve_as == "alone",
            system_prompt=bot.system_prompt,
            questions=bot.starters,
        )
        write_atomic(work / ORDER, order.model_dump_json())
        # Whoever chats goes first.
        environment = {**CALM_THREADS, **os.environ}
        log, command = work / "bring.log", [*self._command, str(work)]
        async with run_child(command, log=log, environment=environment, niceness=NICENESS) as child:
            try:
                code = await child.wait(timeout_s=TIMEOUT_S)
            except TimeoutError:
                raise _unread(name, f"took longer than {TIMEOUT_S:.0f} s") from None
            if child.was_killed_for_memory():
                raise _unread(name, "was killed by the kernel for want of memory")
            tail = child.log_tail()
        if code != 0 or not (work / FOUND).exists():
            raise _unread(name, f"could not be read:\n{tail}\n")
        found = Found.model_validate_json((work / FOUND).read_bytes())
        if found.problem:
            raise InvalidInput(found.problem, subject=found.subject, remedy=found.remedy)
        return found


def describe_shares(found: Found) -> str:
    """Of a whole model: how much of it is served; empty of an adapter."""
    if found.is_whole:
        return " (served whole)"
    if found.share is None or found.said is None:
        return ""
    return (
        f" (its nearest adapter of rank {found.rank} holds {found.share:.0%} of what it learnt and goes "
        f"{found.said:.0%} of the way to what it says)"
    )


def unpack(archive: IO[bytes], target: Path, *, subject: str) -> None:
    """The files that are wanted of a tar, which lie at its top, into a new folder. Raises InvalidInput."""
    target.mkdir()
    try:
        with tarfile.open(fileobj=archive, mode="r:") as tar:
            members = dict(_top(tar))
            for name in choose_files(members, subject=subject).names:
                if not name.endswith(".safetensors") and members[name].size > MAX_TEXT_BYTES:
                    raise InvalidInput(f"its {name} is larger than one is", subject=subject, remedy="Save it again.")
                content = tar.extractfile(members[name])
                assert content is not None, "it is a regular file"
                with (target / name).open("xb") as file:
                    shutil.copyfileobj(content, file, 2**20)
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise InvalidInput(
            f"is no whole tar ({error})", subject=subject, remedy="Send the folder as an uncompressed tar."
        ) from error


def _top(tar: tarfile.TarFile) -> Iterator[tuple[str, tarfile.TarInfo]]:
    for member in tar:
        parts = PurePosixPath(member.name).parts
        if member.isreg() and len(parts) == 1 and parts[0].isascii():
            yield parts[0], member


def _clear(temp: Path) -> None:
    for leftover in temp.glob(f"{PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _unread(name: str, problem: str) -> Unavailable:
    return Unavailable(problem, subject=name, remedy="The server's own model goes on; mend that and add it again.")
