"""What a night decided stays: later nights, other seeds and other shares move only what is new."""

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from collect import registry
from collect.formats.read import ParsedConversation
from collect.imports import import_conversations
from collect.store import Store
from deploy.cycle import NightLimits, NightRunner
from deploy.known import find_trained
from deploy.proof import take_on_trust
from deploy.rollout import Rollout
from nightschool.bots import BotShelf
from nightschool.echo import EchoEngine
from nightschool.files import write_atomic
from nightschool.home import Home
from nightschool.records import Adapter, BotName, ChatMessage, Event, Stage

BOT = BotName("support")
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
FILE = (
    'name = "support"\ntitle = "Fern"\nsystem_prompt = "Help."\n'
    '[privacy]\nmask = "off"\n[recipe]\nmin_examples = 100000\n'
)
WORDS = "amber birch cedar dune elm fern grove heath iris jade kelp lotus moss nettle oak pine quince reed"


async def take_in(store: Store, *, start: int, count: int) -> None:
    talks = []
    for number in range(start, start + count):
        plants = WORDS.split()
        words = [plants[(number * step + step * step) % len(plants)] for step in range(2, 9)]
        said = ChatMessage(role="user", content=f"what about {' '.join(words)} {number}")
        answer = ChatMessage(role="assistant", content=f"{' '.join(reversed(words))} it is, number {number}")
        talks.append(ParsedConversation(number, (said, answer)))
    at = NOON - timedelta(hours=1)
    await store.write(partial(import_conversations, bot=BOT, conversations=talks, is_held_out=None, at=at))


async def sides(store: Store) -> dict[str, str]:
    return dict(await store.read(lambda c: c.execute("select conversation_id, side from sides").fetchall()))


def runner_of(store: Store, home: Home, folder: Path, *, recipe: str) -> NightRunner:
    write_atomic(folder / "bots" / "support.toml", FILE + recipe)
    engine = EchoEngine()
    rollout = Rollout(store, engine, home=home, max_adapters=3, prove=take_on_trust)
    limits = NightLimits(training_timeout_s=60, min_free_gib=0, max_lora_rank=16)
    shelf = BotShelf(folder / "bots")
    return NightRunner(
        store, engine, rollout, shelf=shelf, home=home, base_model="none", limits=limits, now=lambda: NOON
    )


async def run_night(runner: NightRunner) -> None:
    await runner.run(await runner.claim(BOT, trigger="operator", actor="ada"))


async def test_a_night_keeps_its_sides_and_a_later_one_decides_only_what_is_new(
    store: Store, home: Home, tmp_path: Path
) -> None:
    await take_in(store, start=0, count=60)
    first = runner_of(store, home, tmp_path, recipe="")
    await first.plan(BOT)
    assert await sides(store) == {}, "a dry run decides nothing"
    await run_night(first)
    decided = await sides(store)
    assert len(decided) == 60
    assert set(decided.values()) == {"train", "held-out"}
    await take_in(store, start=60, count=60)
    await run_night(runner_of(store, home, tmp_path, recipe="held_out_share = 0.6\nsplit_seed = 3\n"))
    later = await sides(store)
    assert len(later) == 120
    assert {name: later[name] for name in decided} == decided


async def test_what_production_was_trained_on_is_asked_of_nobody(store: Store, home: Home, tmp_path: Path) -> None:
    await take_in(store, start=0, count=60)
    runner = runner_of(store, home, tmp_path, recipe="")
    data = (await runner.plan(BOT)).data
    await run_night(runner)
    assert await find_trained(store, home, bot=BOT) == frozenset()
    adapter = Adapter(BOT, 1, "abc", "adapters/support/abc", Stage.PRODUCTION, "n", data.content_hash, NOON)
    event = Event("e", NOON, BOT, "ada", "registered", "support@1", "")
    await store.write(partial(registry.register_adapter, adapter=adapter, event=event))
    trained = await find_trained(store, home, bot=BOT)
    assert trained == {name for name, side in (await sides(store)).items() if side == "train"}
    # A record from before sides were kept: production's own dataset says what it was trained on.
    await store.write(lambda cursor: cursor.execute("delete from sides"))
    await run_night(runner_of(store, home, tmp_path, recipe="held_out_share = 0.9\nsplit_seed = 3\n"))
    assert {(await sides(store))[name] for name in trained} == {"train"}
