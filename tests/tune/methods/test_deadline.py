"""A trainer keeps its pace: it ends in time, with a checkpoint, at the end of its learning rate. The clock is ours."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tune.pace import Pace

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

PLANNED = 40


class Drill:
    """Goes through the motions of a trainer: callbacks and a cosine, no model."""

    def __init__(self, run: Path, *, step_s: float, deadline_s: float, resumed_at: int = 0) -> None:
        import torch
        from transformers import get_cosine_schedule_with_warmup

        from tune.methods.deadline import KeepPace

        self.now_s, self._step_s = 0.0, step_s
        pace = Pace(run, phase="sft", planned=PLANNED, resumed_at=resumed_at)
        self.keeper = KeepPace(pace, deadline_s=deadline_s, clock=lambda: self.now_s)
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        self.scheduler: Any = get_cosine_schedule_with_warmup(optimizer, 0, PLANNED)
        self.state = SimpleNamespace(global_step=resumed_at, max_steps=PLANNED)
        self.control = SimpleNamespace(should_training_stop=False, should_save=False)
        self.rates: list[float] = []

    def go(self) -> "Drill":
        self.keeper.on_train_begin(None, self.state, self.control, lr_scheduler=self.scheduler)
        for _ in range(self.state.global_step):
            self.step()
        while not self.control.should_training_stop:
            self.keeper.on_step_begin(None, self.state, self.control)
            self.rates.append(self.scheduler.get_last_lr()[0])
            self.now_s += self._step_s
            self.state.global_step += 1
            self.step()
            self.keeper.on_step_end(None, self.state, self.control)
        return self

    def step(self) -> None:
        self.scheduler.optimizer.step()
        self.scheduler.step()


def test_with_time_enough_it_is_a_plain_cosine(tmp_path: Path) -> None:
    drill = Drill(tmp_path, step_s=1, deadline_s=100).go()
    assert drill.state.global_step == PLANNED
    assert drill.rates[PLANNED // 2] == pytest.approx(0.5)


def test_late_it_ends_in_time_with_a_checkpoint_and_a_rate_near_zero(tmp_path: Path) -> None:
    drill = Drill(tmp_path, step_s=5, deadline_s=100).go()
    assert drill.now_s <= 100
    assert drill.state.global_step in range(15, 20)
    assert drill.control.should_save
    assert drill.rates == sorted(drill.rates, reverse=True)
    assert drill.rates[0] == 1
    assert drill.scheduler.get_last_lr()[0] < 0.05
