"""A night is judged by what will be trained: rows that fit, not rows that were found."""

from functools import partial

import pytest

from bench.common.nightlab import SUPPORT, KnowingEngine, fill, server_of
from collect.store import Store
from deploy import night as night_steps
from deploy.training import train
from nightschool.home import Home
from nightschool.records import CycleState, Outcome

from .test_training import trainer

SAID = "12 of 30 training rows are left within recipe.max_tokens = 32; recipe.min_examples asks for 20"


async def test_a_night_whose_rows_do_not_fit_says_so_and_moves_nothing(
    store: Store, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = trainer(f"echo '{SAID}' > INSUFFICIENT; exit 1")
    monkeypatch.setattr(night_steps, "train", partial(train, command=command))
    await fill(store, home, SUPPORT)
    runner, rollout = server_of(store, KnowingEngine(), home)
    for _ in "ab":  # the second night begins anew and finds the same
        night = await runner.run(await runner.claim(SUPPORT, trigger="operator", actor="ada"))
        assert (night.state, night.outcome, night.candidate) == (CycleState.DONE, Outcome.INSUFFICIENT_DATA, None)
        assert SAID in night.reasons[0]
        assert SAID in (home.cycle(SUPPORT, night.cycle_id) / "morning.md").read_text()
    assert rollout.route(SUPPORT).adapter_hash == ""
