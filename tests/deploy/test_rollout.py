"""Routes flip at once, with a verdict or a reason, and the record always agrees with them."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from collect import events, holds, registry
from collect.store import Store
from deploy.proof import AdapterFiles, take_on_trust
from deploy.rollout import Rollout
from deploy.stages import move
from nightschool.echo import EchoEngine
from nightschool.engine import Engine
from nightschool.errors import Busy, EngineError, IllegalMove, InvalidInput, NotFound, Unavailable
from nightschool.home import Home
from nightschool.records import Adapter, BotName, Event, Outcome, Stage, new_id, utc_now

BOT = BotName("support")


@pytest.fixture
def rollout(store: Store, engine: EchoEngine, home: Home) -> Rollout:
    return Rollout(store, engine, home=home, max_adapters=3, prove=take_on_trust)


async def register(
    store: Store, version: int, *, bot: BotName = BOT, has_passed: bool = False, content_hash: str = ""
) -> None:
    folder = f"adapters/{bot}/{version}"
    adapter = Adapter(
        bot, version, content_hash or f"hash{version}", folder, Stage.CANDIDATE, "cycle", "data", utc_now(), has_passed
    )  # fmt: skip
    event = Event(new_id(), utc_now(), bot, "gate", "registered", str(adapter.name), "")
    await store.write(partial(registry.register_adapter, adapter=adapter, event=event))


async def stages(store: Store) -> dict[int, str]:
    return {a.version: a.stage.value for a in await store.read(partial(registry.adapters, bot=BOT))}


async def test_the_base_model_answers_until_something_was_promoted(rollout: Rollout) -> None:
    assert (str(rollout.route(BOT).name), rollout.route(BOT).model, rollout.route(BOT).adapter_hash) == (
        "support@base", "base", "",
    )  # fmt: skip


async def test_promotion_flips_the_route_and_keeps_the_version_before(store: Store, rollout: Rollout) -> None:
    for version in (1, 2, 3):
        await register(store, version)
        await rollout.promote(BOT, version=version, actor="ada", reason="better")
    assert rollout.route(BOT).adapter_hash == "hash3"
    assert await stages(store) == {1: "retired", 2: "previous", 3: "production"}
    said = [(e.subject, e.action) for e in await store.read(partial(events.list_events, bot=BOT))]
    assert ("support@3", "candidate->production") in said
    assert ("support@2", "production->previous") in said


async def test_rollback_goes_back_one_then_to_the_base_model(store: Store, rollout: Rollout) -> None:
    for version in (1, 2):
        await register(store, version)
        await rollout.promote(BOT, version=version, actor="ada", reason="better")
    assert str((await rollout.rollback(BOT, actor="ada", reason="too terse")).name) == "support@1"
    assert str((await rollout.rollback(BOT, actor="ada", reason="still")).name) == "support@base"
    assert await stages(store) == {1: "retired", 2: "retired"}
    with pytest.raises(Busy, match="base model already"):
        await rollout.rollback(BOT, actor="ada", reason="again")


async def test_a_retired_version_can_be_brought_back(store: Store, rollout: Rollout) -> None:
    await register(store, 1)
    await rollout.promote(BOT, actor="ada", reason="better")
    await rollout.rollback(BOT, actor="ada", reason="drill")
    await rollout.promote(BOT, version=1, actor="ada", reason="drill over")
    assert str(rollout.route(BOT).name) == "support@1"


@pytest.mark.parametrize("has_passed", [False, True])
async def test_nothing_goes_live_without_a_verdict_or_a_reason(
    store: Store, rollout: Rollout, has_passed: bool
) -> None:
    await register(store, 1, has_passed=has_passed)
    with pytest.raises(InvalidInput, match="needs a reason"):
        await rollout.promote(BOT, actor="ada", reason="  ")
    assert str(rollout.route(BOT).name) == "support@base"
    with pytest.raises(InvalidInput, match="needs a reason"):
        await rollout.rollback(BOT, actor="ada", reason="")


async def test_what_does_not_exist_or_is_live_already_is_said(store: Store, rollout: Rollout) -> None:
    with pytest.raises(NotFound, match="has no candidate"):
        await rollout.promote(BOT, actor="ada", reason="x")
    with pytest.raises(NotFound, match="support@7"):
        await rollout.promote(BOT, version=7, actor="ada", reason="x")
    await register(store, 1)
    await rollout.promote(BOT, actor="ada", reason="x")
    with pytest.raises(Busy, match="production already"):
        await rollout.promote(BOT, version=1, actor="ada", reason="x")


async def test_a_load_that_is_not_proved_changes_nothing(store: Store, engine: EchoEngine, home: Home) -> None:
    async def refuse(_engine: Engine, model: str, _files: AdapterFiles) -> None:
        raise EngineError("is another adapter", subject=model, remedy="")

    rollout = Rollout(store, engine, home=home, max_adapters=3, prove=refuse)
    await register(store, 1)
    with pytest.raises(EngineError):
        await rollout.promote(BOT, actor="ada", reason="x")
    assert await stages(store) == {1: "candidate"}
    assert str(rollout.route(BOT).name) == "support@base"
    assert await engine.loaded_adapters() == {}


async def test_what_the_engine_holds_already_is_proved_before_it_answers(
    store: Store, engine: EchoEngine, home: Home
) -> None:
    """An engine outlives its server, and two installations may share one: a name alone says nothing."""
    proved: list[str] = []

    async def note(_engine: Engine, model: str, _files: AdapterFiles) -> None:
        proved.append(model)

    await register(store, 1)
    await engine.load_adapter("support@1", home.root / "adapters/support/1")
    rollout = Rollout(store, engine, home=home, max_adapters=3, prove=note)
    await rollout.promote(BOT, actor="ada", reason="x")
    await rollout.route_to(BOT, 1)
    assert proved == ["support@1"]  # once: nothing changed since
    await rollout.restore()
    assert proved == ["support@1", "support@1"]  # the engine may be another one


async def test_a_name_that_the_engine_has_from_elsewhere_is_refused(
    store: Store, engine: EchoEngine, home: Home, rollout: Rollout
) -> None:
    await register(store, 1)
    await engine.load_adapter("support@1", home.root / "elsewhere")
    with pytest.raises(Busy, match="another folder"):
        await rollout.promote(BOT, actor="ada", reason="x")
    assert await stages(store) == {1: "candidate"}


async def test_a_restarted_engine_gets_its_adapters_back(store: Store, rollout: Rollout, home: Home) -> None:
    for version in (1, 2):
        await register(store, version)
        await rollout.promote(BOT, version=version, actor="ada", reason="better")
    fresh = EchoEngine()
    restored = Rollout(store, fresh, home=home, max_adapters=3, prove=take_on_trust)
    await restored.restore()
    assert set(await fresh.loaded_adapters()) == {"support@1", "support@2"}
    assert restored.route(BOT) == rollout.route(BOT)


async def test_room_is_made_by_unloading_what_is_not_live_or_in_use(
    store: Store, rollout: Rollout, engine: EchoEngine
) -> None:
    for version in (1, 2, 3, 4):
        await register(store, version)
    with rollout.lease(BOT, route=await rollout.route_to(BOT, 1)):
        await rollout.promote(BOT, version=2, actor="ada", reason="x")
        await rollout.route_to(BOT, 3)
        await rollout.route_to(BOT, 4)
        assert set(await engine.loaded_adapters()) == {"support@1", "support@2", "support@4"}


async def test_a_full_engine_says_so(store: Store, engine: EchoEngine, home: Home) -> None:
    rollout = Rollout(store, engine, home=home, max_adapters=1, prove=take_on_trust)
    for version in (1, 2):
        await register(store, version)
    await rollout.promote(BOT, version=1, actor="ada", reason="x")
    with pytest.raises(Busy, match="adapter slots are in use"):
        await rollout.route_to(BOT, 2)


async def test_bots_do_not_share_routes(store: Store, rollout: Rollout) -> None:
    await register(store, 1)
    await register(store, 1, bot=BotName("reviewer"))
    await rollout.promote(BOT, actor="ada", reason="x")
    assert str(rollout.route(BotName("reviewer")).name) == "reviewer@base"


async def test_a_tainted_version_serves_nobody(store: Store, rollout: Rollout) -> None:
    await register(store, 1)
    adapter = await store.read(partial(registry.adapter, bot=BOT, version=1))
    moved = move(adapter, Stage.TAINTED, actor="ada", reason="erased", at=utc_now())
    await store.write(partial(registry.store_moves, moves=[moved]))
    with pytest.raises(InvalidInput, match="is tainted"):
        await rollout.route_to(BOT, 1)
    with pytest.raises(IllegalMove):
        await rollout.promote(BOT, version=1, actor="ada", reason="x")


async def judge(store: Store, version: int, *, against: str = "", outcome: Outcome = Outcome.PROMOTE) -> str:
    """A verdict on the version as it would stand had its examination begun now; its id."""
    moves = await store.read(partial(registry.count_moves, bot=BOT))
    verdict = registry.Evaluation(
        new_id(), "cycle", BOT, version, outcome, ("passed: it",), "{}", "", utc_now(),
        candidate_hash=f"hash{version}", production_hash=against, moves=moves,
    )  # fmt: skip
    return (await store.write(partial(holds.keep_verdict, evaluation=verdict))).evaluation_id


async def test_a_passing_verdict_puts_its_candidate_live_once(store: Store, rollout: Rollout) -> None:
    await register(store, 1)
    verdict = await judge(store, 1)
    assert await rollout.promote_by_verdict(verdict) is None
    assert str(rollout.route(BOT).name) == "support@1"
    await rollout.rollback(BOT, actor="ada", reason="rude")
    assert await rollout.promote_by_verdict(verdict) is None
    assert str(rollout.route(BOT).name) == "support@base"


@pytest.mark.parametrize("outcome", [Outcome.REJECT, Outcome.INSUFFICIENT_DATA])
async def test_the_gate_promotes_nothing_without_a_passing_verdict(
    store: Store, rollout: Rollout, outcome: Outcome
) -> None:
    await register(store, 1, has_passed=True)
    with pytest.raises(InvalidInput, match="no passing verdict"):
        await rollout.promote_by_verdict(await judge(store, 1, outcome=outcome))
    with pytest.raises(InvalidInput, match="no passing verdict"):
        await rollout.promote_by_verdict("never-given")
    assert await stages(store) == {1: "candidate"}


async def test_a_rollback_holds_the_bot_until_an_operator_lifts_it(store: Store, rollout: Rollout) -> None:
    await register(store, 1)
    await rollout.promote(BOT, actor="ada", reason="better")
    await rollout.rollback(BOT, actor="ada", reason="it insults people")
    await register(store, 2)
    verdict = await judge(store, 2)
    objection = await rollout.promote_by_verdict(verdict)
    assert objection is not None
    assert "held" in objection
    assert "it insults people" in objection
    await rollout.release(BOT, actor="bob", reason="mended")
    assert await rollout.promote_by_verdict(verdict) is None
    said = [e.action for e in await store.read(partial(events.list_events, bot=BOT))]
    assert {"held", "released"} <= set(said)
    with pytest.raises(Busy, match="is not held"):
        await rollout.release(BOT, actor="bob", reason="again")


@pytest.mark.parametrize("how", ["rolled back", "rejected"])
async def test_refused_weights_never_come_back_by_themselves(store: Store, rollout: Rollout, how: str) -> None:
    await register(store, 1)
    if how == "rejected":
        await judge(store, 1, outcome=Outcome.REJECT)
    else:
        await rollout.promote(BOT, actor="ada", reason="better")
        await rollout.rollback(BOT, actor="ada", reason="rude")
        await rollout.release(BOT, actor="ada", reason="go on")
    await register(store, 2, content_hash="hash1")
    moves = await store.read(partial(registry.count_moves, bot=BOT))
    again = registry.Evaluation(
        "again", "c", BOT, 2, Outcome.PROMOTE, ("it",), "{}", "", utc_now(), candidate_hash="hash1", moves=moves
    )
    await store.write(partial(holds.keep_verdict, evaluation=again))
    objection = await rollout.promote_by_verdict("again")
    assert objection is not None
    assert "the same weights were refused" in objection


async def test_a_verdict_is_about_what_answered_when_the_examination_began(store: Store, rollout: Rollout) -> None:
    for version in (1, 2, 3):
        await register(store, version)
    await rollout.promote(BOT, version=1, actor="ada", reason="better")
    verdict = await judge(store, 3, against="hash1")
    await rollout.promote(BOT, version=2, actor="ada", reason="better still")
    objection = await rollout.promote_by_verdict(verdict)
    assert objection is not None
    assert "moved by an operator" in objection
    objection = await rollout.promote_by_verdict(await judge(store, 3, against="hash1"))
    assert objection is not None
    assert "not what the candidate was compared with" in objection
    assert str(rollout.route(BOT).name) == "support@2"


class Broken(EchoEngine):
    """Loads nothing that is named in `refused`."""

    refused: frozenset[str] = frozenset()

    async def load_adapter(self, name: str, folder: Path) -> None:
        if name in self.refused:
            raise EngineError("cannot be loaded", subject=name, remedy="")
        await super().load_adapter(name, folder)


@pytest.mark.parametrize(("broken", "answers"), [({2}, "support@1"), ({1, 2}, "support@base")])
async def test_rolling_back_passes_over_what_cannot_be_loaded(
    store: Store, home: Home, broken: set[int], answers: str
) -> None:
    engine = Broken()
    rollout = Rollout(store, engine, home=home, max_adapters=4, prove=take_on_trust)
    for version in (1, 2, 3):
        await register(store, version)
        await rollout.promote(BOT, version=version, actor="ada", reason="better")
    for version in broken:
        await engine.unload_adapter(f"support@{version}")
    engine.refused = frozenset(f"support@{version}" for version in broken)
    assert str((await rollout.rollback(BOT, actor="ada", reason="rude")).name) == answers
    assert (await stages(store))[3] == "retired"


async def test_version_0_is_the_base_model_and_a_version_that_never_was_live_is_no_way_back(
    store: Store, rollout: Rollout
) -> None:
    for version in (1, 2, 3):
        await register(store, version)
    for version in (1, 2):
        await rollout.promote(BOT, version=version, actor="ada", reason="better")
    with pytest.raises(InvalidInput, match="never was live"):
        await rollout.rollback(BOT, version=3, actor="ada", reason="x")
    assert str((await rollout.rollback(BOT, version=0, actor="ada", reason="x")).name) == "support@base"


async def test_production_that_did_not_load_is_tried_again_and_never_judged_without(store: Store, home: Home) -> None:
    engine = Broken()
    first = Rollout(store, engine, home=home, max_adapters=3, prove=take_on_trust)
    await register(store, 1)
    await first.promote(BOT, actor="ada", reason="better")
    fresh = Broken()
    fresh.refused = frozenset({"support@1"})
    rollout = Rollout(store, fresh, home=home, max_adapters=3, prove=take_on_trust)
    await rollout.restore()
    assert str(rollout.route(BOT).name) == "support@base"
    with pytest.raises(Unavailable, match="in production and cannot be loaded"):
        await rollout.production(BOT)
    fresh.refused = frozenset()
    task = asyncio.create_task(rollout.keep_settled(pauses_s=(0,)))
    async with asyncio.timeout(10):
        while str(rollout.route(BOT).name) != "support@1":
            await asyncio.sleep(0.01)
    task.cancel()
