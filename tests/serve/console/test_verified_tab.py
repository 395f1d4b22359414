"""The Verified tab, without a browser: what it shows, and what its switches do."""

import json
from functools import partial
from typing import Any

import gradio as gr
import pytest

from collect.formats.read import ParsedConversation, read_conversations
from collect.imports import import_conversations
from nightschool.records import BotName, utc_now
from serve.console.verified_tab import VerifiedTab, VerifiedWires
from serve.parts import Parts
from serve.secrets import OPERATOR

BOT = BotName("support")
CHAT = [{"role": "user", "content": "Ship to <b>Malta</b>?"}, {"role": "assistant", "content": "Yes, in 9 days."}]


@pytest.fixture
def at() -> VerifiedTab:
    """Names in the components' places: handlers know no more of them."""
    names: Any = VerifiedTab._fields
    return VerifiedTab(*names)


@pytest.fixture
async def wires(parts: Parts, at: VerifiedTab) -> VerifiedWires:
    read = read_conversations([json.dumps({"messages": CHAT})])
    talks = [item for item in read if isinstance(item, ParsedConversation)]
    bring = partial(import_conversations, bot=BOT, conversations=talks, is_held_out=None, at=utc_now(), is_faq=True)
    await parts.store.write(bring)
    return VerifiedWires(parts.store, parts.verified, parts.shelf, at)


async def test_an_answer_is_listed_opened_and_switched_with_a_reason(wires: VerifiedWires, at: VerifiedTab) -> None:
    operator = gr.Request(username=OPERATOR)
    nothing: dict[Any, Any] = {at.bot: BOT, at.rows: None, at.reason: ""}
    listed = await wires.show(nothing, operator)
    assert "Would have answered none of last week" in listed[at.summary]
    [(label, name)] = listed[at.rows]["choices"]
    assert label == "Ship to <b>Malta</b>?"
    chosen = nothing | {at.rows: name}
    shown = await wires.show(chosen, operator)
    assert "in service" in shown[at.detail]
    assert "&lt;b&gt;Malta" in shown[at.detail]
    for refused in (nothing | {at.reason: "slow"}, chosen):
        with pytest.raises(gr.Error):
            await wires.take_out(refused, operator)
    out = await wires.take_out(chosen | {at.reason: "ships no more"}, operator)
    assert "ships no more" in out[at.detail]
    assert out[at.rows]["choices"] == [("off · Ship to <b>Malta</b>?", name)]
    back = await wires.put_back(chosen | {at.reason: "ships again"}, operator)
    assert "in service" in back[at.detail]


async def test_nobody_but_the_operator_sees_or_switches(wires: VerifiedWires, at: VerifiedTab) -> None:
    given: dict[Any, Any] = {at.bot: BOT, at.rows: "x", at.reason: "because"}
    for event in (wires.show, wires.take_out, wires.put_back):
        with pytest.raises(gr.Error, match="is for the operator"):
            await event(given, gr.Request(username="eve"))
