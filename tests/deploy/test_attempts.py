"""A night that gained and forgot tries again with less of what it learnt."""

import asyncio
import shutil
from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from bench.common.nightlab import SUPPORT, KnowingEngine, Trainer, end_state, fill, server_of
from collect import registry
from collect.comparisons import comparisons
from collect.store import Store, open_store
from deploy import cycle as cycle_module
from deploy import night as night_module
from deploy.night import STEPS, Night, NightStep
from deploy.plan import NightFolder
from nightschool.engine import ChatRequest, Delta
from nightschool.files import publish
from nightschool.home import Home
from nightschool.records import Finish, Outcome, Stage
from nightschool.run_files import ADAPTER, PROOF, scaled_run


class Forgetful(KnowingEngine):
    """Adapters of a version before `recovers_at` say nothing to what suites ask."""

    def __init__(self, recovers_at: int) -> None:
        super().__init__()
        self._recovers_at = recovers_at

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        if request.request_id.startswith("suite-"):
            version = request.model.partition("@")[2]
            is_lost = version.isdigit() and int(version) < self._recovers_at
            yield Delta("hm" if is_lost else "sure", finish=Finish.STOP, completion_tokens=1)
            return
        async for delta in super().stream(request):
            yield delta


async def have_scaled(run: Path, scale: float) -> None:
    """In the place of `deploy.scaling.have_scaled`: other bytes."""
    target = scaled_run(run, scale)
    if (target / ADAPTER).exists():
        return
    shutil.copytree(run / ADAPTER, target / ADAPTER)
    (target / ADAPTER / "adapter_model.safetensors").write_text(f"{scale:g} of it")
    (target / PROOF).write_text('{"texts": []}')
    publish(target / ADAPTER, kind="adapter")


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    monkeypatch.setattr(night_module, "train", Trainer())
    monkeypatch.setattr(night_module, "have_scaled", have_scaled)
    home = Home(tmp_path)
    async with open_store(home.store, temp=home.temp, memory_gib=0.5, threads=1) as store:
        await fill(store, home, SUPPORT)
        write_golden(home)
        yield store


def write_golden(home: Home) -> None:
    golden = home.root / "golden.yaml"
    golden.write_text("cases:\n" + "".join(f"- {{id: c{n}, ask: is it {n}, must_say: [sure]}}\n" for n in range(20)))
    file = home.root / "bots" / f"{SUPPORT}.toml"
    file.write_text(f'{file.read_text()}[suites]\nrun = ["golden"]\ngolden = "{golden}"\n')


async def test_what_forgot_less_is_promoted_as_a_candidate_of_its_own(store: Store, tmp_path: Path) -> None:
    home = Home(tmp_path)
    runner, rollout = server_of(store, Forgetful(recovers_at=2), home)
    ended = await runner.run(await runner.claim(SUPPORT, trigger="operator", actor="ada"))
    assert (ended.outcome, ended.candidate) == (Outcome.PROMOTE, 2)
    assert ended.reasons[0] == "support@1 had gained and forgotten; support@2 is 0.75 of what was learnt."
    assert str(rollout.route(SUPPORT).model) == "support@2"
    adapters = await store.read(partial(registry.adapters, bot=SUPPORT))
    assert [(a.version, a.stage) for a in adapters] == [(2, Stage.PRODUCTION), (1, Stage.RETIRED)]
    judged = await store.read(partial(registry.evaluations, bot=SUPPORT))
    assert sorted((e.candidate, e.outcome) for e in judged) == [(1, Outcome.REJECT), (2, Outcome.PROMOTE)]
    # The year's false promotions are charged once.
    assert len(await store.read(partial(comparisons, bot=SUPPORT, except_cycle=""))) == 1
    folder = NightFolder(home.cycle(SUPPORT, ended.cycle_id))
    assert folder.evaluation.name == "evaluation-0.75"
    assert "0.75 of what was learnt" in (folder.root / "morning.md").read_text()
    assert "suite golden the candidate passes 20" in (folder.root / "morning.md").read_text()


async def test_what_forgets_at_every_strength_is_rejected(store: Store, tmp_path: Path) -> None:
    runner, rollout = server_of(store, Forgetful(recovers_at=9), Home(tmp_path))
    ended = await runner.run(await runner.claim(SUPPORT, trigger="operator", actor="ada"))
    assert (ended.outcome, ended.candidate) == (Outcome.REJECT, 3)
    assert ended.reasons[0].startswith("support@1 and support@2 had gained and forgotten; support@3 is 0.5")
    assert rollout.route(SUPPORT).model == "base"
    assert [e.outcome for e in await store.read(partial(registry.evaluations, bot=SUPPORT))] == [Outcome.REJECT] * 3


async def test_what_forgot_nothing_is_tried_once(store: Store, tmp_path: Path) -> None:
    runner, _ = server_of(store, Forgetful(recovers_at=0), Home(tmp_path))
    ended = await runner.run(await runner.claim(SUPPORT, trigger="operator", actor="ada"))
    assert (ended.outcome, ended.candidate) == (Outcome.PROMOTE, 1)
    assert ended.reasons[0].startswith("passed: ")


def test_a_night_whose_verdict_nobody_can_read_any_more_is_one_attempt(tmp_path: Path) -> None:
    """An older Nightschool's: its pages are still shown."""
    evaluation = tmp_path / "evaluation"
    evaluation.mkdir()
    (evaluation / "verdict.json").write_text('{"schema_version": 0}')
    publish(evaluation, kind="evaluation")
    assert NightFolder(tmp_path).evaluation == evaluation
    assert len(NightFolder(tmp_path).attempts) == 1


class Killed(BaseException):
    """Like kill -9 nothing of ours catches it."""


def test_killed_before_and_after_every_step_of_every_attempt_it_ends_as_undisturbed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(night_module, "train", Trainer())
    monkeypatch.setattr(night_module, "have_scaled", have_scaled)
    kills: list[tuple[str, int]] = []

    def deadly(step: NightStep) -> NightStep:
        """Deadly once before and once after each of its doings, as told by the version that the night is at."""

        async def do(night: Night) -> None:
            seen: set[tuple[str, int]] = set(kills)
            at = len(night._folder.attempts)
            if (f"before {step.name}", at) not in seen:
                kills.append((f"before {step.name}", at))
                raise Killed
            await step.do(night)
            if (f"after {step.name}", at) not in seen:
                kills.append((f"after {step.name}", at))
                raise Killed

        return step._replace(do=do)

    async def night(home: Home) -> dict[str, object]:
        async with open_store(home.store, temp=home.temp, memory_gib=0.5, threads=1) as store:
            await fill(store, home, SUPPORT)
            write_golden(home)
            runner, _ = server_of(store, Forgetful(recovers_at=3), home)
            await runner.claim(SUPPORT, trigger="operator", actor="ada")
        while True:
            async with open_store(home.store, temp=home.temp, memory_gib=0.5, threads=1) as store:
                runner, rollout = server_of(store, Forgetful(recovers_at=3), home)
                await rollout.restore()
                [cycle] = await runner.interrupted()
                try:
                    await runner.run(cycle)
                except Killed:
                    continue
                return await end_state(store, home, rollout)

    calm = asyncio.run(night(Home(tmp_path / "calm")))
    monkeypatch.setattr(cycle_module, "STEPS", tuple(map(deadly, STEPS)))
    killed = asyncio.run(night(Home(tmp_path / "killed")))
    assert ("after evaluate", 3) in kills
    assert len(kills) >= 20
    assert killed == calm
    assert killed["route"][0] == "support@3"  # type: ignore[index]
