"""What one night's exam leaves for the next. Record, dataset and exam are real, the engine knows the answers."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench.common.nightlab import SUPPORT, KnowingEngine, Trainer, fill, server_of
from collect.store import Store
from deploy.exam import find_kept
from nightschool.engine import ChatRequest
from nightschool.home import Home
from nightschool.records import BASE, Outcome


class Asked(KnowingEngine):
    """Remembers who was asked; `release` is what it says of itself."""

    def __init__(self) -> None:
        super().__init__()
        self.models: Counter[str] = Counter()
        self.release = "1"

    def stream(self, request: ChatRequest):  # type: ignore[no-untyped-def]
        self.models[request.model] += 1
        return super().stream(request)

    async def version(self) -> str:
        return self.release


async def test_from_the_second_night_on_the_candidate_alone_is_asked(
    store: Store, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt = "the same each night"

    async def train(run: Path, **options: Any) -> None:
        await Trainer()(run, **options)
        (run / "adapter" / "adapter_model.safetensors").write_text(learnt)

    monkeypatch.setattr("deploy.night.train", train)
    await fill(store, home, SUPPORT)
    engine = Asked()
    runner, _ = server_of(store, engine, home)
    first = await runner.run(await runner.claim(SUPPORT, trigger="operator", actor="ada"))
    assert first.outcome is Outcome.PROMOTE
    assert set(+engine.models) == {BASE, "support@1"}
    core = home.exam_core(SUPPORT).read_bytes()
    # Of the suites too.
    assert len(list(home.exam_answers(SUPPORT).glob("*/*.suites.jsonl"))) == 2
    engine.models.clear()
    copy = await runner.run(await runner.claim(SUPPORT, trigger="operator", actor="ada", force=True))
    assert (copy.outcome, set(+engine.models)) == (Outcome.REJECT, set())  # the same weights again
    learnt = "something else"
    third = await runner.run(await runner.claim(SUPPORT, trigger="operator", actor="ada", force=True))
    # As good as production and no better.
    assert third.outcome is Outcome.REJECT
    assert set(+engine.models) == {"support@3"}
    assert home.exam_core(SUPPORT).read_bytes() == core


async def test_other_base_models_and_other_engines_share_no_answers(home: Home, tmp_path: Path) -> None:
    engine = Asked()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    folders = {await find_kept(engine, home, bot=SUPPORT, base_model=model) for model in (str(tmp_path / "model"), "x")}
    engine.release = "2"
    folders.add(await find_kept(engine, home, bot=SUPPORT, base_model="x"))
    assert len(folders) == 3
