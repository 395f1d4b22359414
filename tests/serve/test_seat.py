"""The one place of an engine: one is ended before the other starts, nobody is let through meanwhile, and whatever fails
gives it back."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from deploy.seat import Sitter
from nightschool.errors import EngineError, EngineStarting, Unavailable
from nightschool.records import AdapterName, BotName
from serve.seat import POLL_S, TRIES, EngineSeat, OnReady
from serve.vllm.supervisor import EngineState, EngineStatus

NAME = "support@3"


class FakeKeeper:
    """Answers once `starts` is set, or is down; calls `on_ready` as a supervisor does."""

    def __init__(self, house: "House", name: str, on_ready: OnReady) -> None:
        self.status = EngineStatus(EngineState.STARTING, starts=1)
        self._house, self._name, self._on_ready = house, name, on_ready

    async def run(self) -> None:
        self._house.log.append(f"{self._name} starts")
        try:
            if self._name in self._house.broken:
                self.fail(starts=1)
                await asyncio.Event().wait()
            await self._house.may_start.wait()
            await self._on_ready()
            self.status = EngineStatus(EngineState.READY, starts=1)
            await asyncio.Event().wait()
        finally:
            self._house.log.append(f"{self._name} ends")

    def fail(self, *, starts: int) -> None:
        self.status = EngineStatus(EngineState.DOWN, "no such file", starts)


class House:
    def __init__(self) -> None:
        self.log: list[str] = []
        self.broken: set[str] = set()
        self.may_start = asyncio.Event()
        self.may_start.set()
        self.seat = EngineSeat(self.keep, drain_s=5)
        self.seat.tell_ready(self.go_on)

    def keep(self, sitter: Sitter | None, on_ready: OnReady) -> FakeKeeper:
        self.keeper = FakeKeeper(self, str(sitter.name) if sitter else "base", on_ready)
        return self.keeper

    async def go_on(self) -> None:
        self.log.append("goes on")

    async def until(self, state: EngineState) -> None:
        async with asyncio.timeout(5):
            while self.seat.status.state is not state:
                await asyncio.sleep(0.01)


@pytest.fixture
async def house() -> AsyncGenerator[House]:
    house = House()
    running = asyncio.create_task(house.seat.run())
    await house.until(EngineState.READY)
    yield house
    running.cancel()
    await asyncio.wait({running})


@pytest.fixture
def sitter(tmp_path: Path) -> Sitter:
    (tmp_path / "alone").write_text("")
    return Sitter(AdapterName(BotName("support"), 3), tmp_path)


async def test_one_is_ended_before_the_other_starts_and_what_follows_waits_for_the_record(
    house: House, sitter: Sitter
) -> None:
    async with house.seat.changed_to(sitter):
        assert house.log == ["base starts", "goes on", "base ends", f"{NAME} starts"]
        assert house.seat.status.state is EngineState.STARTING
        house.seat.check(NAME)  # its proof
        house.log.append("moved")
    await house.until(EngineState.READY)
    assert house.log[-2:] == ["moved", "goes on"]
    assert (house.seat.status.alone, house.seat.status.starts) == (NAME, 2)
    assert house.seat.pause_s is not None


async def test_who_asks_meanwhile_is_told_when_to_come_again_and_an_answer_is_ended_first(
    house: House, sitter: Sitter
) -> None:
    house.may_start.clear()

    async def change() -> None:
        async with house.seat.changed_to(sitter):
            pass

    with house.seat.answering("base"):
        changing = asyncio.create_task(change())
        await house.until(EngineState.STARTING)
        with pytest.raises(EngineStarting, match="engine: is starting") as caught, house.seat.answering("base"):
            pass
        assert (caught.value.status, 1 <= caught.value.retry_after_s <= 60) == (503, True)
        assert house.log[-1] == "goes on"
    while house.log[-1] != f"{NAME} starts":
        await asyncio.sleep(0.01)
    house.may_start.set()
    await changing
    with house.seat.answering(NAME):
        pass
    for other in ("base", "docs@1"):
        with pytest.raises(Unavailable, match=f"{other}: has no engine while {NAME} answers alone"), (
            house.seat.answering(other)
        ):  # fmt: skip
            pass


async def test_an_answer_that_never_ends_holds_no_change_up(sitter: Sitter) -> None:
    house = House()
    house.seat = EngineSeat(house.keep, drain_s=0.01)
    house.seat.tell_ready(house.go_on)
    running = asyncio.create_task(house.seat.run())
    await house.until(EngineState.READY)
    with house.seat.answering("base"):
        async with house.seat.changed_to(sitter):
            assert house.log[-1] == f"{NAME} starts"
    running.cancel()
    await asyncio.wait({running})


async def test_one_that_does_not_start_gives_it_back(house: House, sitter: Sitter) -> None:
    house.broken.add(NAME)
    with pytest.raises(EngineError, match=rf"{NAME}: its engine did not start \(no such file\)"):
        async with house.seat.changed_to(sitter):
            raise AssertionError("nothing is done with it")
    await house.until(EngineState.READY)
    assert house.log[2:] == ["base ends", f"{NAME} starts", f"{NAME} ends", "base starts", "goes on"]
    assert (house.seat.sitter, house.seat.status.alone) == (None, "")


async def test_one_that_fails_its_proof_gives_it_back(house: House, sitter: Sitter) -> None:
    with pytest.raises(RuntimeError, match="no proof"):
        async with house.seat.changed_to(sitter):
            raise RuntimeError("no proof")
    await house.until(EngineState.READY)
    assert (house.log[-2:], house.seat.sitter) == (["base starts", "goes on"], None)


async def test_back_to_the_base_model_it_is_the_same(house: House, sitter: Sitter, tmp_path: Path) -> None:
    async with house.seat.changed_to(sitter):
        pass
    await house.until(EngineState.READY)
    assert house.seat.holds(NAME, tmp_path)
    with pytest.raises(Unavailable, match="has no engine while"):
        house.seat.holds("docs@1", tmp_path / "adapter")
    async with house.seat.changed_to(None):
        assert house.log[-2:] == [f"{NAME} ends", "base starts"]
    with pytest.raises(Unavailable, match=f"{NAME}: answers alone, so it is loaded only as it goes live"):
        house.seat.holds(NAME, tmp_path)
    assert not house.seat.holds("docs@1", tmp_path / "adapter")


async def test_the_engine_starts_with_whoever_has_it(sitter: Sitter) -> None:
    house = House()
    house.seat.begin_with(sitter)
    with pytest.raises(EngineStarting), house.seat.answering(NAME):
        pass
    running = asyncio.create_task(house.seat.run())
    await house.until(EngineState.READY)
    running.cancel()
    await asyncio.wait({running})
    assert house.log == [f"{NAME} starts", "goes on", f"{NAME} ends"]


async def gives_up(house: House) -> Sitter | None:
    """Who does not start; None where nothing is said about that for a while."""
    try:
        async with asyncio.timeout(5 * POLL_S):
            return await house.seat.until_it_does_not_start()
    except TimeoutError:
        return None


async def test_a_sitter_that_does_not_start_is_given_up_after_some_tries(sitter: Sitter) -> None:
    house = House()
    house.broken.add(NAME)
    house.seat.begin_with(sitter)
    running = asyncio.create_task(house.seat.run())
    await house.until(EngineState.DOWN)
    house.keeper.fail(starts=TRIES - 1)
    assert await gives_up(house) is None
    house.keeper.fail(starts=TRIES)
    assert await gives_up(house) == sitter
    async with house.seat.changed_to(None):
        assert await gives_up(house) is None
    running.cancel()
    await asyncio.wait({running})


async def test_one_that_died_has_its_tries_anew_and_the_base_model_is_never_given_up(
    house: House, sitter: Sitter
) -> None:
    house.keeper.fail(starts=9)
    assert await gives_up(house) is None
    async with house.seat.changed_to(sitter):
        pass
    await house.until(EngineState.READY)
    house.keeper.fail(starts=TRIES)  # the first of them answered
    assert await gives_up(house) is None
    house.keeper.fail(starts=TRIES + 1)
    assert await gives_up(house) == sitter
