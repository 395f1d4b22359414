"""A whole model that answers alone goes live and comes back by a change of the engine, which somebody allowed; whatever
fails in it leaves who answered before, and the audit says so."""

from functools import partial

import pytest

from collect import cycles, events, registry
from collect.store import Store
from deploy.proof import AdapterFiles
from deploy.rollout import Rollout
from deploy.seat import Sitter
from nightschool.echo import EchoEngine
from nightschool.engine import Engine
from nightschool.errors import Busy, EngineError, NeedsPause, Unavailable
from nightschool.home import Home
from nightschool.records import Adapter, AdapterName, BotName, Cycle, CycleState, Event, Stage, new_id, utc_now

from ..fake_seat import FakeSeat

BOT, OTHER = BotName("support"), BotName("docs")


class Proof:
    """Finds what it is told to be unlike what it should be."""

    def __init__(self) -> None:
        self.unlike = ""

    async def __call__(self, _engine: Engine, model: str, _files: AdapterFiles) -> None:
        if model == self.unlike:
            raise EngineError("the engine's answers are not those of it", subject=model, remedy="Bring it again.")


@pytest.fixture
def seat() -> FakeSeat:
    return FakeSeat()


@pytest.fixture
def proof() -> Proof:
    return Proof()


@pytest.fixture
def rollout(store: Store, engine: EchoEngine, home: Home, seat: FakeSeat, proof: Proof) -> Rollout:
    return Rollout(store, engine, home=home, max_adapters=3, max_whole=2, prove=proof, seat=seat)


@pytest.fixture
def moving(seat: FakeSeat, proof: Proof) -> tuple[FakeSeat, Proof]:
    return seat, proof


async def register(store: Store, home: Home, version: int, *, bot: BotName = BOT, alone: bool = False) -> Adapter:
    folder = f"adapters/{bot}/{version}"
    (home.root / folder).mkdir(parents=True)
    for name in ("alone", "config.json") if alone else ("adapter_config.json",):
        (home.root / folder / name).write_text("{}")
    adapter = Adapter(bot, version, f"{bot}{version}", folder, Stage.CANDIDATE, "cycle", "data", utc_now())
    event = Event(new_id(), utc_now(), bot, "test", "registered", str(adapter.name), "")
    await store.write(partial(registry.register_adapter, adapter=adapter, event=event))
    return adapter


async def stages(store: Store, bot: BotName = BOT) -> dict[int, str]:
    return {a.version: a.stage.value for a in await store.read(partial(registry.adapters, bot=bot))}


async def told(store: Store) -> list[tuple[str, str, str]]:
    found = await store.read(partial(events.list_events, bot=BOT))
    return [(event.actor, event.subject, event.reason) for event in found if event.action == "not-served"]


async def test_it_goes_live_and_back_only_where_a_pause_is_allowed(
    store: Store, home: Home, rollout: Rollout, seat: FakeSeat
) -> None:
    await register(store, home, 1)
    await rollout.promote(BOT, actor="ada", reason="better")
    await register(store, home, 2, alone=True)
    with pytest.raises(
        NeedsPause, match=r"support@2 answers alone.*nobody is answered for about 47 s.*no other bot.*--yes"
    ):
        await rollout.promote(BOT, actor="ada", reason="better")
    assert (seat.given, str(rollout.route(BOT).name)) == ([], "support@1")
    await rollout.promote(BOT, may_pause=True, actor="ada", reason="better")
    assert (seat.given, str(rollout.route(BOT).name)) == (["support@2"], "support@2")
    assert await stages(store) == {1: "previous", 2: "production"}
    with pytest.raises(NeedsPause, match="started again with the base model; nobody is answered for about 47 s"):
        await rollout.rollback(BOT, actor="ada", reason="better")
    await rollout.rollback(BOT, may_pause=True, actor="ada", reason="better")
    assert (seat.given, str(rollout.route(BOT).name)) == (["support@2", "base"], "support@1")
    assert await stages(store) == {1: "production", 2: "retired"}
    assert await told(store) == []


async def test_to_the_base_model_itself_too(store: Store, home: Home, rollout: Rollout, seat: FakeSeat) -> None:
    await register(store, home, 1, alone=True)
    await rollout.promote(BOT, may_pause=True, actor="ada", reason="better")
    route = await rollout.rollback(BOT, may_pause=True, actor="ada", reason="better")
    assert (seat.given, str(route.name), await stages(store)) == (["support@1", "base"], "support@base", {1: "retired"})


async def test_a_version_on_the_base_model_takes_its_place(
    store: Store, home: Home, rollout: Rollout, seat: FakeSeat
) -> None:
    await register(store, home, 1, alone=True)
    await rollout.promote(BOT, may_pause=True, actor="ada", reason="better")
    await register(store, home, 2)
    await rollout.promote(BOT, may_pause=True, actor="ada", reason="better")
    assert (seat.given[-1], await stages(store)) == ("base", {1: "previous", 2: "production"})
    await rollout.rollback(BOT, may_pause=True, actor="ada", reason="better")
    assert (seat.given[-1], await stages(store)) == ("support@1", {1: "production", 2: "retired"})


@pytest.mark.parametrize("fault", ["start", "proof"])
async def test_what_does_not_come_up_or_is_not_what_it_claims_leaves_who_answered(
    store: Store, home: Home, rollout: Rollout, moving: tuple[FakeSeat, Proof], fault: str
) -> None:
    seat, proof = moving
    await register(store, home, 1)
    await rollout.promote(BOT, actor="ada", reason="better")
    await register(store, home, 2, alone=True)
    if fault == "start":
        seat.fault = "its engine did not start (no such file)"
    else:
        proof.unlike = "support@2"
    with pytest.raises(EngineError):
        await rollout.promote(BOT, may_pause=True, actor="ada", reason="better")
    assert (seat.sitter, str(rollout.route(BOT).name)) == (None, "support@1")
    assert await stages(store) == {1: "production", 2: "candidate"}
    [(actor, subject, reason)] = await told(store)
    assert (actor, subject) == ("ada", "support@2")
    assert reason.endswith("the base model has the engine again.")
    assert ("did not start" if fault == "start" else "not those of it") in reason


async def test_a_rollback_whose_engine_does_not_start_moves_nothing(
    store: Store, home: Home, rollout: Rollout, seat: FakeSeat
) -> None:
    await register(store, home, 1, alone=True)
    await rollout.promote(BOT, may_pause=True, actor="ada", reason="better")
    seat.fault = "its engine did not start"
    with pytest.raises(EngineError):
        await rollout.rollback(BOT, may_pause=True, actor="ada", reason="better")
    assert (seat.sitter and str(seat.sitter.name), await stages(store)) == ("support@1", {1: "production"})
    [(_, subject, reason)] = await told(store)
    assert (subject, reason.endswith("support@1 has the engine again.")) == ("support@base", True)


async def test_while_it_answers_nothing_takes_its_place_but_its_own_bot(
    store: Store, home: Home, rollout: Rollout, seat: FakeSeat
) -> None:
    await register(store, home, 1, alone=True)
    await rollout.promote(BOT, may_pause=True, actor="ada", reason="better")
    for version, alone in ((1, False), (2, True)):
        await register(store, home, version, bot=OTHER, alone=alone)
        with pytest.raises(Busy, match=r"support@1: answers alone. Roll it back first"):
            await rollout.promote(OTHER, version=version, may_pause=True, actor="ada", reason="better")
    assert (seat.given, await stages(store, OTHER)) == (["support@1"], {1: "candidate", 2: "candidate"})
    with pytest.raises(Unavailable, match="needs the base model, in whose place support@1 answers alone"):
        rollout.seating.check_base("night of docs")


async def test_no_night_loses_its_engine(store: Store, home: Home, rollout: Rollout, seat: FakeSeat) -> None:
    night = Cycle(new_id(), OTHER, "operator", None, CycleState.RUNNING, "train", 0.5, utc_now())
    await store.write(partial(cycles.begin_night, cycle=night, actor="ada"))
    await register(store, home, 1, alone=True)
    with pytest.raises(Busy, match=r"docs: has a night under way. Wait until it has ended"):
        await rollout.promote(BOT, may_pause=True, actor="ada", reason="better")
    assert seat.given == []


async def test_a_start_gives_the_engine_to_whom_the_record_says_and_loads_nothing_that_cannot_be(
    store: Store, home: Home, engine: EchoEngine, rollout: Rollout, proof: Proof
) -> None:
    await register(store, home, 1)
    await register(store, home, 1, bot=OTHER)
    for bot in (BOT, OTHER):
        await rollout.promote(bot, actor="ada", reason="better")
    await register(store, home, 2, alone=True)
    killed_before = FakeSeat()
    again = Rollout(store, engine, home=home, max_adapters=3, prove=proof, seat=killed_before)
    await again.seating.begin()
    assert killed_before.sitter is None
    await rollout.promote(BOT, may_pause=True, actor="ada", reason="better")
    killed_behind, fresh = FakeSeat(), EchoEngine()
    again = Rollout(store, fresh, home=home, max_adapters=3, max_whole=1, prove=proof, seat=killed_behind)
    await again.seating.begin()
    assert killed_behind.sitter == Sitter(AdapterName(BOT, 2), home.root / "adapters/support/2")
    await again.restore()
    assert (str(again.route(BOT).name), set(await fresh.loaded_adapters())) == ("support@2", {"support@2"})


async def test_an_engine_that_is_not_ours_is_not_changed(store: Store, home: Home, engine: EchoEngine) -> None:
    rollout = Rollout(store, engine, home=home, max_adapters=3, prove=Proof())
    await register(store, home, 1, alone=True)
    with pytest.raises(Unavailable, match=r"answers alone, for which the engine must be the server's own"):
        await rollout.promote(BOT, may_pause=True, actor="ada", reason="better")
