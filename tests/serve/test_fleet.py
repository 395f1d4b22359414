"""A whole model is loaded by starting an engine for it, asked by its name, and ended when it is unloaded."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from deploy.seat import Sitter
from nightschool.echo import EchoEngine
from nightschool.engine import ChatRequest
from nightschool.errors import Busy, EngineError, EngineStarting, TooLittleMemory, Unavailable
from nightschool.records import AdapterName, BotName, ChatMessage, Sampling
from serve.fleet import Fleet, Launched, open_fleet
from serve.seat import EngineSeat, OnReady
from serve.vllm.supervisor import EngineState, EngineStatus

NAME = "support@3"


class FakeKeeper:
    """Starts at once, or fails as it is told. `die` is what `kill -9` does, `come_up` what a supervisor does then."""

    def __init__(self, on_ready: OnReady, *, fault: str) -> None:
        self.status = EngineStatus(EngineState.STARTING)
        self._on_ready = on_ready
        self._fault = fault
        self.is_over = False
        self.crash = asyncio.Event()

    async def run(self) -> None:
        if self._fault == "full disk":
            raise OSError("no space left")
        if self._fault == "hangs":
            await asyncio.Event().wait()
        if self._fault:
            self.status = EngineStatus(EngineState.DOWN, self._fault)
        else:
            await self.come_up()
        await self.crash.wait()
        raise OSError("no space left")

    async def come_up(self) -> None:
        await self._on_ready()
        self.status = EngineStatus(EngineState.READY, starts=self.status.starts + 1)

    def die(self) -> None:
        self.status = EngineStatus(EngineState.DOWN, "exit code -9", self.status.starts)


class Machine:
    """What the fleet has started on it."""

    def __init__(self) -> None:
        self.base = EchoEngine()
        self.seat = EngineSeat(lambda _sitter, on_ready: FakeKeeper(on_ready, fault=""))
        self.keepers: dict[str, FakeKeeper] = {}
        self.fault = ""
        self.room = 2

    @asynccontextmanager
    async def launch(self, name: str, folder: Path, on_ready: OnReady) -> AsyncIterator[Launched]:
        engine, keeper = EchoEngine(), FakeKeeper(on_ready, fault=self.fault)
        await engine.load_adapter(name, folder)
        self.keepers[name] = keeper
        try:
            yield Launched(engine, keeper)
        finally:
            keeper.is_over = True

    @asynccontextmanager
    async def open_fleet(self) -> AsyncIterator[Fleet]:
        up = asyncio.Event()

        async def on_ready() -> None:
            up.set()

        self.seat.tell_ready(on_ready)
        keeping = asyncio.create_task(self.seat.run())
        await up.wait()
        async with open_fleet(self.base, seat=self.seat, launch=self.launch, check_memory=self.check_memory) as fleet:
            yield fleet
        keeping.cancel()
        await asyncio.wait({keeping})

    def check_memory(self, _folder: Path, *, running: int) -> None:
        if running >= self.room:
            raise TooLittleMemory("needs 9 GiB", subject="whole model", remedy="Free some.")


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
async def fleet(machine: Machine) -> AsyncGenerator[Fleet]:
    opening = machine.open_fleet()
    done, opened = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def hold() -> None:  # entered and left in one task: pytest sets up and tears down in two
        async with opening as fleet:
            opened.set_result(fleet)
            await done.wait()

    holding = asyncio.create_task(hold())
    yield await opened
    done.set()
    await holding


@pytest.fixture
def whole(tmp_path: Path) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
        return tmp_path / name

    return make


async def ask(fleet: Fleet, model: str) -> str:
    request = ChatRequest((ChatMessage(role="user", content="hi"),), model, Sampling(), "r")
    async with aclosing(fleet.stream(request)) as deltas:
        return "".join([delta.text async for delta in deltas])


async def test_each_name_is_asked_where_it_is_served(
    fleet: Fleet, machine: Machine, whole: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = whole("model")
    await fleet.load_adapter(NAME, folder)
    await fleet.load_adapter("tutor@1", tmp_path / "adapter")
    assert await fleet.loaded_adapters() == {NAME: folder, "tutor@1": tmp_path / "adapter"}
    assert set(await machine.base.loaded_adapters()) == {"tutor@1"}
    said = [await ask(fleet, model) for model in (NAME, "tutor@1", "base")]
    assert said == ["[echo support@3] hi", "[echo tutor@1] hi", "[echo base] hi"]
    assert await fleet.token_logprobs(NAME, [1, 2]) == await EchoEngine().token_logprobs(NAME, [1, 2])
    assert await fleet.answer_logprobs(NAME, [1], [2]) == await fleet.token_logprobs(NAME, [1, 2])
    await fleet.load_adapter(NAME, folder)
    with pytest.raises(Busy, match="is loaded from"):
        await fleet.load_adapter(NAME, tmp_path / "elsewhere")
    await fleet.unload_adapter(NAME)
    assert (machine.keepers[NAME].is_over, set(await fleet.loaded_adapters())) == (True, {"tutor@1"})
    await fleet.unload_adapter(NAME)
    await fleet.unload_adapter("tutor@1")
    assert await fleet.loaded_adapters() == {}


@pytest.mark.parametrize("fault", ["vLLM ended while starting", "full disk"])
async def test_one_that_does_not_start_leaves_nothing(
    fleet: Fleet, machine: Machine, whole: Callable[[str], Path], fault: str
) -> None:
    machine.fault = fault
    with pytest.raises(EngineError, match="its engine did not start"):
        await fleet.load_adapter(NAME, whole("model"))
    assert (machine.keepers[NAME].is_over, await fleet.loaded_adapters()) == (True, {})
    assert await ask(fleet, "base") == "[echo base] hi"


async def test_one_that_is_given_up_while_it_starts_is_ended(
    fleet: Fleet, machine: Machine, whole: Callable[[str], Path]
) -> None:
    machine.fault = "hangs"
    loading = asyncio.create_task(fleet.load_adapter(NAME, whole("model")))
    while NAME not in machine.keepers:
        await asyncio.sleep(0.01)
    loading.cancel()
    await asyncio.wait({loading})
    assert (machine.keepers[NAME].is_over, fleet.whole_models()) == (True, {})


async def test_without_memory_none_is_started(fleet: Fleet, machine: Machine, whole: Callable[[str], Path]) -> None:
    machine.room = 1
    await fleet.load_adapter(NAME, whole("one"))
    with pytest.raises(TooLittleMemory, match="needs 9 GiB"):
        await fleet.load_adapter("support@4", whole("two"))
    assert list(machine.keepers) == [NAME]


async def test_one_that_dies_takes_no_other_along_and_is_proved_when_it_is_back(
    fleet: Fleet, machine: Machine, whole: Callable[[str], Path]
) -> None:
    told = asyncio.Event()

    async def on_change() -> None:
        await fleet.token_logprobs(NAME, [1, 2])  # as a proof does
        told.set()
        raise RuntimeError("whatever follows")

    fleet.tell_changes(on_change)
    folder = whole("model")
    await fleet.load_adapter(NAME, folder)
    assert not told.is_set()
    machine.keepers[NAME].die()
    with pytest.raises(EngineError, match="support@3: is down"):
        await ask(fleet, NAME)
    with pytest.raises(EngineError, match="started again by itself"):
        await fleet.load_adapter(NAME, folder)
    assert (await ask(fleet, "base"), fleet.whole_models()[NAME].state) == ("[echo base] hi", EngineState.DOWN)
    assert NAME in await fleet.loaded_adapters()  # so that nobody removes its files
    await machine.keepers[NAME].come_up()
    await told.wait()
    assert await ask(fleet, NAME) == "[echo support@3] hi"


async def test_one_whose_keeper_fails_is_not_loaded_any_more(
    fleet: Fleet, machine: Machine, whole: Callable[[str], Path]
) -> None:
    told = asyncio.Event()

    async def on_change() -> None:
        told.set()

    fleet.tell_changes(on_change)
    await fleet.load_adapter(NAME, whole("model"))
    machine.keepers[NAME].crash.set()
    await told.wait()
    assert (await fleet.loaded_adapters(), machine.keepers[NAME].is_over) == ({}, True)


async def test_who_has_the_place_to_itself_is_asked_and_nobody_else(
    fleet: Fleet, machine: Machine, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "alone"):
        (folder / name).write_text("{}")
    with pytest.raises(Unavailable, match=r"support@3: answers alone, so it is loaded only as it goes live"):
        await fleet.load_adapter(NAME, folder)
    await machine.base.load_adapter(NAME, folder)  # as the engine does that is started with it
    async with machine.seat.changed_to(Sitter(AdapterName(BotName("support"), 3), folder)):
        await fleet.load_adapter(NAME, folder)
        assert await fleet.token_logprobs(NAME, [1, 2])
        with pytest.raises(EngineStarting):
            await ask(fleet, NAME)
    assert (await ask(fleet, NAME), await fleet.loaded_adapters()) == ("[echo support@3] hi", {NAME: folder})
    for asking in (ask(fleet, "base"), fleet.token_logprobs("docs@1", [1]), fleet.load_adapter("docs@1", tmp_path)):
        with pytest.raises(Unavailable, match="has no engine while support@3 answers alone"):
            await asking
    await fleet.unload_adapter(NAME)  # what a failed proof does; the place is changed by whoever gave it
    assert NAME in await machine.base.loaded_adapters()


async def test_the_end_of_the_fleet_ends_all(machine: Machine, whole: Callable[[str], Path]) -> None:
    async with machine.open_fleet() as fleet:
        await fleet.load_adapter(NAME, whole("one"))
        await fleet.load_adapter("support@4", whole("two"))
    assert [keeper.is_over for keeper in machine.keepers.values()] == [True, True]
