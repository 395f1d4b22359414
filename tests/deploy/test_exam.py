"""What tonight's exam may risk depends on the exams before it, and on nothing that a crash could change."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from collect import registry
from collect.registry import Evaluation
from collect.store import Store
from deploy.exam import find_alpha
from deploy.orders import rules_of
from nightschool.bots import Bot
from nightschool.records import Adapter, BotName, Event, Outcome, Stage, new_id

NOW = datetime(2026, 3, 10, 3, tzinfo=UTC)
BOT = Bot.model_validate({"name": "support", "title": "Fern", "system_prompt": "Help."})


async def candidate(store: Store, version: int, *, at: datetime) -> Adapter:
    made = Adapter(BotName("support"), version, f"h{version}", "f", Stage.CANDIDATE, f"c{version}", "data", at)
    told = Event(new_id(), at, made.bot, "night", "registered", str(made.name), "because")
    await store.write(partial(registry.register_adapter, adapter=made, event=told))
    return made


async def judge(
    store: Store, adapter: Adapter, *, figures: str = '{"alpha": 0.025}', outcome: Outcome = Outcome.REJECT
) -> None:
    cycle, at = adapter.cycle_id, adapter.created_at + timedelta(hours=1)
    verdict = Evaluation(cycle, cycle, adapter.bot, adapter.version, outcome, ("failed: it",), figures, "f", at)
    await store.write(partial(registry.record_evaluation, evaluation=verdict))


async def test_each_comparison_leaves_less_for_the_next_and_rest_gives_it_back(store: Store) -> None:
    first = await candidate(store, 1, at=NOW)
    assert await find_alpha(store, BOT, first) == 0.025
    await judge(store, first)
    # A night goes on after its verdict was kept: its own exam does not count against it.
    assert await find_alpha(store, BOT, first) == 0.025
    second = await candidate(store, 2, at=NOW + timedelta(days=1))
    assert 0.0125 < await find_alpha(store, BOT, second) < 0.015
    # Less of the same adapter, examined later that night, goes by the night's first.
    weaker = replace(second, version=3, created_at=NOW + timedelta(days=2))
    assert await find_alpha(store, BOT, weaker) == await find_alpha(store, BOT, second)
    rested = await candidate(store, 3, at=NOW + timedelta(days=60))
    assert await find_alpha(store, BOT, rested) == 0.025


async def test_an_exam_that_compared_nothing_spent_nothing_and_an_older_one_a_whole_level(store: Store) -> None:
    first, second = [await candidate(store, version, at=NOW) for version in (1, 2)]
    await judge(store, first, figures='{"held_out_rows": 3}', outcome=Outcome.INSUFFICIENT_DATA)
    assert await find_alpha(store, BOT, second) == 0.025
    await judge(store, second, figures="{}")
    third = await candidate(store, 3, at=NOW + timedelta(hours=2))
    assert await find_alpha(store, BOT, third) == pytest.approx(0.0125, abs=0.001)


def test_a_night_is_asked_at_what_it_may_spend_and_else_at_the_bots_level() -> None:
    assert rules_of(BOT).tonight == 0.025
    assert (rules_of(BOT, alpha=0.0).tonight, rules_of(BOT, alpha=0.0).alpha) == (0.0, 0.025)
