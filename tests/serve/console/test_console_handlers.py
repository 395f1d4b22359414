"""The console's doings without a browser."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

import pytest

from collect import cycles, reviews
from deploy.plan import NightFolder
from nightschool.errors import Busy, InvalidInput, NotFound
from nightschool.records import Adapter, BotName, Cycle, CycleState, Outcome, Vote, utc_now
from serve.console.draw import cycle_label, draw_adapters, draw_events, draw_feedback, draw_night, feedback_label
from serve.console.handlers import ConsoleHandlers, find_row, row_key
from serve.parts import Parts
from serve.votes import Opinion

SUPPORT = BotName("support")
BASE_NAME = "support@base"
NASTY = "<img src=x onerror=alert(1)> ${alert(1)} {{x}}"
Register = Callable[..., Awaitable[Adapter]]


@pytest.fixture
def handlers(parts: Parts) -> ConsoleHandlers:
    return ConsoleHandlers(
        store=parts.store, rollout=parts.rollout, nights=parts.nights, shelf=parts.shelf, home=parts.home
    )


async def voted(parts: Parts, text: str, vote: Vote, *, comment: str = "") -> str:
    """Ask, vote on the answer, and return its id."""
    turn = await parts.turns.begin_chat(
        parts.shelf.find("support"), owner="browser:anna", conversation_id=None, text=text
    )
    async for _ in parts.turns.answer(turn):
        pass
    await parts.votes.cast(turn.answer_id, Opinion(vote, comment=comment), owner="browser:anna")
    return turn.answer_id


async def record_night(parts: Parts) -> Cycle:
    start = Cycle("night-1", SUPPORT, "operator", None, CycleState.RUNNING, "train", 0.4, utc_now())
    await parts.store.write(partial(cycles.start_cycle, cycle=start))
    return start


async def test_feedback_is_listed_by_bot_and_vote(parts: Parts, handlers: ConsoleHandlers) -> None:
    await voted(parts, "good", Vote.UP)
    await voted(parts, "bad", Vote.DOWN)
    await voted(parts, "taken back", Vote.NONE)
    assert [row.question for row in await handlers.feedback(None, None)] == ["bad", "good"]
    assert [row.question for row in await handlers.feedback("support", Vote.UP)] == ["good"]
    assert await handlers.feedback("reviewer", None) == []


async def test_a_correction_replaces_the_answer_and_an_approval_does_not(
    parts: Parts, handlers: ConsoleHandlers
) -> None:
    answer_id = await voted(parts, "hello", Vote.DOWN)
    [row] = await handlers.feedback(None, None)
    await handlers.review(row, is_approved=True, corrected_answer=" Good day! ")
    review = await parts.store.read(partial(reviews.review_of, message_id=answer_id))
    assert review is not None
    assert (review.approved, review.corrected_answer) == (True, "Good day!")
    await handlers.review(row, is_approved=True, corrected_answer=row.answer)
    review = await parts.store.read(partial(reviews.review_of, message_id=answer_id))
    assert review is not None
    assert review.corrected_answer == row.answer
    [row] = await handlers.feedback(None, None)
    assert feedback_label(row).endswith("approved")


async def test_a_row_that_is_gone_is_said_to_be_gone(parts: Parts, handlers: ConsoleHandlers) -> None:
    await voted(parts, "hello", Vote.UP)
    rows = await handlers.feedback(None, None)
    assert find_row(rows, row_key(rows[0])) is rows[0]
    with pytest.raises(NotFound):
        find_row(rows, "nothing nobody")


async def test_what_people_wrote_is_inert_in_the_console(parts: Parts, handlers: ConsoleHandlers) -> None:
    await voted(parts, NASTY, Vote.DOWN, comment=NASTY)
    [row] = await handlers.feedback(None, None)
    drawn = draw_feedback(row)
    assert "<img" not in drawn
    assert "${" not in drawn
    assert "{{" not in drawn


async def test_a_move_needs_a_reason_and_is_in_the_audit(
    parts: Parts, handlers: ConsoleHandlers, register: Register
) -> None:
    await register("support", version=1)
    with pytest.raises(InvalidInput, match="Say why"):
        await handlers.promote("support", version=1, reason="  ", while_live="support@base")
    assert await handlers.promote("support", version=1, reason="it is better", while_live="support@base") == "support@1"
    assert handlers.live(SUPPORT) == "support@1"
    assert await handlers.rollback("support", version=None, reason="it was not", while_live="support@1") == BASE_NAME
    events = await handlers.events("support")
    # The two of one moment come in either order.
    assert sorted((event.action, event.reason) for event in events[:3]) == [
        ("candidate->production", "it is better"),
        ("held", "support@1 was rolled back: it was not"),
        ("production->retired", "it was not"),
    ]
    assert {event.actor for event in events[:3]} == {"operator (console)"}
    assert "it was not" in draw_events(events)


async def test_a_move_is_about_the_version_that_answered_when_it_was_asked(
    parts: Parts, handlers: ConsoleHandlers, register: Register
) -> None:
    for version in (1, 2, 3):
        await register("support", version=version)
    for version, live in ((1, BASE_NAME), (2, "support@1")):
        await handlers.promote("support", version=version, reason="better", while_live=live)
    with pytest.raises(Busy, match="answered by support@2 now, not by support@1"):
        await handlers.promote("support", version=3, reason="better", while_live="support@1")
    clicks = (handlers.rollback("support", version=None, reason="worse", while_live="support@2") for _ in range(2))
    first, second = await asyncio.gather(*clicks, return_exceptions=True)
    assert (first, type(second)) == ("support@1", Busy)
    assert handlers.live(SUPPORT) == "support@1"


async def test_adapters_show_the_verdict_of_their_night(
    parts: Parts, handlers: ConsoleHandlers, register: Register
) -> None:
    await register("support", version=1)
    [row] = await handlers.adapters()
    assert row.verdict == "none"
    drawn = draw_adapters([row])
    assert "support@1" in drawn
    assert row.adapter.content_hash[:12] in drawn


async def test_a_running_night_shows_its_step_and_its_losses(parts: Parts, handlers: ConsoleHandlers) -> None:
    night = await record_night(parts)
    folder = NightFolder(parts.home.cycle(SUPPORT, night.cycle_id))
    folder.run.mkdir(parents=True)
    lines = [json.dumps({"step": step, "loss": loss}) for step, loss in ((1, 3.0), (2, 1.5))]
    (folder.run / "metrics.jsonl").write_text("\n".join([*lines, json.dumps({"phase": "saving"}), '{"step": 3, "lo']))
    shown = await handlers.night(night.cycle_id)
    assert shown.losses == (3.0, 1.5)
    drawn = draw_night(shown)
    assert "train: 40%" in drawn
    assert "from 3.000 to 1.500" in drawn
    assert await handlers.is_running()
    with pytest.raises(Busy):
        await handlers.start_night("support", is_forced=False)


async def test_a_finished_night_shows_reasons_figures_and_report(parts: Parts, handlers: ConsoleHandlers) -> None:
    night = await record_night(parts)
    ended = replace(
        night,
        state=CycleState.DONE,
        outcome=Outcome.REJECT,
        reasons=("Answers grew <too> long.",),
        figures_json=json.dumps({"base_token_f1": 0.21, "candidate_token_f1": 0.25, "gain_low": -0.01}),
    )
    await parts.store.write(partial(cycles.update_cycle, cycle=ended))
    folder = NightFolder(parts.home.cycle(SUPPORT, night.cycle_id))
    folder.evaluation.mkdir(parents=True)
    (folder.evaluation / "report.md").write_text("# Report")
    (folder.evaluation / "report.png").write_bytes(b"\x89PNG")
    shown = await handlers.night(night.cycle_id)
    assert shown.report == "# Report"
    assert cycle_label(shown.cycle).endswith("reject")
    drawn = draw_night(shown)
    assert "Answers grew &lt;too&gt; long." in drawn
    assert "0.250" in drawn
    assert "data:image/png;base64,iVBORw==" in drawn
    with pytest.raises(NotFound):
        await handlers.night("never")
