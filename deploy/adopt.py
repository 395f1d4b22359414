"""Make a fine-tuned model a bot's candidate: the same weights under the bot's name, proved as any other load.

It goes live as every candidate does. Does not know who may adopt, nor what the model was trained on.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial

from collect import registry
from collect.store import Store
from deploy.proof import files_of
from deploy.rollout import Rollout
from deploy.stages import check_reason
from nightschool.errors import Busy
from nightschool.files import copy_whole, write_atomic
from nightschool.home import Home
from nightschool.records import Adapter, BotName, Event, Stage, new_id, utc_now

GONE = frozenset({Stage.RETIRED, Stage.TAINTED})


async def adopt(
    store: Store,
    rollout: Rollout,
    home: Home,
    source: Adapter,
    *,
    bot: BotName,
    actor: str,
    reason: str,
    now: Callable[[], datetime] = utc_now,
) -> Adapter:
    """The bot's new candidate; the one before it is retired.

    Raises InvalidInput without a reason, Busy where the bot has these weights, and what a failed load raises.
    """
    check_reason(reason, subject=bot)
    known = await store.read(partial(registry.adapters, bot=bot))
    for adapter in known:
        if adapter.content_hash == source.content_hash and adapter.stage not in GONE:
            raise Busy("has the same weights", subject=str(adapter.name), remedy="Nothing to do.")
    target = home.adapter(bot, source.content_hash)
    files = files_of(source, home=home)
    await asyncio.to_thread(copy_whole, files.folder, target)
    if files.proof.exists():
        write_atomic(home.proof(bot, source.content_hash), files.proof.read_bytes())
    candidate = Adapter(
        bot=bot,
        version=await store.read(partial(registry.next_version, bot=bot)),
        content_hash=source.content_hash,
        folder=str(target.relative_to(home.root)),
        stage=Stage.CANDIDATE,
        cycle_id=source.cycle_id,
        dataset_hash=source.dataset_hash,
        created_at=now(),
    )
    await rollout.load(candidate)
    for older in known:
        if older.stage is Stage.CANDIDATE:
            await rollout.retire(older, actor=actor, reason=f"{source.name} was adopted")
    event = Event(new_id(), now(), bot, actor, "adopted", str(candidate.name), f"{source.name}: {reason}")
    await store.write(partial(registry.register_adapter, adapter=candidate, event=event))
    return candidate
