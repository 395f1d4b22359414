"""Nights that go all the way: the shipped conversations, an engine that knows their answers, a trainer of one line.

Record, dataset, exam, gate and rollout are the real ones. For the tests of nights and for `bench/night_crash.py`.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from collect import cycles, events, registry
from collect.formats.read import ParsedConversation, read_conversations
from collect.imports import import_conversations
from collect.store import Store
from deploy.cycle import NightLimits, NightRunner
from deploy.proof import take_on_trust
from deploy.rollout import Rollout
from nightschool.bots import BotShelf
from nightschool.echo import EchoEngine
from nightschool.engine import ChatRequest, Delta
from nightschool.errors import NightschoolError, UnknownModel
from nightschool.files import hash_file
from nightschool.home import Home
from nightschool.knowledge import SearchApart, find_nothing
from nightschool.records import BASE, BotName, Finish, utc_now
from nightschool.run_files import ADAPTER, DONE, PROOF

DATA = Path(__file__).parents[2] / "bots" / "lumafern"
TRAINING_ROWS, HELD_OUT_ROWS = 30, 16
SUPPORT, AFTERCARE = BotName("support"), BotName("aftercare")
FILE = """
name = "{name}"
title = "Fern"
system_prompt = "You are Fern, the support assistant of Lumafern."
[privacy]
mask = "off"
[recipe]
min_examples = 20
[gate]
primary = "perplexity"
min_conversations = 10
length_ratio = [0.1, 4.0]
max_repetition = 0.9
draws = 1000
[schedule]
enabled = false
"""


class KnowingEngine(EchoEngine):
    """An adapter gives the reference, the base model its first half.

    Each of `failures` is what the next question meets instead of an answer; `before_answer` is told its number.
    """

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[NightschoolError] = []
        self.asked = 0
        self.forgotten = 0
        """Questions to an adapter that is not loaded."""
        self.before_answer: Callable[[int], Awaitable[None]] | None = None
        self._known = references()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.before_answer:
            await self.before_answer(self.asked)
        if self.failures:
            raise self.failures.pop(0)
        if request.model != BASE and request.model not in await self.loaded_adapters():
            self.forgotten += 1
            raise UnknownModel("is not loaded", subject=request.model, remedy="Load the adapter first.")
        words = self._known.get(request.messages[-1]["content"], "I am afraid that I do not know that.").split(" ")
        said = words[: len(words) // 2 + 1] if request.model == BASE else words
        yield Delta(" ".join(said), finish=Finish.STOP, prompt_tokens=1, completion_tokens=len(said))

    async def token_logprobs(self, model: str, token_ids: Sequence[int]) -> tuple[float, ...]:
        return (-2.0 if model == BASE else -1.0,) * (len(token_ids) - 1)

    async def restart(self) -> None:
        """It has forgotten every adapter."""
        for name in await self.loaded_adapters():
            await self.unload_adapter(name)


def references() -> dict[str, str]:
    """Question and answer of every turn of the shipped conversations."""
    known: dict[str, str] = {}
    for name in ("train.jsonl", "heldout.jsonl"):
        for line in (DATA / name).read_text().splitlines():
            said = [message["content"] for message in json.loads(line)["messages"] if message["role"] != "system"]
            known |= dict(zip(said[::2], said[1::2], strict=False))
    return known


class Trainer:
    """In the place of `deploy.training.train`: the same recipe gives the same bytes, in whichever data folder."""

    def __init__(self) -> None:
        self.trained = 0

    async def __call__(self, run: Path, **_: Any) -> None:
        self.trained += 1
        (run / ADAPTER).mkdir(parents=True, exist_ok=True)
        home = str(run.parents[3])
        (run / ADAPTER / "adapter_model.safetensors").write_text((run / "recipe.toml").read_text().replace(home, ""))
        (run / PROOF).write_text('{"texts": []}')
        (run / DONE).touch()


async def fill(store: Store, home: Home, *bots: BotName) -> BotShelf:
    """Bots, and shipped conversations for each."""
    folder = home.root / "bots"
    folder.mkdir(exist_ok=True)
    for bot in bots:
        (folder / f"{bot}.toml").write_text(FILE.format(name=bot))
        for name, rows, is_held_out in (("train.jsonl", TRAINING_ROWS, False), ("heldout.jsonl", HELD_OUT_ROWS, True)):
            parsed = read_conversations((DATA / name).read_text().splitlines()[:rows])
            good = [line for line in parsed if isinstance(line, ParsedConversation)]
            keep = partial(import_conversations, bot=bot, conversations=good, is_held_out=is_held_out, at=utc_now())
            await store.write(keep)
    return BotShelf(folder)


def server_of(
    store: Store, engine: EchoEngine, home: Home, *, max_adapters: int = 4, base_model: str = "none",
    search: SearchApart = find_nothing,
) -> tuple[NightRunner, Rollout]:  # fmt: skip
    """What a start makes of record and files."""
    rollout = Rollout(store, engine, home=home, max_adapters=max_adapters, prove=take_on_trust)
    limits = NightLimits(training_timeout_s=60, min_free_gib=0, max_lora_rank=16)
    runner = NightRunner(
        store, engine, rollout, shelf=BotShelf(home.root / "bots"), home=home, base_model=base_model, limits=limits,
        search=search, pauses_s=(0.0, 0.01, 0.01),
    )  # fmt: skip
    return runner, rollout


async def end_state(store: Store, home: Home, rollout: Rollout) -> dict[str, Any]:
    """What an operator would look at when the nights of `support` are over; neither ids nor times, fit for JSON."""
    had = await store.read(partial(cycles.list_cycles, bot=SUPPORT))
    adapters = await store.read(partial(registry.adapters, bot=SUPPORT))
    verdicts = await store.read(partial(registry.evaluations, bot=SUPPORT))
    audit = await store.read(partial(events.list_events, bot=SUPPORT, limit=1_000))
    nights = {cycle.cycle_id: home.cycle(SUPPORT, cycle.cycle_id) for cycle in had}
    return {
        "cycles": [[c.state, c.step, c.progress, c.outcome, c.candidate, list(c.reasons), c.figures_json] for c in had],
        "stages": {str(a.name): [a.stage, a.content_hash, a.has_passing_verdict] for a in adapters},
        "route": [str(part) for part in rollout.route(SUPPORT)],
        "moves": await store.read(partial(registry.count_moves, bot=SUPPORT)),
        "verdicts": [[v.outcome, v.candidate, v.moves, v.promoted_at is not None] for v in verdicts],
        "audit": sorted([e.actor, e.action, "the night" if e.subject in nights else e.subject] for e in audit),
        "morning": [(folder / "morning.md").read_text() for folder in nights.values()],
        "weights": [hash_file(home.root / a.folder / "adapter_model.safetensors") for a in adapters],
    }
