"""Wire the console: which click calls which handler, and which component shows what comes back.

The gate lets only the operator in; every handler here checks that once more, since Gradio would call it for anybody.
Polls only while a night runs.
"""

from collections.abc import Awaitable, Callable

import gradio as gr

from serve.console.documents_tab import DocumentsWires
from serve.console.draw import cycle_label, draw_report
from serve.console.draw_night import draw_night
from serve.console.draw_status import draw_status
from serve.console.handlers import ConsoleHandlers
from serve.console.layout import ALL, ConsoleLayout, build_console
from serve.console.moving import AdaptersWires
from serve.console.quarantine_tab import QuarantineWires
from serve.console.reviewing import FeedbackWires
from serve.console.told import QUIET, Given, Updates, told
from serve.console.verified_tab import VerifiedWires
from serve.parts import Parts
from serve.status import Status, read_status
from serve.toasts import unnest_toasts


def console_blocks(parts: Parts) -> gr.Blocks:
    """The page at `/console`."""
    handlers = ConsoleHandlers(
        store=parts.store,
        rollout=parts.rollout,
        nights=parts.nights,
        shelf=parts.shelf,
        home=parts.home,
        golden=parts.golden,
        masking=parts.masking,
    )

    async def status() -> Status:
        return await read_status(parts)

    blocks = gr.Blocks(title="Nightschool console", analytics_enabled=False, fill_width=True)
    with blocks:
        layout = build_console()
        _ConsoleWires(handlers, layout, status=status).connect(blocks)
        DocumentsWires(parts.documents, layout.documents).connect()
        VerifiedWires(parts.store, parts.verified, parts.shelf, layout.verified).connect()
        QuarantineWires(parts.store, layout.quarantine).connect()
        unnest_toasts(blocks)
    blocks.queue(max_size=64, default_concurrency_limit=16)
    return blocks


class _ConsoleWires:
    """Adapters between Gradio's events and the handlers."""

    def __init__(
        self, handlers: ConsoleHandlers, layout: ConsoleLayout, *, status: Callable[[], Awaitable[Status]]
    ) -> None:
        self._handlers = handlers
        self._at = layout
        self._status = status

    def connect(self, blocks: gr.Blocks) -> None:
        self._connect_status(blocks)
        FeedbackWires(self._handlers, self._at.feedback).connect()
        self._connect_nights()
        AdaptersWires(self._handlers, self._at.adapters).connect()

    def _connect_status(self, blocks: gr.Blocks) -> None:
        at, nights, adapters = self._at.status, self._at.nights, self._at.adapters
        others = [self._at.documents.bot, self._at.verified.bot, self._at.quarantine.bot]
        blocks.load(self._fill_choices, None, [self._at.feedback.bot, nights.bot, adapters.bot, *others], **QUIET)
        for trigger in (blocks.load, at.tab.select, at.refresh.click):
            trigger(self._show_status, None, [at.status, self._at.clock], **QUIET)
        ticked = [at.status, nights.nights, nights.empty, nights.detail, nights.report, self._at.clock]
        self._at.clock.tick(self._tick, {nights.nights}, ticked, **QUIET)

    def _connect_nights(self) -> None:
        at = self._at.nights
        listed = [at.nights, at.empty, at.detail, at.report, self._at.clock]
        at.tab.select(self._list_nights, {at.nights}, listed, **QUIET)
        at.nights.input(self._list_nights, {at.nights}, listed, **QUIET)
        at.run.click(self._run_night, {at.bot, at.is_forced}, listed, **QUIET)

    async def _fill_choices(self, request: gr.Request) -> Updates:
        with told(request):
            names = list(self._handlers.bots())
            every = [("All bots", ALL), *((name, name) for name in names)]
        return {
            self._at.feedback.bot: gr.update(choices=every, value=ALL),
            self._at.quarantine.bot: gr.update(choices=every, value=ALL),
            self._at.nights.bot: gr.update(choices=names, value=names[0]),
            self._at.adapters.bot: gr.update(choices=names, value=names[0]),
            self._at.documents.bot: gr.update(choices=names, value=names[0]),
            self._at.verified.bot: gr.update(choices=names, value=names[0]),
        }

    async def _show_status(self, request: gr.Request) -> Updates:
        with told(request):
            status = await self._status()
            return {self._at.status.status: draw_status(status)} | await self._wind_clock()

    async def _tick(self, given: Given, request: gr.Request) -> Updates:
        return await self._list_nights(given, request) | await self._show_status(request)

    async def _wind_clock(self) -> Updates:
        return {self._at.clock: gr.Timer(active=await self._handlers.is_running())}

    async def _list_nights(self, given: Given, request: gr.Request) -> Updates:
        at = self._at.nights
        with told(request):
            cycles = await self._handlers.cycles()
            known = [cycle.cycle_id for cycle in cycles]
            chosen = given[at.nights] if given[at.nights] in known else next(iter(known), None)
            night = await self._handlers.night(chosen) if chosen else None
            clock = await self._wind_clock()
        return {
            at.nights: gr.update(choices=[(cycle_label(cycle), cycle.cycle_id) for cycle in cycles], value=chosen),
            at.empty: gr.update(visible=not cycles),
            at.detail: draw_night(night) if night else "",
            at.report: gr.update(
                value=draw_report(night.report) if night else "", visible=bool(night and night.report)
            ),
        } | clock

    async def _run_night(self, given: Given, request: gr.Request) -> Updates:
        at = self._at.nights
        with told(request) as actor:
            cycle = await self._handlers.start_night(given[at.bot], is_forced=bool(given[at.is_forced]), actor=actor)
        gr.Info(f"A night of {cycle.bot} has begun.", title="Night")
        return await self._list_nights({at.nights: cycle.cycle_id}, request)
