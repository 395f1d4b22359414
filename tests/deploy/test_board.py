"""How far a training is, is shown while it trains and not a moment longer."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from bench.common.nightlab import SUPPORT, KnowingEngine, fill, server_of
from collect.store import Store
from deploy.board import Board
from nightschool.errors import TrainingFailed
from nightschool.home import Home
from nightschool.records import BotName
from tune.progress import TrainingProgress

AT = TrainingProgress("sft", 4, 8, 1.5, 1e-4, 500.0, spent_s=3.0, eta_s=1.0)


def test_it_is_wiped_off_however_the_training_ends() -> None:
    board = Board()
    board.show(BotName("other"), AT)
    with suppress(TrainingFailed), board.training(SUPPORT):
        board.show(SUPPORT, AT)
        assert set(board.shown) == {SUPPORT, "other"}
        raise TrainingFailed("diverged", subject="run", remedy="Lower the learning rate.")
    assert set(board.shown) == {"other"}
    with board.training(SUPPORT):
        pass  # not one step


async def test_a_night_shows_its_training_and_the_share_that_is_done(
    store: Store, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(store, home, SUPPORT)
    runner, _ = server_of(store, KnowingEngine(), home)
    seen: list[TrainingProgress] = []

    async def train(_: Path, *, on_progress: Callable[[TrainingProgress], None], **__: object) -> None:
        on_progress(AT)
        seen.append(runner.board.shown[SUPPORT])
        raise TrainingFailed("diverged", subject="run", remedy="Lower the learning rate.")

    monkeypatch.setattr("deploy.night.train", train)
    ended = await runner.run(await runner.claim(SUPPORT, trigger="operator", actor="boss"))
    assert (ended.step, ended.progress) == ("train", 0.75)
    assert seen == [AT]
    assert not runner.board.shown
