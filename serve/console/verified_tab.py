"""The Verified tab: the answers that are served as operators let them in, how often they would answer, and a switch.

Knows no more of them than `collect.verified` tells; asks it anew after each click.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import NamedTuple

import gradio as gr

from collect.store import Store
from collect.verified.pairs import Pair
from collect.verified.report import VerifiedReport, report_verified
from collect.verified.served import switch
from collect.verified.shelf import VerifiedShelf
from nightschool.bots import BotShelf
from nightschool.errors import InvalidInput
from nightschool.records import utc_now
from serve.console.draw import badge, facts, quote, text, when
from serve.console.told import QUIET, Given, Updates, told

CHOOSE = '<p class="ns-empty">Choose an answer to read the whole of it.</p>'
SHORT_CHARS = 80


class VerifiedTab(NamedTuple):
    tab: gr.Tab
    bot: gr.Dropdown
    summary: gr.HTML
    rows: gr.Radio
    detail: gr.HTML
    reason: gr.Textbox
    off: gr.Button
    on: gr.Button


def build_verified() -> VerifiedTab:
    """Call inside `gr.Tabs`."""
    with gr.Tab("Verified") as tab:
        bot = gr.Dropdown([], label="Bot", filterable=False, min_width=160)
        summary = gr.HTML(padding=False, elem_id="ns-verified")
        with gr.Row(elem_classes="ns-split"):
            with gr.Column(scale=2, min_width=280):
                rows = gr.Radio([], label="Answers, newest word first", elem_classes="ns-list")
            with gr.Column(scale=3, min_width=280):
                detail = gr.HTML(CHOOSE, padding=False)
                reason = gr.Textbox(label="Reason (kept in the audit)", max_length=1_000)
                with gr.Row(elem_classes="ns-actions"):
                    off = gr.Button("Take out of service", min_width=0)
                    on = gr.Button("Put back into service", min_width=0)
    return VerifiedTab(tab, bot, summary, rows, detail, reason, off, on)


class VerifiedWires:
    """Adapters between the tab's events and the record."""

    def __init__(
        self,
        store: Store,
        shelf: VerifiedShelf,
        bots: BotShelf,
        tab: VerifiedTab,
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._shelf = shelf
        self._bots = bots
        self._at = tab
        self._now = now

    def connect(self) -> None:
        at = self._at
        shown = [at.summary, at.rows, at.detail, at.reason]
        triggers = [at.tab.select, at.bot.input, at.rows.input]
        gr.on(triggers, self.show, {at.bot, at.rows}, shown, trigger_mode="always_last", **QUIET)
        at.off.click(self.take_out, {at.bot, at.rows, at.reason}, shown, **QUIET)
        at.on.click(self.put_back, {at.bot, at.rows, at.reason}, shown, **QUIET)

    async def show(self, given: Given, request: gr.Request) -> Updates:
        at = self._at
        with told(request):
            report = await self._report(given)
        pairs = {pair.message_id: pair for pair in reversed(report.pairs)}
        chosen = pairs.get(given[at.rows])
        return {
            at.summary: f"<p>{text(report.sentence)}</p>",
            at.rows: gr.update(
                choices=[(_label(pair), name) for name, pair in pairs.items()],
                value=chosen.message_id if chosen else None,
            ),
            at.detail: draw_pair(chosen, served=report.served.get(chosen.message_id, 0)) if chosen else CHOOSE,
            at.reason: "",
        }

    async def take_out(self, given: Given, request: gr.Request) -> Updates:
        return await self._switch(given, request, is_on=False)

    async def put_back(self, given: Given, request: gr.Request) -> Updates:
        return await self._switch(given, request, is_on=True)

    async def _switch(self, given: Given, request: gr.Request, *, is_on: bool) -> Updates:
        at = self._at
        with told(request) as actor:
            if not given[at.rows]:
                raise InvalidInput("is chosen", subject="nothing", remedy="Choose an answer of the list first.")
            name = self._bots.find(given[at.bot]).bot_name
            turned = partial(switch, bot=name, message_id=given[at.rows], is_on=is_on, reason=given[at.reason])
            await self._store.write(partial(turned, actor=actor, at=self._now()))
        return await self.show(given, request)

    async def _report(self, given: Given) -> VerifiedReport:
        name = self._bots.find(given[self._at.bot]).bot_name
        return await report_verified(self._store, self._shelf, bot=name, now=self._now())


def draw_pair(pair: Pair, *, served: int) -> str:
    state = badge("in service", tone="good") if pair.is_on else badge("out of service", tone="bad")
    head = [
        ("State", state),
        ("By", text(pair.verified_by)),
        ("Since", when(pair.verified_at)),
        ("Served", text(f"{served} times")),
    ]
    why = [("Switched because", text(pair.reason))] if pair.reason else []
    return facts([*head, *why]) + quote("Question", pair.question) + quote("Answer", pair.answer)


def _label(pair: Pair) -> str:
    question = " ".join(pair.question.split())
    return f"{'' if pair.is_on else 'off · '}{question[:SHORT_CHARS]}"
