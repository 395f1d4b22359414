"""Let a trainer take the steps that fit before a moment, and its learning rate fall with them.

Works on what transformers' trainer hands its callbacks, so it knows no method. How many steps fit is `tune.pace`'s.
"""

import time
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback

from tune.pace import Pace
from tune.team import Team


class KeepPace(TrainerCallback):
    """Ends the run with a checkpoint at the step at which `pace` does."""

    def __init__(
        self, pace: Pace, *, deadline_s: float, clock: Callable[[], float] = time.time, team: Team = Team()
    ) -> None:
        self._pace, self._deadline_s, self._clock, self._team = pace, deadline_s, clock, team
        self._began_s = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ARG002 - their names
        scheduler = given["lr_scheduler"]
        scheduler.lr_lambdas = [self._along(curve, steps=state.max_steps) for curve in scheduler.lr_lambdas]
        state.max_steps = self._pace.steps

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._began_s = self._clock()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        now_s = self._clock()
        # By one clock all come to the same plan.
        seconds, left_s = self._team.of_first((now_s - self._began_s, self._deadline_s - now_s))
        self._pace.see(state.global_step, seconds=seconds, left_s=left_s)
        state.max_steps = self._pace.steps
        if state.global_step >= state.max_steps:
            control.should_training_stop, control.should_save = True, self._team.is_first

    def _along(self, curve: Callable[[float], float], *, steps: int) -> Callable[[int], float]:
        """The same curve, run through as the pace says."""

        def factor(step: int) -> float:
            return curve(self._pace.share_at(step) * steps)

        return factor
