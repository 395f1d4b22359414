"""Take weights that no night of a bot trained as its candidate: a fine-tuned model, or an adapter from outside.

Copied under the bot's name, loaded and proved as any other, it goes live as every candidate does; a whole model that
answers alone is loaded only then. Does not know who may do so, nor what the weights were trained on: its dataset is
unknown, and it is examined on the bot's newest one.
"""

import asyncio
import shutil
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Literal, NamedTuple

from collect import registry
from collect.store import Store
from deploy.proof import AdapterFiles, files_of
from deploy.rollout import Rollout
from deploy.stages import check_reason
from nightschool.errors import Busy, NightschoolError
from nightschool.files import copy_whole, write_atomic
from nightschool.home import Home
from nightschool.records import Adapter, BotName, Event, Stage, new_id, utc_now
from nightschool.weights import is_alone

GONE = frozenset({Stage.RETIRED, Stage.TAINTED})
UNKNOWN_DATASET = ""


class Newcomer(NamedTuple):
    """Weights, and where they come from."""

    files: AdapterFiles
    action: Literal["adopted", "added"]
    """In the audit."""
    origin: str
    """In words, for the audit."""
    cycle_id: str


async def adopt(
    store: Store, rollout: Rollout, home: Home, source: Adapter, *, bot: BotName, actor: str, reason: str
) -> Adapter:
    """A fine-tuned model as the bot's candidate. Raises what `take_in` does."""
    newcomer = Newcomer(files_of(source, home=home), "adopted", str(source.name), source.cycle_id)
    return await take_in(store, rollout, home, newcomer, bot=bot, actor=actor, reason=reason)


async def take_in(
    store: Store,
    rollout: Rollout,
    home: Home,
    newcomer: Newcomer,
    *,
    bot: BotName,
    actor: str,
    reason: str,
    now: Callable[[], datetime] = utc_now,
) -> Adapter:
    """The bot's new candidate; the one before it is retired.

    Raises InvalidInput without a reason, Busy where the bot has these weights or a night was quicker, and what a
    failed load raises.
    """
    check_reason(reason, subject=bot)
    files = newcomer.files
    known = await store.read(partial(registry.adapters, bot=bot))
    for adapter in known:
        if adapter.content_hash == files.content_hash and adapter.stage not in GONE:
            raise Busy("has the same weights", subject=str(adapter.name), remedy="Nothing to do.")
    target, mark = home.adapter(bot, files.content_hash), home.newcomer(bot, files.content_hash)
    if mark.exists() or not target.exists():
        # Before the copy: by it `Retention` finds what a kill leaves here, or a caller who gave up.
        write_atomic(mark, "")
    await asyncio.to_thread(copy_whole, files.folder, target)
    if files.proof.exists():
        write_atomic(home.proof(bot, files.content_hash), files.proof.read_bytes())
    candidate = Adapter(
        bot=bot,
        version=await store.read(partial(registry.next_version, bot=bot)),
        content_hash=files.content_hash,
        folder=str(target.relative_to(home.root)),
        stage=Stage.CANDIDATE,
        cycle_id=newcomer.cycle_id,
        dataset_hash=UNKNOWN_DATASET,
        created_at=now(),
    )
    words = f"{newcomer.origin}: {reason}"
    event = Event(new_id(), now(), bot, actor, newcomer.action, str(candidate.name), words)
    try:
        if not is_alone(target):
            await rollout.load(candidate)
    except NightschoolError:
        await asyncio.to_thread(_remove, home, candidate)
        raise
    try:
        await store.write(partial(registry.register_adapter, adapter=candidate, event=event))
    except NightschoolError:
        await _take_back(store, rollout, home, candidate)
        raise
    mark.unlink(missing_ok=True)
    for older in known:
        if older.stage is Stage.CANDIDATE:
            await rollout.retire(older, actor=actor, reason=f"{newcomer.origin} was {newcomer.action}")
    return candidate


async def _take_back(store: Store, rollout: Rollout, home: Home, candidate: Adapter) -> None:
    """What was loaded and is not registered."""
    known = await store.read(partial(registry.adapters, bot=candidate.bot))
    named = {adapter.name: adapter.content_hash for adapter in known}
    if named.get(candidate.name) != candidate.content_hash:
        # A night took the version meanwhile, and could not load its own weights by a name that stands for these.
        await rollout.unload(candidate)
    if candidate.content_hash not in named.values():
        await asyncio.to_thread(_remove, home, candidate)


def _remove(home: Home, candidate: Adapter) -> None:
    """Its files, where nobody had them before it."""
    mark = home.newcomer(candidate.bot, candidate.content_hash)
    if mark.exists():
        shutil.rmtree(home.adapter(candidate.bot, candidate.content_hash), ignore_errors=True)
        home.proof(candidate.bot, candidate.content_hash).unlink(missing_ok=True)
        mark.unlink()
