"""The Feedback tab: what wants a look, what people said, and an operator's word on it.

Answer and proposal stand side by side, each with its own button. A ruling is about the texts that were shown, which the
page hands back with it. Does not know what a ruling does (`serve.console.rulings`).
"""

import gradio as gr
from gradio.blocks import Block
from pydantic import ValidationError

from nightschool.errors import InvalidInput
from serve.console.draw_feedback import draw_answer, draw_opinion, draw_proposal, draw_scores, row_label
from serve.console.handlers import ConsoleHandlers
from serve.console.layout import CHOOSE, FeedbackTab
from serve.console.rulings import QUEUE, Shown, read_key, row_key, shown_of
from serve.console.told import QUIET, Given, Updates, told


class FeedbackWires:
    """Adapters between the tab's events and the handlers."""

    def __init__(self, handlers: ConsoleHandlers, tab: FeedbackTab) -> None:
        self._handlers = handlers
        self._at = tab

    def connect(self) -> None:
        at = self._at
        filters: set[Block] = {at.bot, at.show, at.signal}
        read = [at.detail, at.actions, at.answer, at.proposed, at.proposal, at.own_text, at.shown]
        listed = [at.signal, at.rows, at.empty, *read]
        # One event for all: of two that are on their way at once, the earlier one's list could stand in the end.
        triggers = [at.tab.select, at.bot.input, at.show.input, at.signal.input]
        gr.on(triggers, self._list, filters, listed, trigger_mode="always_last", **QUIET)
        at.rows.input(self._read, {at.rows}, read, **QUIET)
        given: set[Block] = {*filters, at.shown}
        at.approve.click(self._approve, given, listed, **QUIET)
        at.take_proposal.click(self._take_proposal, given, listed, **QUIET)
        at.correct.click(self._correct, {*given, at.own_text}, listed, **QUIET)
        at.refuse.click(self._refuse, given, listed, **QUIET)
        facts: list[Block] = [at.golden.must_say, at.golden.must_not_say]
        at.golden.make.click(self._make_case, {at.shown, *facts}, facts, **QUIET)

    async def _list(self, given: Given, request: gr.Request) -> Updates:
        at = self._at
        with told(request):
            rows = await self._handlers.rows(given[at.bot] or None, given[at.show], given[at.signal])
        return {
            at.signal: gr.update(visible=given[at.show] == QUEUE),
            at.rows: gr.update(choices=[(row_label(row), row_key(row)) for row in rows], value=None),
            at.empty: gr.update(visible=not rows),
            at.detail: CHOOSE,
            at.actions: gr.update(visible=False),
            at.shown: "",
        }

    async def _read(self, given: Given, request: gr.Request) -> Updates:
        at = self._at
        with told(request):
            if not given[at.rows]:
                raise _nothing_chosen()
            row = await self._handlers.row(read_key(given[at.rows]))
            shown = shown_of(row)
            scores = await self._handlers.scores(shown.message_id)
        return {
            at.detail: draw_opinion(row) + draw_scores(scores),
            at.actions: gr.update(visible=True),
            at.answer: draw_answer(shown),
            at.proposed: gr.update(visible=bool(shown.proposal)),
            at.proposal: draw_proposal(shown),
            at.own_text: shown.answer,
            at.shown: shown.model_dump_json(),
        }

    async def _approve(self, given: Given, request: gr.Request) -> Updates:
        with told(request) as actor:
            shown = self._shown(given)
            await self._handlers.review(shown, approved_text=shown.answer, actor=actor)
        return await self._ruled(given, request, "The answer goes into the next night.")

    async def _take_proposal(self, given: Given, request: gr.Request) -> Updates:
        with told(request) as actor:
            shown = self._shown(given)
            await self._handlers.review(shown, approved_text=shown.proposal, actor=actor)
        return await self._ruled(given, request, "The proposal goes into the next night.")

    async def _correct(self, given: Given, request: gr.Request) -> Updates:
        with told(request) as actor:
            await self._handlers.review(self._shown(given), approved_text=given[self._at.own_text], actor=actor)
        return await self._ruled(given, request, "Your text goes into the next night.")

    async def _refuse(self, given: Given, request: gr.Request) -> Updates:
        with told(request) as actor:
            await self._handlers.review(self._shown(given), approved_text=None, actor=actor)
        return await self._ruled(given, request, "It stays out of training.")

    async def _make_case(self, given: Given, request: gr.Request) -> Updates:
        form = self._at.golden
        with told(request) as actor:
            case = await self._handlers.make_case(
                self._shown(given), must_say=given[form.must_say], must_not_say=given[form.must_not_say], actor=actor
            )
        gr.Info(f"Each exam asks it from now on, as {case.id}.", title="Golden case")
        return {form.must_say: "", form.must_not_say: ""}

    async def _ruled(self, given: Given, request: gr.Request, sentence: str) -> Updates:
        gr.Info(sentence, title="Reviewed")
        return await self._list(given, request)

    def _shown(self, given: Given) -> Shown:
        """Raises InvalidInput where nothing is shown."""
        try:
            return Shown.model_validate_json(given[self._at.shown])
        except ValidationError:
            raise _nothing_chosen() from None


def _nothing_chosen() -> InvalidInput:
    return InvalidInput("is chosen", subject="nothing", remedy="Choose a line of the list first.")
