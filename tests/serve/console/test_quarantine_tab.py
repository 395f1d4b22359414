"""The Quarantine tab, without a browser: what it shows, page by page, and what a ruling does."""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

import gradio as gr
import pytest

from collect.events import list_events
from collect.quarantine import Stopped, keep_stopped, list_quarantine
from nightschool.records import BotName, Vote, VoteState, utc_now
from serve.console import quarantine_tab
from serve.console.quarantine_tab import QuarantineTab, QuarantineWires
from serve.parts import Parts
from serve.secrets import OPERATOR
from serve.votes import Opinion
from tune.screens import Screen

BOT = BotName("support")
EVE = "browser:eve"
SIGNED_IN = gr.Request(username=OPERATOR)


@pytest.fixture
def at() -> QuarantineTab:
    """Names in the components' places: handlers know no more of them."""
    names: Any = QuarantineTab._fields
    return QuarantineTab(*names)


@pytest.fixture
def wires(parts: Parts, at: QuarantineTab) -> QuarantineWires:
    return QuarantineWires(parts.store, at)


@pytest.fixture
def given(at: QuarantineTab) -> Callable[..., dict[Any, Any]]:
    """What the page sends."""

    def given(**changed: Any) -> dict[Any, Any]:
        blank: dict[Any, Any] = {
            at.bot: "", at.state: "stopped", at.offset: "0", at.rows: None, at.is_person: False, at.reason: "",
        }  # fmt: skip
        return blank | changed

    return given


async def stop(parts: Parts, questions: Sequence[str]) -> None:
    """Eve asks these and dislikes each answer; all of it is a burst."""
    stopped = []
    for question in questions:
        turn = await parts.turns.begin_chat(parts.shelf.find(BOT), owner=EVE, conversation_id=None, text=question)
        async with aclosing(parts.turns.answer(turn)) as deltas:
            async for _ in deltas:
                pass
        await parts.votes.cast(turn.answer_id, Opinion(Vote.DOWN, ideal_answer="Never."), owner=EVE, address="84.1.2.3")
        stopped.append(Stopped(turn.answer_id, EVE, Screen.BURST.value))
    await parts.store.write(partial(keep_stopped, bot=BOT, stopped=stopped, at=utc_now()))


async def test_a_vote_is_shown_with_why_it_is_stopped_and_no_name_of_whose_it_is(
    parts: Parts, wires: QuarantineWires, at: QuarantineTab, given: Any
) -> None:
    assert (await wires.show(given(), SIGNED_IN))[at.empty]["visible"]
    await stop(parts, ["Ship to <b>Malta</b>?"])
    listed = await wires.show(given(), SIGNED_IN)
    [(label, key)] = listed[at.rows]["choices"]
    assert label.startswith("disliked · burst · Ship to <b>Malta</b>? · ")
    assert "1 to 1 of 1" in listed[at.place]
    shown = await wires.read(given(rows=key), SIGNED_IN)
    for words in ("one of many within minutes", "&lt;b&gt;Malta", "Never.", "Conversation"):
        assert words in shown[at.detail]
    assert EVE not in label + shown[at.detail]
    assert shown[at.ruling]["visible"]
    assert (await wires.show(given(bot="reviewer"), SIGNED_IN))[at.rows]["choices"] == []


async def test_a_ruling_wants_a_reason_and_stands_in_the_audit_with_a_name(
    parts: Parts, wires: QuarantineWires, at: QuarantineTab, given: Any
) -> None:
    await stop(parts, ["One?", "Two?", "Three?"])
    [(_, first), *_] = (await wires.show(given(), SIGNED_IN))[at.rows]["choices"]
    for refused in (given(rows=first), given(reason="a rival")):
        with pytest.raises(gr.Error):
            await wires.keep(refused, SIGNED_IN)
    left = await wires.keep(given(rows=first, reason="a rival"), SIGNED_IN)
    assert len(left[at.rows]["choices"]) == 2
    assert len((await wires.show(given(state="kept"), SIGNED_IN))[at.rows]["choices"]) == 1
    [(_, second), *_] = left[at.rows]["choices"]
    all_of_hers = given(rows=second, is_person=True, reason="a colleague")
    assert (await wires.release(all_of_hers, gr.Request(username="operator:ada")))[at.rows]["choices"] == []
    assert len(await parts.store.read(partial(list_quarantine, state=VoteState.RELEASED))) == 2
    said = [(event.actor, event.action, event.reason) for event in await parts.store.read(list_events)]
    assert ("operator (console)", "kept a stopped vote out", "a rival") in said
    assert ("ada (console)", "let a stopped vote count", "a colleague") in said


async def test_pages_follow_one_another_and_the_last_one_stays_in_reach(
    parts: Parts, wires: QuarantineWires, at: QuarantineTab, given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine_tab, "PAGE", 2)
    await stop(parts, ["One?", "Two?", "Three?"])
    first = await wires.show(given(), SIGNED_IN)
    assert (first[at.before]["visible"], first[at.after]["visible"]) == (False, True)
    second = await wires.page_after(given(offset=first[at.offset]), SIGNED_IN)
    assert "3 to 3 of 3" in second[at.place]
    assert (second[at.before]["visible"], second[at.after]["visible"]) == (True, False)
    assert (await wires.page_after(given(offset=second[at.offset]), SIGNED_IN))[at.offset] == "2"
    # What was on the last page is ruled on: there is none like it any more.
    [(_, key)] = second[at.rows]["choices"]
    ruled = await wires.keep(given(offset="2", rows=key, reason="a rival"), SIGNED_IN)
    assert (ruled[at.offset], len(ruled[at.rows]["choices"])) == ("0", 2)


async def test_nobody_but_the_operator_sees_or_rules(wires: QuarantineWires, given: Any) -> None:
    for event in (wires.show, wires.page_before, wires.page_after, wires.read, wires.release, wires.keep):
        with pytest.raises(gr.Error, match="is for the operator"):
            await event(given(reason="because"), gr.Request(username="eve"))
