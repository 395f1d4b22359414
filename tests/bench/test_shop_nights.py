"""What a night came to: without the gate its candidate goes live whatever the verdict; equal answers leave it open."""

from functools import partial
from pathlib import Path

import pytest

from bench.common.journal import Journal
from bench.common.moved_server import Site
from bench.common.night_lines import NightLine
from bench.common.shop_nights import Arm, Lived, take_stock
from bench.common.shop_world import hidden_questions
from bench.common.truth import Ruling
from collect import registry
from nightschool.records import Adapter, BotName, Cycle, CycleState, Event, Outcome, Stage, new_id, utc_now

BOT = BotName("ours")
HIDDEN = hidden_questions(phrases=1, items=1, seed=1)

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio")]


async def register(site: Site) -> None:
    folder = site.parts.home.adapter(BOT, "1" * 64)
    folder.mkdir(parents=True)
    adapter = Adapter(
        bot=BOT, version=1, content_hash="1" * 64, folder=str(folder.relative_to(site.parts.home.root)),
        stage=Stage.CANDIDATE, cycle_id="night", dataset_hash="d" * 64, created_at=utc_now(),
    )  # fmt: skip
    event = Event(new_id(), utc_now(), BOT, "test", "registered", str(adapter.name), "")
    await site.parts.store.write(partial(registry.register_adapter, adapter=adapter, event=event))


async def stock(site: Site, arm: Arm, folder: Path, *, candidate: int | None) -> NightLine:
    journal = Journal(folder / "journal.jsonl")
    if not journal.of_day(0, "production"):
        journal.note(day=0, production=None)
    outcome = Outcome.REJECT if candidate else Outcome.INSUFFICIENT_DATA
    cycle = Cycle(
        "night", BOT, "schedule", None, CycleState.DONE, "finished", 1.0, utc_now(), utc_now(), candidate, outcome
    )  # fmt: skip
    (folder / "measured").mkdir(exist_ok=True)
    measured = folder / "measured"
    lived = Lived(cycle, {"train": 30.0})
    return await take_stock(site, arm, lived, day=0, journal=journal, hidden=HIDDEN, folder=measured)


async def test_a_rejected_candidate_goes_live_only_where_the_gate_is_off(site: Site, tmp_path: Path) -> None:
    await register(site)
    held = await stock(site, Arm(BOT, ""), tmp_path, candidate=1)
    assert (held.went_live, held.ruling, held.gain) == (False, Ruling.OPEN, (0, 0, 0))
    assert site.parts.rollout.route(BOT).name.version is None
    promoted = await stock(site, Arm(BOT, "", is_always_promoted=True), tmp_path, candidate=1)
    assert (promoted.went_live, promoted.verdict) == (True, "reject")
    assert site.parts.rollout.route(BOT).name.version == 1
    assert promoted.live == promoted.candidate
    # The fake engine finds texts as likely as the version's name has it: only the base model has lost nothing.
    assert held.retention_loss == 0 != promoted.retention_loss
    assert held.spent["train"] == 30
    assert {file.stem for file in (tmp_path / "measured").iterdir()} == {"base", "1" * 16}


async def test_a_night_without_a_candidate_has_no_verdict_to_be_wrong(site: Site, tmp_path: Path) -> None:
    line = await stock(site, Arm(BOT, ""), tmp_path, candidate=None)
    assert (line.verdict, line.candidate, line.ruling, line.live) == ("insufficient-data", None, None, line.base)
