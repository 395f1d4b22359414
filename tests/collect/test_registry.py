"""Adapters, cycles and keys: one production, one running cycle, one night a date, and secrets that are not kept."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from collect import cycles, events, keys, registry
from collect.registry import Evaluation
from collect.store import Store
from nightschool.errors import Busy, InvalidInput, NotFound
from nightschool.records import Adapter, Cycle, CycleState, Event, Moved, Outcome, Stage, new_id

from .conftest import AT, BOT


def adapter(version: int, stage: Stage = Stage.CANDIDATE) -> Adapter:
    return Adapter(BOT, version, f"hash{version}", "folder", stage, "cycle", "data", AT)


def event(subject: str) -> Event:
    return Event(new_id(), AT, BOT, "ada", "registered", subject, "because")


async def add(store: Store, kept: Adapter) -> None:
    await store.write(partial(registry.register_adapter, adapter=kept, event=event(str(kept.name))))


async def test_versions_count_up_and_come_back_whole(store: Store) -> None:
    assert await store.read(partial(registry.next_version, bot=BOT)) == 1
    await add(store, adapter(1))
    assert await store.read(partial(registry.next_version, bot=BOT)) == 2
    assert await store.read(partial(registry.adapter, bot=BOT, version=1)) == adapter(1)
    with pytest.raises(NotFound):
        await store.read(partial(registry.adapter, bot=BOT, version=2))


async def test_the_newest_version_comes_first_though_the_clock_was_set_back(store: Store) -> None:
    for version, hours in ((1, 0), (2, 2), (3, -5)):
        await add(store, replace(adapter(version), created_at=AT + timedelta(hours=hours)))
    assert [each.version for each in await store.read(partial(registry.adapters, bot=BOT))] == [3, 2, 1]


async def test_who_came_into_production_and_who_left_it_is_found_newest_first(store: Store) -> None:
    actions = ["registered", "candidate->production", "candidate->retired", "production->retired"]
    for hours, action in enumerate(actions):
        told = replace(event("support@1"), action=action, at=AT + timedelta(hours=hours))
        await store.write(partial(events.append_event, event=told))
    moves = await store.read(partial(events.moves_of_production, bot=BOT))
    assert [move.action for move in moves] == ["production->retired", "candidate->production"]


async def test_two_in_production_are_refused_and_nothing_of_it_is_kept(store: Store) -> None:
    await add(store, adapter(1, Stage.PRODUCTION))
    await add(store, adapter(2))
    moved = Moved(adapter(2, Stage.PRODUCTION), Stage.CANDIDATE, event("second"))
    with pytest.raises(Busy):
        await store.write(partial(registry.store_moves, moves=[moved]))
    assert (await store.read(partial(registry.adapter, bot=BOT, version=2))).stage is Stage.CANDIDATE
    assert "second" not in {e.subject for e in await store.read(events.list_events)}


def evaluation(outcome: Outcome, *, evaluation_id: str = "e", at: datetime = AT) -> Evaluation:
    return Evaluation(evaluation_id, "c", BOT, 1, outcome, ("passed: it",), "{}", "f", at, candidate_hash="hash1")


async def judge(store: Store, verdict: Evaluation) -> tuple[Outcome, bool]:
    """The outcome as it stands in the record, and what the adapter says of it."""
    kept = await store.write(partial(registry.record_evaluation, evaluation=verdict))
    marked = await store.read(partial(registry.adapter, bot=BOT, version=1))
    return kept.outcome, marked.has_passing_verdict


async def test_the_newest_verdict_is_noted_on_the_adapter(store: Store) -> None:
    await add(store, adapter(1))
    for hour, outcome in enumerate((Outcome.REJECT, Outcome.PROMOTE, Outcome.REJECT)):
        verdict = evaluation(outcome, evaluation_id=f"e{hour}", at=AT + timedelta(hours=hour))
        assert await judge(store, verdict) == (outcome, outcome is Outcome.PROMOTE)
    assert len(await store.read(registry.evaluations)) == 3


async def test_a_later_verdict_counts_though_the_clock_was_set_back(store: Store) -> None:
    await add(store, adapter(1))
    for name, outcome, hours in (("e1", Outcome.PROMOTE, 0), ("e2", Outcome.REJECT, -5), ("e3", Outcome.PROMOTE, -5)):
        verdict = evaluation(outcome, evaluation_id=name, at=AT + timedelta(hours=hours))
        assert await judge(store, verdict) == (outcome, outcome is Outcome.PROMOTE)
    listed = await store.read(partial(registry.evaluations, bot=BOT))
    assert [each.evaluation_id for each in listed] == ["e3", "e2", "e1"]


@pytest.mark.parametrize(("first", "second"), [("reject", "promote"), ("promote", "reject")])
async def test_a_second_verdict_of_the_same_id_changes_neither_row_nor_adapter(
    store: Store, first: str, second: str
) -> None:
    await add(store, adapter(1))
    stands = await judge(store, evaluation(Outcome(first)))
    assert await judge(store, evaluation(Outcome(second))) == stands == (first, first == "promote")


async def test_an_adapter_that_nobody_judged_is_not_the_newest_that_was(store: Store) -> None:
    for version in (1, 2, 3):
        await add(store, adapter(version))
    assert await store.read(partial(registry.newest_judged, bot=BOT)) is None
    await judge(store, evaluation(Outcome.REJECT))
    judged = await store.read(partial(registry.newest_judged, bot=BOT))
    assert judged is not None
    assert judged.version == 1
    live = Moved(adapter(2, Stage.PRODUCTION), Stage.CANDIDATE, event("candidate->production"))
    await store.write(partial(registry.store_moves, moves=[live]))
    answered = await store.read(partial(registry.newest_judged, bot=BOT))
    assert answered is not None
    assert answered.version == 2


def night(cycle_id: str, local_date: date | None = None) -> Cycle:
    trigger = "schedule" if local_date else "operator"
    return Cycle(cycle_id, BOT, trigger, local_date, CycleState.RUNNING, "train", 0.5, AT)  # type: ignore[arg-type]


async def test_one_cycle_of_a_bot_runs_at_a_time(store: Store) -> None:
    await store.write(partial(cycles.start_cycle, cycle=night("a")))
    with pytest.raises(Busy, match="at school already"):
        await store.write(partial(cycles.start_cycle, cycle=night("b")))
    done = replace(night("a"), state=CycleState.DONE, outcome=Outcome.REJECT, reasons=("failed: x",), finished_at=AT)
    await store.write(partial(cycles.update_cycle, cycle=done))
    assert await store.read(partial(cycles.cycle, cycle_id="a")) == done
    await store.write(partial(cycles.start_cycle, cycle=night("b")))


async def test_a_bot_has_one_night_a_date(store: Store) -> None:
    first = night("a", date(2026, 3, 10))
    await store.write(partial(cycles.start_cycle, cycle=first))
    await store.write(partial(cycles.update_cycle, cycle=replace(first, state=CycleState.DONE)))
    with pytest.raises(Busy, match="had its night"):
        await store.write(partial(cycles.start_cycle, cycle=night("b", date(2026, 3, 10))))
    assert await store.read(partial(cycles.had_night, bot=BOT, local_date=date(2026, 3, 10)))
    assert not await store.read(partial(cycles.had_night, bot=BOT, local_date=date(2026, 3, 11)))


async def test_a_key_opens_until_it_is_revoked_and_its_secret_is_not_kept(store: Store, tmp_path: Path) -> None:
    secret = await store.write(partial(keys.create_key, name="ci", scope="user", at=AT))
    found = await store.read(partial(keys.find_key, secret=secret))
    assert found is not None
    assert (found.name, found.scope, found.revoked_at) == ("ci", "user", None)
    assert await store.read(partial(keys.find_key, secret=f"{secret}x")) is None
    await store.write(partial(keys.revoke_key, name="ci", at=AT))
    found = await store.read(partial(keys.find_key, secret=secret))
    assert found is not None
    assert found.revoked_at == AT
    await store.write(lambda cursor: cursor.execute("select 1").fetchall())
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("record.duckdb*"))
    assert secret.encode() not in kept


async def test_key_names_are_checked(store: Store) -> None:
    await store.write(partial(keys.create_key, name="ci", scope="user", at=AT))
    with pytest.raises(Busy):
        await store.write(partial(keys.create_key, name="ci", scope="user", at=AT))
    with pytest.raises(InvalidInput):
        await store.write(partial(keys.create_key, name="  ", scope="user", at=AT))
    with pytest.raises(NotFound):
        await store.write(partial(keys.revoke_key, name="nobody", at=AT))
