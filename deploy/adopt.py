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
    target, proof = home.adapter(bot, files.content_hash), home.proof(bot, files.content_hash)
    is_new = not target.exists()
    await asyncio.to_thread(copy_whole, files.folder, target)
    if files.proof.exists():
        write_atomic(proof, files.proof.read_bytes())
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
    except BaseException:
        if is_new:  # nobody knows of it: it would lie there for good
            await asyncio.to_thread(shutil.rmtree, target, ignore_errors=True)
            proof.unlink(missing_ok=True)
        raise
    try:
        await store.write(partial(registry.register_adapter, adapter=candidate, event=event))
    except NightschoolError:
        named = {each.name: each.content_hash for each in await store.read(partial(registry.adapters, bot=bot))}
        if named.get(candidate.name) != candidate.content_hash:
            # A night took the version meanwhile, and could not load its own weights by a name that stands for these.
            await rollout.unload(candidate)
        raise
    for older in known:
        if older.stage is Stage.CANDIDATE:
            await rollout.retire(older, actor=actor, reason=f"{newcomer.origin} was {newcomer.action}")
    return candidate
