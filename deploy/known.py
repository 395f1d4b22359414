"""What the bot's newest judged adapter was made of: the rows it has seen, and the order by which it was trained.

A night asks both before it trains: new rows are a reason to, and so is a changed prompt, recipe or base model, since
production would go on with weights that were made for another. What production was trained on is in no exam. Does not
train.
"""

import asyncio
import hashlib
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from collect import registry
from collect.quarantine import Stopped, keep_stopped
from collect.sides import keep_sides
from collect.store import Store
from deploy.orders import recipe_of
from deploy.stages import in_production
from nightschool.bots import Bot
from nightschool.files import read_manifest, write_atomic
from nightschool.home import Home
from nightschool.identity import identify_base
from nightschool.records import BotName
from tune.dataset import read_items, read_sides, read_trained
from tune.left_out import read_stopped

ORDER: Final = "order.json"
WITHOUT_EFFECT: Final = frozenset(
    {
        "schema_version", "base_model", "dataset", "micro_batch_size", "checkpoint_steps", "device", "min_examples",
        "replay_folder", "kept", "kept_gib", "distill_key_variable", "distill_timeout_s",
    }
)  # fmt: skip
"""Of a recipe: where and how it is computed, not what comes out."""


class Order(BaseModel):
    """What decides, beside the rows, which weights a training ends with. Kept in the night's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    system_prompt: str
    """Its hash."""
    base_model: str
    recipe: dict[str, str | int | float | tuple[str, ...]]

    @classmethod
    def of(cls, bot: Bot, *, base_model: str) -> Self:
        """Reads megabytes of the base model."""
        recipe = recipe_of(bot, base_model=base_model, dataset=Path(), production=Path())
        return cls(
            system_prompt=_digest(bot.system_prompt.encode()),
            base_model=identify_base(base_model),
            recipe=recipe.model_dump(exclude=set(WITHOUT_EFFECT)),
        )

    def changes_since(self, before: Self) -> list[str]:
        """What differs, in a person's words. What only one of them knows does not: one is of an older Nightschool."""
        changed = [
            f"recipe.{key}" for key in self.recipe.keys() & before.recipe if self.recipe[key] != before.recipe[key]
        ]
        if self.system_prompt != before.system_prompt:
            changed.append("the system prompt")
        if self.base_model != before.base_model:
            changed.append("the base model")
        return sorted(changed)


def keep_order(night: Path, order: Order) -> None:
    """Note what the night in this folder trains by."""
    write_atomic(night / ORDER, order.model_dump_json(indent=2) + "\n")


def read_order(night: Path) -> Order | None:
    """None where there is none, or one of a newer Nightschool: a night for nothing would cost hours."""
    try:
        return Order.model_validate_json((night / ORDER).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


async def find_known_items(store: Store, home: Home, *, bot: BotName) -> frozenset[str]:
    """Rows of the bot's newest adapter that was judged: what a failed night trained on was seen by nobody."""
    adapter = await store.read(partial(registry.newest_judged, bot=bot))
    dataset = home.dataset(bot, adapter.dataset_hash) if adapter else None
    return read_items(dataset) if dataset and read_manifest(dataset) else frozenset()


async def find_trained(store: Store, home: Home, *, bot: BotName) -> frozenset[str]:
    """Conversations on which production was trained."""
    adapters = await store.read(partial(registry.adapters, bot=bot))
    live = in_production(adapters)
    dataset = home.dataset(bot, live.dataset_hash) if live else None
    return read_trained(dataset) if dataset and read_manifest(dataset) else frozenset()


async def keep_decided(store: Store, dataset: Path, *, bot: BotName, at: datetime) -> None:
    """Keep the sides that a dataset decided, for good, and which votes it was built without."""
    await store.write(partial(keep_sides, bot=bot, sides=read_sides(dataset), at=at))
    stopped = [Stopped(row.message_id, row.voter, row.reason) for row in read_stopped(dataset)]
    await store.write(partial(keep_stopped, bot=bot, stopped=stopped, at=at))


async def find_changes(store: Store, home: Home, *, bot: Bot, base_model: str) -> str | None:
    """What of the bot's order was changed since its newest judged adapter was trained, or that production is tainted;
    None where neither is."""
    adapters = await store.read(partial(registry.adapters, bot=bot.bot_name))
    if (live := in_production(adapters)) and live.tainted_at:
        return f"{live.name} is tainted: something that it had learnt was erased"
    adapter = await store.read(partial(registry.newest_judged, bot=bot.bot_name))
    before = read_order(home.cycle(bot.bot_name, adapter.cycle_id)) if adapter else None
    if adapter is None or before is None:
        return None
    order = await asyncio.to_thread(Order.of, bot, base_model=base_model)
    changed = order.changes_since(before)
    return f"{', '.join(changed)} changed since {adapter.name}" if changed else None


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
