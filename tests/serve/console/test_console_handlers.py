"""The console's doings without a browser."""

import asyncio
import json
import math
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import httpx
import pytest
from fastapi import FastAPI

from collect import cycles, reviews
from collect.conversations import message, record_turn
from collect.signals.found import catch_up
from collect.signals.phrases import read_phrases
from deploy.plan import NightFolder
from nightschool.errors import Busy, InvalidInput, NotFound
from nightschool.records import (
    Adapter,
    BotName,
    Conversation,
    Cycle,
    CycleState,
    Message,
    Outcome,
    Review,
    Source,
    Vote,
    new_id,
    utc_now,
)
from serve.api.errors import install_error_handlers
from serve.console.draw import cycle_label, draw_adapters, draw_events, draw_hold, draw_progress, draw_report
from serve.console.draw_feedback import draw_answer, draw_opinion, draw_proposal, draw_scores, row_label
from serve.console.draw_night import draw_night, draw_training
from serve.console.handlers import ConsoleHandlers
from serve.console.reports import reports_router
from serve.console.rulings import GAPS, QUEUE, WAITING, Shown, read_key, row_key, shown_of
from serve.console.session import SessionCookie
from serve.parts import Parts
from serve.votes import Opinion
from tune.progress import METRICS, StepLine, append_step

SUPPORT = BotName("support")
BASE_NAME = "support@base"
NASTY = "<img src=x onerror=alert(1)> ${alert(1)} {{x}}"
Register = Callable[..., Awaitable[Adapter]]

ACTOR = "operator (console)"


async def voted(
    parts: Parts, text: str, vote: Vote, *, comment: str = "", ideal_answer: str = "", owner: str = "browser:anna"
) -> str:
    """Ask, vote on the answer, and return its id."""
    turn = await parts.turns.begin_chat(parts.shelf.find("support"), owner=owner, conversation_id=None, text=text)
    async for _ in parts.turns.answer(turn):
        pass
    await parts.votes.cast(turn.answer_id, Opinion(vote, comment=comment, ideal_answer=ideal_answer), owner=owner)
    return turn.answer_id


async def known_since_the_day_before_yesterday(parts: Parts, *owners: str) -> None:
    for owner in owners:
        at = utc_now() - timedelta(days=2)
        talk = Conversation(new_id(), SUPPORT, owner, Source.CHAT, "Hello", at)
        asked = Message(new_id(), talk.conversation_id, SUPPORT, None, "user", "Hello", Source.CHAT, at)
        await parts.store.write(partial(record_turn, conversation=talk, messages=[asked]))


def a_step(phase: str, step: int, *, loss: float, **more: float) -> StepLine:
    return StepLine(
        phase=phase, step=step, steps=40, epoch=0.1, loss=loss, learning_rate=1.5e-4, tokens=1_000, tokens_per_s=500.0,
        seconds=2.0, **more,
    )  # fmt: skip


async def record_night(parts: Parts, *, cycle_id: str = "night-1") -> Cycle:
    start = Cycle(cycle_id, SUPPORT, "operator", None, CycleState.RUNNING, "train", 0.4, utc_now())
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


@pytest.mark.parametrize("show", ["", WAITING, QUEUE])
async def test_what_is_stored_is_the_text_that_was_approved(parts: Parts, handlers: ConsoleHandlers, show: str) -> None:
    for question, approved in (("one", "answer"), ("two", "proposal"), ("three", " Mine. "), ("four", None)):
        answer_id = await voted(parts, question, Vote.DOWN, ideal_answer=f"POISON {NASTY}")
        shown = shown_of((await handlers.rows(None, show))[0])
        text = {"answer": shown.answer, "proposal": shown.proposal}.get(approved or "", approved)
        assert shown.answer.endswith(question)
        await handlers.review(shown, approved_text=text, actor=ACTOR)
        assert await ruling(parts, answer_id) == (approved is not None, (text or "").strip())
        with pytest.raises(Busy, match="changed while you read it"):
            await handlers.review(shown, approved_text="another", actor=ACTOR)
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
            await handlers.review(shown_of(row), approved_text=text, actor=ACTOR)
    assert await ruling(parts, answer_id) is None
    if now is None or show == WAITING:
        with pytest.raises(NotFound):
            await handlers.row(read_key(row_key(row)))


async def test_two_operators_do_not_rule_over_one_another(parts: Parts, handlers: ConsoleHandlers) -> None:
    answer_id = await voted(parts, "hello", Vote.DOWN, ideal_answer="Good day!")
    [row] = await handlers.rows(None, "")
    rulings = [handlers.review(shown_of(row), approved_text=text, actor=ACTOR) for text in ("Good day!", "Never mind.")]
    first, second = await asyncio.gather(*rulings, return_exceptions=True)
    assert (isinstance(first, Review), type(second)) == (True, Busy)
    assert await ruling(parts, answer_id) == (True, "Good day!")


async def test_an_empty_text_is_no_correction(parts: Parts, handlers: ConsoleHandlers) -> None:
    answer_id = await voted(parts, "hello", Vote.DOWN)
    [row] = await handlers.rows(None, "")
    with pytest.raises(InvalidInput, match="Write it"):
        await handlers.review(shown_of(row), approved_text=" ", actor=ACTOR)
    assert await ruling(parts, answer_id) is None


async def test_what_many_propose_comes_first(parts: Parts, handlers: ConsoleHandlers) -> None:
    # Newcomers count as one, however many they are.
    await known_since_the_day_before_yesterday(parts, "browser:anna", "browser:berta")
    await voted(parts, "old", Vote.DOWN, ideal_answer="Yes.")
    for owner in ("browser:anna", "browser:berta"):
        await voted(parts, "agreed", Vote.DOWN, ideal_answer="No.", owner=owner)
    await voted(parts, "new", Vote.DOWN, ideal_answer="Perhaps.")
    assert await questions(handlers, None, WAITING) == ["agreed", "old", "new"]
    assert row_label((await handlers.rows(None, WAITING))[0]) == "2 people · agreed · support"


async def said_next(parts: Parts, answer_id: str, text: str) -> None:
    """The person goes on, and the record is looked through."""
    about = await parts.store.read(partial(message, message_id=answer_id))
    turn = await parts.turns.begin_chat(
        parts.shelf.find("support"), owner="browser:anna", conversation_id=about.conversation_id, text=text
    )
    async for _ in parts.turns.answer(turn):
        pass
    await catch_up(parts.store, phrases=read_phrases())


async def test_what_next_turns_give_away_orders_the_queue(parts: Parts, handlers: ConsoleHandlers) -> None:
    await voted(parts, "disliked", Vote.DOWN)
    told = await voted(parts, "told off", Vote.DOWN, ideal_answer="Better.")
    await said_next(parts, told, "That is not what I asked, connect me to a human")
    assert await questions(handlers, None, QUEUE) == ["told off", "disliked"]
    assert [row.question for row in await handlers.rows(None, QUEUE, "escalation")] == ["told off"]
    assert [row.question for row in await handlers.rows(None, QUEUE, "rephrase")] == []
    row = (await handlers.rows(None, QUEUE))[0]
    assert row_label(row).startswith('1 thumb down, asked for somebody else ("connect me to a human"), said that')
    drawn = draw_opinion(row)
    assert "What was said next" in drawn
    assert "1 better answer suggested" in drawn
    shown = shown_of(row)
    assert (shown.proposal, shown.answer) == ("Better.", "[echo base] told off")
    await handlers.review(shown, approved_text=shown.proposal, actor=ACTOR)
    assert await ruling(parts, told) == (True, "Better.")
    with pytest.raises(Busy, match="changed while you read it"):
        await handlers.review(shown, approved_text="another", actor=ACTOR)
    assert await questions(handlers, None, QUEUE) == ["disliked"]
    with pytest.raises(NotFound):
        await handlers.row(read_key(row_key(row)))


async def test_whoever_rules_on_an_answer_sees_how_it_was_scored(parts: Parts, handlers: ConsoleHandlers) -> None:
    answer_id = await voted(parts, "disliked", Vote.DOWN)
    about = await parts.store.read(partial(message, bot=None, message_id=answer_id))
    assert draw_scores(await handlers.scores(answer_id)) == ""
    opinion = Opinion(scores={"accuracy": 0.25, "clear": False, "tone": NASTY})
    await parts.votes.cast(answer_id, opinion, owner="key:judge", is_operator=True)
    await parts.votes.score(about.conversation_id, {NASTY[:60]: True}, owner="key:judge", is_operator=True)
    other = await voted(parts, "another", Vote.DOWN)
    await parts.votes.cast(other, Opinion(scores={"elsewhere": True}), owner="key:judge", is_operator=True)
    drawn = draw_scores(await handlers.scores(answer_id))
    for word in ("accuracy of the answer", "0.25 by <code>key:judge</code>", "clear of the answer", "no by", "yes by"):
        assert word in drawn
    for never in ("<img", "${", "{{", "elsewhere"):
        assert never not in drawn


async def test_a_gap_is_closed_by_writing_what_lacks(parts: Parts, handlers: ConsoleHandlers) -> None:
    question = f"Do you deliver to the moon {NASTY}?"
    answer_id = await voted(parts, question, Vote.DOWN)
    [row] = await handlers.rows(None, GAPS)
    assert row == await handlers.row(read_key(row_key(row)))
    assert row_label(row).startswith("once · Do you deliver")
    drawn = draw_opinion(row)
    assert "holds 0% of it" in drawn
    assert "<img" not in drawn
    shown = shown_of(row)
    await handlers.review(shown, approved_text="Not yet.", actor=ACTOR)
    assert await ruling(parts, answer_id) == (True, "Not yet.")
    assert await questions(handlers, None, GAPS) == []
    for text in ("another", None):
        with pytest.raises(Busy, match="nothing was stored"):
            await handlers.review(shown, approved_text=text, actor=ACTOR)


async def test_what_people_wrote_is_inert_in_the_console(parts: Parts, handlers: ConsoleHandlers) -> None:
    await voted(parts, NASTY, Vote.DOWN, comment=NASTY, ideal_answer=f"{NASTY} or <form>")
    for show in ("", WAITING, QUEUE, GAPS):
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
        await handlers.promote("support", version=1, reason="  ", while_live="support@base", actor=ACTOR)
    assert (
        await handlers.promote("support", version=1, reason="it is better", while_live="support@base", actor=ACTOR)
        == "support@1"
    )
    assert handlers.live(SUPPORT) == "support@1"
    assert (
        await handlers.rollback("support", version=None, reason="it was not", while_live="support@1", actor=ACTOR)
        == BASE_NAME
    )
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
        await handlers.promote("support", version=version, reason="better", while_live=live, actor=ACTOR)
    with pytest.raises(Busy, match="answered by support@2 now, not by support@1"):
        await handlers.promote("support", version=3, reason="better", while_live="support@1", actor=ACTOR)
    clicks = (
        handlers.rollback("support", version=None, reason="worse", while_live="support@2", actor=ACTOR)
        for _ in range(2)
    )
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
        await handlers.release("support", reason=" ", actor=ACTOR)
    await handlers.release("support", reason="looked at", actor=ACTOR)
    assert await handlers.hold("support") is None
    with pytest.raises(Busy):
        await handlers.release("support", reason="again", actor=ACTOR)
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
    assert "<a " not in drawn


async def test_adapter_and_night_lead_to_the_page_of_the_exam_for_who_is_signed_in(
    parts: Parts, handlers: ConsoleHandlers, register: Register
) -> None:
    adapter = await register("support", version=1)
    await record_night(parts, cycle_id=adapter.cycle_id)
    file = parts.home.cycle(SUPPORT, adapter.cycle_id) / "report.html"
    file.parent.mkdir(parents=True)
    file.write_text("<!doctype html><p>42")
    link = f'<a href="report/{adapter.cycle_id}" target="_blank" rel="noopener">'
    assert link in draw_adapters(await handlers.adapters())
    assert link in draw_night(await handlers.night(adapter.cycle_id))
    app = FastAPI()
    install_error_handlers(app)
    app.include_router(reports_router(parts.secrets, store=parts.store, home=parts.home))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://nightschool") as browser:
        away = await browser.get(f"/console/report/{adapter.cycle_id}")
        assert (away.status_code, away.headers["location"]) == (303, "/console/login")
        signed_in = SessionCookie(parts.secrets).header("operator", is_secure=False).partition(";")[0]
        shown = await browser.get(f"/console/report/{adapter.cycle_id}", headers={"cookie": signed_in})
        assert (shown.status_code, shown.text) == (200, "<!doctype html><p>42")
        assert "default-src 'none'" in shown.headers["content-security-policy"]
        for unknown in ("no-night", "..%2f..%2fsecrets.json"):
            assert (await browser.get(f"/console/report/{unknown}", headers={"cookie": signed_in})).status_code == 404


async def test_a_running_night_shows_its_step_and_its_curves(parts: Parts, handlers: ConsoleHandlers) -> None:
    night = await record_night(parts)
    run = NightFolder(parts.home.cycle(SUPPORT, night.cycle_id)).run
    run.mkdir(parents=True)
    shown = await handlers.night(night.cycle_id)
    assert (shown.training, "Training" in draw_night(shown)) == (None, False)
    for number, loss in enumerate((3.0, 1.5), start=1):
        append_step(run, a_step("sft", number, loss=loss, left_s=130.0, memory_mb=1_500.0))
    with (run / METRICS).open("a") as file:
        file.write('{"phase": "sft", "step": 3, "lo')
    drawn = draw_night(await handlers.night(night.cycle_id))
    assert "train: 40%" in drawn
    assert "sft: loss over 2 steps: from 3.000 to 1.500" in drawn
    for figure in ("2 of 40", "2 min 10 s", "1.50 GB", "1.50e-04", "500 tokens a second"):
        assert figure in drawn
    assert "reward" not in drawn
    assert await handlers.is_running()
    with pytest.raises(Busy):
        await handlers.start_night("support", is_forced=False, actor=ACTOR)


async def test_each_method_has_a_curve_of_its_own(parts: Parts, handlers: ConsoleHandlers) -> None:
    night = await record_night(parts)
    run = NightFolder(parts.home.cycle(SUPPORT, night.cycle_id)).run
    run.mkdir(parents=True)
    for number in range(1, 1_001):
        append_step(run, a_step("sft", number, loss=4.0 / number))
    append_step(run, a_step("dpo", 1, loss=0.69, rewards_margin=0.0))
    append_step(run, a_step("dpo", 2, loss=0.5, rewards_margin=0.25, rewards_accuracy=0.75))
    drawn = draw_night(await handlers.night(night.cycle_id))
    titles = (
        "sft: loss over 1000 steps",
        "dpo: loss over 2 steps",
        "dpo: reward margin over 2 steps: from 0.000 to 0.250",
    )
    assert [drawn.index(title) for title in titles] == sorted(drawn.index(title) for title in titles)
    assert max(len(points.split()) for points in re.findall(r'points="([^"]*)"', drawn)) <= 320
    assert "+0.2500" in drawn
    assert "75%" in drawn
    append_step(run, a_step("grpo", 1, loss=0.1, reward=0.5))
    append_step(run, a_step("grpo", 2, loss=0.2, reward=0.625))
    drawn = draw_night(await handlers.night(night.cycle_id))
    assert drawn.index("grpo: loss over 2 steps") < drawn.index("grpo: reward over 2 steps: from 0.500 to 0.625")
    assert "0.6250" in drawn
    # Once it is over the curves stay, and nothing is said to be going on.
    await parts.store.write(partial(cycles.update_cycle, cycle=replace(night, state=CycleState.DONE)))
    over = draw_night(await handlers.night(night.cycle_id))
    assert "dpo: loss" in over
    assert "Time left" not in over


def test_a_loss_that_is_no_number_is_left_out_of_its_curve() -> None:
    steps = [a_step("sft", number, loss=loss) for number, loss in enumerate((2.0, math.inf, 1.0), start=1)]
    assert "sft: loss over 2 steps: from 2.000 to 1.000" in draw_training(None, steps)
    assert draw_training(None, steps[:2]) == ""
    flat = draw_training(None, [a_step("<b>", number, loss=1.0) for number in (1, 2, 3)])
    assert "&lt;b&gt;: loss" in flat
    assert "nan" not in flat


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
    assert "did not pass the gate" in shown.report
    assert shown.report.endswith("# Report")
    assert cycle_label(shown.cycle).endswith("reject")
    drawn = draw_night(shown)
    assert "Answers grew &lt;too&gt; long." in drawn
    assert "0.250" in drawn
    assert "data:image/png;base64,iVBORw==" in drawn
    with pytest.raises(NotFound):
        await handlers.night("never")


def test_a_night_that_waits_for_another_has_done_none_of_its_steps() -> None:
    assert "ns-done" not in draw_progress(step="waits for reviewer", share=0.0)
    assert "ns-done" in draw_progress(step="train", share=0.5)


async def test_an_answer_is_asked_in_every_exam_from_then_on(handlers: ConsoleHandlers, parts: Parts) -> None:
    await voted(parts, "How large is the tank?", Vote.DOWN)
    [row] = await handlers.rows("support", Vote.DOWN)
    case = await handlers.make_case(shown_of(row), must_say="2 litres\n\n", must_not_say="", actor=ACTOR)
    assert (case.ask, case.must_say, case.must_not_say) == ("How large is the tank?", ["2 litres"], [])
    assert case in [kept.case for kept in await parts.golden.cases("support")]
    with pytest.raises(Busy, match="is a case already"):
        await handlers.make_case(shown_of(row), must_say="2 litres", must_not_say="", actor=ACTOR)
