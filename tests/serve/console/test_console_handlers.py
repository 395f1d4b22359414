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
from nightschool.records import Adapter, BotName, Cycle, CycleState, Outcome, Review, Vote, utc_now
from serve.console.draw import cycle_label, draw_adapters, draw_events, draw_hold, draw_night, draw_report
from serve.console.draw_feedback import draw_answer, draw_opinion, draw_proposal, row_label
from serve.console.handlers import ConsoleHandlers
from serve.console.rulings import WAITING, Shown, read_key, row_key, shown_of
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


async def voted(
    parts: Parts, text: str, vote: Vote, *, comment: str = "", ideal_answer: str = "", owner: str = "browser:anna"
) -> str:
    """Ask, vote on the answer, and return its id."""
    turn = await parts.turns.begin_chat(parts.shelf.find("support"), owner=owner, conversation_id=None, text=text)
    async for _ in parts.turns.answer(turn):
        pass
    await parts.votes.cast(turn.answer_id, Opinion(vote, comment=comment, ideal_answer=ideal_answer), owner=owner)
    return turn.answer_id


async def record_night(parts: Parts) -> Cycle:
    start = Cycle("night-1", SUPPORT, "operator", None, CycleState.RUNNING, "train", 0.4, utc_now())
    await parts.store.write(partial(cycles.start_cycle, cycle=start))
    return start


async def questions(handlers: ConsoleHandlers, bot: str | None, show: str) -> list[str]:
    return [row.question for row in await handlers.rows(bot, show)]


async def ruling(parts: Parts, message_id: str) -> tuple[bool, str] | None:
    found = await parts.store.read(partial(reviews.review_of, message_id=message_id))
    return (found.approved, found.corrected_answer) if found else None


async def test_feedback_is_listed_by_bot_and_vote(parts: Parts, handlers: ConsoleHandlers) -> None:
    await voted(parts, "good", Vote.UP)
    await voted(parts, "bad", Vote.DOWN)
    await voted(parts, "taken back", Vote.NONE)
    assert await questions(handlers, None, "") == ["bad", "good"]
    assert await questions(handlers, "support", "up") == ["good"]
    assert await questions(handlers, "reviewer", "") == []


@pytest.mark.parametrize("show", ["", WAITING])
async def test_what_is_stored_is_the_text_that_was_approved(parts: Parts, handlers: ConsoleHandlers, show: str) -> None:
    for question, approved in (("one", "answer"), ("two", "proposal"), ("three", " Mine. "), ("four", None)):
        answer_id = await voted(parts, question, Vote.DOWN, ideal_answer=f"POISON {NASTY}")
        shown = shown_of((await handlers.rows(None, show))[0])
        text = {"answer": shown.answer, "proposal": shown.proposal}.get(approved or "", approved)
        assert shown.answer.endswith(question)
        await handlers.review(shown, approved_text=text)
        assert await ruling(parts, answer_id) == (approved is not None, (text or "").strip())
        with pytest.raises(Busy, match="changed while you read it"):
            await handlers.review(shown, approved_text="another")
        assert await ruling(parts, answer_id) == (approved is not None, (text or "").strip())
    assert await questions(handlers, None, WAITING) == []
    assert [row_label(row).rpartition(" · ")[2] for row in await handlers.rows(None, "")] == [
        "kept out",
        "approved",
        "approved",
        "approved",
    ]


@pytest.mark.parametrize("show", ["", WAITING])
@pytest.mark.parametrize("now", ["other words", "", None])
async def test_what_changed_while_it_was_read_is_not_ruled_on(
    parts: Parts, handlers: ConsoleHandlers, show: str, now: str | None
) -> None:
    answer_id = await voted(parts, "hello", Vote.DOWN, ideal_answer="first words")
    [row] = await handlers.rows(None, show)
    change = Opinion(Vote.NONE) if now is None else Opinion(Vote.DOWN, ideal_answer=now)
    await parts.votes.cast(answer_id, change, owner="browser:anna")
    for text in ("first words", shown_of(row).answer, None):
        with pytest.raises(Busy, match="nothing was stored"):
            await handlers.review(shown_of(row), approved_text=text)
    assert await ruling(parts, answer_id) is None
    if now is None or show == WAITING:
        with pytest.raises(NotFound):
            await handlers.row(read_key(row_key(row)))


async def test_two_operators_do_not_rule_over_one_another(parts: Parts, handlers: ConsoleHandlers) -> None:
    answer_id = await voted(parts, "hello", Vote.DOWN, ideal_answer="Good day!")
    [row] = await handlers.rows(None, "")
    rulings = [handlers.review(shown_of(row), approved_text=text) for text in ("Good day!", "Never mind.")]
    first, second = await asyncio.gather(*rulings, return_exceptions=True)
    assert (isinstance(first, Review), type(second)) == (True, Busy)
    assert await ruling(parts, answer_id) == (True, "Good day!")


async def test_an_empty_text_is_no_correction(parts: Parts, handlers: ConsoleHandlers) -> None:
    answer_id = await voted(parts, "hello", Vote.DOWN)
    [row] = await handlers.rows(None, "")
    with pytest.raises(InvalidInput, match="Write it"):
        await handlers.review(shown_of(row), approved_text=" ")
    assert await ruling(parts, answer_id) is None


async def test_what_many_propose_comes_first(parts: Parts, handlers: ConsoleHandlers) -> None:
    await voted(parts, "old", Vote.DOWN, ideal_answer="Yes.")
    for owner in ("browser:anna", "browser:berta"):
        await voted(parts, "agreed", Vote.DOWN, ideal_answer="No.", owner=owner)
    await voted(parts, "new", Vote.DOWN, ideal_answer="Perhaps.")
    assert await questions(handlers, None, WAITING) == ["agreed", "old", "new"]
    assert row_label((await handlers.rows(None, WAITING))[0]) == "2 people · agreed · support"


async def test_what_people_wrote_is_inert_in_the_console(parts: Parts, handlers: ConsoleHandlers) -> None:
    await voted(parts, NASTY, Vote.DOWN, comment=NASTY, ideal_answer=f"{NASTY} or <form>")
    for show in ("", WAITING):
        [row] = await handlers.rows(None, show)
        drawn = draw_opinion(row) + draw_answer(shown_of(row)) + draw_proposal(shown_of(row))
        for alive in ("<img", "<form", "${", "{{"):
            assert alive not in drawn


def test_answer_and_proposal_show_where_they_differ() -> None:
    shown = Shown(
        message_id="m",
        bot=SUPPORT,
        voter="v",
        answer="Returns take 30 days.",
        proposal="Returns take 14 days, sorry.",
        is_approved=None,
        ruled_text=None,
    )
    assert "Returns take <mark>30</mark> <mark>days.</mark></blockquote>" in draw_answer(shown)
    assert "Returns take <mark>14</mark> <mark>days, sorry.</mark></blockquote>" in draw_proposal(shown)


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


async def test_a_hold_is_shown_and_released_with_a_reason(parts: Parts, handlers: ConsoleHandlers) -> None:
    assert draw_hold(await handlers.hold("support")) == ""
    await parts.rollout.hold(SUPPORT, actor="key:boss", reason=NASTY)
    drawn = draw_hold(await handlers.hold("support"))
    assert "support is held" in drawn
    assert "key:boss" in drawn
    assert "<img" not in drawn
    with pytest.raises(InvalidInput, match="Say why"):
        await handlers.release("support", reason=" ")
    await handlers.release("support", reason="looked at")
    assert await handlers.hold("support") is None
    with pytest.raises(Busy):
        await handlers.release("support", reason="again")
    assert next((e.actor, e.action) for e in await handlers.events("support")) == ("operator (console)", "released")


def test_nothing_of_a_report_is_alive() -> None:
    overlay = '<div style="position:fixed;inset:0">OVERLAY</div>'
    drawn = draw_report(f"# Report\n\n\\`{overlay}\\`\n\n{overlay}\n\n{NASTY}\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")
    assert "<h1>Report</h1>" in drawn
    assert "<td>1</td>" in drawn
    for alive in ("<div style", "<img", "${", "{{"):
        assert alive not in drawn


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
