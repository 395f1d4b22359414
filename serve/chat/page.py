"""Wire the chat page: which click calls which handler, and which component shows what comes back.

The only module that knows both sides. An answer streams into three outputs by plain values, since Gradio builds a new
component for each output that is left out or updated, and changes threads for each value that it has to work out. What
else changes is changed by the browser before, and read from the record after. A failure is one plain sentence
(`serve.chat.trouble`): above the box for an answer, else in a toast.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any

import gradio as gr
from gradio.blocks import Block

from deploy.fates import Fates
from nightschool.records import Vote
from serve.chat import framed, scripts, unsent
from serve.chat.compare import REMEMBER, CompareWires
from serve.chat.comparing import Comparing
from serve.chat.drawing import draw_card, draw_margins, draw_notice, draw_page
from serve.chat.forgetting import Forgetting
from serve.chat.given import Below, Given, Updates, place_of, position_of, told, words_of
from serve.chat.handing_over import HandingOver
from serve.chat.handlers import ChatHandlers
from serve.chat.human import HumanWires
from serve.chat.layout import ChatLayout, build_chat
from serve.chat.markup import thumbs
from serve.chat.outcomes import Outcomes
from serve.chat.own_chats import OwnChats
from serve.chat.side import SideWires, choices_of
from serve.chat.solved import SolvedWires
from serve.chat.stream import Answer, stream_answer
from serve.chat.trouble import UNASKED
from serve.chat.views import ChatView, Look, Place
from serve.pace import Pace
from serve.parts import Parts
from serve.toasts import unnest_toasts
from serve.words.catalogue import Words


def chat_blocks(parts: Parts, words: Words) -> gr.Blocks:
    """The page at `/`, as it is first shown in one language; its events answer each visitor in theirs."""
    pace = partial(Pace, parts.settings.server.requests_per_minute)
    handlers = ChatHandlers(
        turns=parts.turns,
        votes=parts.votes,
        fates=Fates(parts.store, parts.home),
        store=parts.store,
        shelf=parts.shelf,
        opponents=parts.opponents,
        engine_status=parts.engine_status,
        answers_per_minute=parts.settings.server.requests_per_minute,
    )
    blocks = gr.Blocks(title="Nightschool", analytics_enabled=False, fill_width=True, fill_height=True)
    with blocks:
        layout = build_chat(words, is_echo=parts.settings.engine.kind == "echo")
        own, forgetting = OwnChats(parts.turns, parts.store, parts.masking), Forgetting(parts.turns, parts.eraser)
        side = SideWires(layout.side, own, forgetting, check_at_rest=handlers.check_at_rest)
        handing, outcomes = HandingOver(parts.escalations, pace=pace()), Outcomes(parts.store, pace=pace())
        below: tuple[Below, ...] = (
            HumanWires(layout.human, handing, look=handlers.open),
            SolvedWires(layout.solved, outcomes, look=handlers.open),
            CompareWires(layout.compare, Comparing(parts.store, pace=pace()), look=handlers.open),
        )
        _ChatWires(handlers, layout, below).connect(blocks, side, words)
        unnest_toasts(blocks)
    blocks.queue(max_size=256, default_concurrency_limit=64)
    return blocks


class _ChatWires:
    """Adapters between Gradio's events and the handlers."""

    def __init__(self, handlers: ChatHandlers, layout: ChatLayout, below: Sequence[Below]) -> None:
        self._handlers = handlers
        self._at = layout
        self._below = below

    def connect(self, blocks: gr.Blocks, side: SideWires, words: Words) -> None:
        at, beside = self._at, self._at.side
        place = [at.bot, at.conversation_id, at.shown]
        page = [
            *place,
            *beside.outputs(),
            *(output for part in self._below for output in part.outputs()),
            at.title,
            at.notice,
            at.chat,
            at.card.card,
            at.send,
            at.stop,
            at.clock,
        ]
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        # What was chosen may be unknown to a server that was started anew: its handlers know better than its lists.
        chosen: dict[str, Any] = {"preprocess": False, **quiet}

        opened = blocks.load(
            self._come_back, [*place, at.question], [*page, at.question], js=scripts.READ_ADDRESS, **quiet
        )
        back = [at.box, at.trouble, beside.is_private]
        opened.then(None, [at.question, at.bot, at.box, beside.is_private], back, js=unsent.give_back(words.trouble))
        opened.then(None, js=scripts.listen(words))
        # Not after what the server says: until then a frame takes no key.
        blocks.load(None, js=framed.frame(words.side))
        at.conversation_id.change(None, place[:2], None, js=scripts.WRITE_ADDRESS)
        beside.choice.input(self._open_bot, [beside.choice], page, **chosen).then(
            None, place[:2], None, js=scripts.WRITE_ADDRESS
        )
        beside.new_chat.click(self._open_bot, [at.bot], page, **quiet).then(None, js=scripts.CLOSE_SIDE)
        beside.conversations.input(self._open_other, [at.bot, beside.conversations], page, **chosen).then(
            None, js=scripts.CLOSE_SIDE
        )
        for turned, show in ((at.turn.click, self._turn_to), (at.branch.click, self._branch_at)):
            looked = turned(show, place, page, js=scripts.TURN, **quiet)
            looked.success(None, [at.shown], None, js=scripts.STAY)
        at.toggle.click(None, js=scripts.TOGGLE_SIDE)
        at.clock.tick(self._tick, None, [at.notice, at.clock], **quiet)
        self._connect_answers(place, page, quiet, fail=scripts.fail(words.trouble))
        side.connect(place, page, opened=self._stay, quiet=quiet)
        for part in self._below:
            for happened in part.connect(place, quiet):
                happened.then(self._open, place, page, **quiet).then(None, js=scripts.WRITE_ON)
        sought = [at.bot, at.conversation_id, beside.search]
        beside.search.change(self._search, sought, [beside.conversations], trigger_mode="always_last", **quiet)

        card = at.card
        fields = [card.reasons, card.comment, card.ideal_answer]
        # "multiple": a thumb that is clicked again before the first is recorded counts too.
        rated = [at.chat, card.card, card.message_id, *fields]
        voted = at.chat.like(self._vote, place, rated, trigger_mode="multiple", **quiet)
        # The chatbot shows a thumb before it is recorded; one that could not be is shown as the record has it.
        voted.failure(self._stay, place, page, **quiet)
        card.save.click(self._explain, {*place, card.message_id, *fields}, [card.card], **quiet)
        card.close.click(self._close_card, None, [card.card], **quiet)

    def _connect_answers(self, place: list[gr.Textbox], page: list[Block], quiet: dict[str, Any], *, fail: str) -> None:
        at = self._at
        answers: dict[str, Any] = {
            "concurrency_id": "answers", "concurrency_limit": 64, "postprocess": False, "js": scripts.IF_REACHED,
        } | quiet  # fmt: skip
        answer, buttons = [at.chat, at.conversation_id, at.trouble], [at.send, at.stop]
        for happened in (at.chat.example_select, at.chat.retry):
            happened(None, None, [at.asked, at.trouble, *buttons], js=scripts.BEGIN)
        at.chat.retry(None, [at.shown], [at.compare.before], js=REMEMBER)
        leaving = [at.asked, at.question, at.edited, at.box, at.trouble, *buttons]
        sent = gr.on(
            [at.box.submit, at.send.click], None, [at.box, *place[:2], at.side.is_private], leaving, js=scripts.SEND
        )
        asked = sent.then(self._ask, {*place, at.asked, at.question, at.edited, at.side.is_private}, answer, **answers)
        begun = at.chat.example_select(self._ask_starter, {*place, at.side.is_private}, answer, **answers)
        again = at.chat.retry(self._retry, place, answer, **answers)
        stopped = at.stop.click(None, None, None, cancels=[asked, begun, again])
        kept, left = [at.asked, at.trouble, at.box], [at.asked, at.box, at.trouble]
        for over in (asked.then, begun.then, again.then, stopped.then):
            settled = over(None, kept, left, js=scripts.END).then(self._settle, [*place, at.trouble], page, **quiet)
            settled.failure(None, None, buttons, js=scripts.REST)
        for failed in (asked.failure, begun.failure, again.failure):
            told = failed(None, kept, left, js=fail).then(None, None, buttons, js=scripts.REST)
            told.then(self._settle, [*place, at.trouble], page, js=scripts.UNLESS_OFFLINE, **quiet)

    async def _open(self, bot: str, conversation_id: str, shown: str, request: gr.Request) -> Updates:
        """The newest branch."""
        return await self._draw(place_of(request, bot, conversation_id, shown), self._handlers.open, request)

    async def _stay(self, bot: str, conversation_id: str, shown: str, request: gr.Request) -> Updates:
        """The branch that is shown."""
        return await self._draw(place_of(request, bot, conversation_id, shown), self._handlers.stay, request)

    async def _come_back(self, bot: str, conversation_id: str, shown: str, name: str, request: gr.Request) -> Updates:
        """The same, or the question that was on its way where it got through; the page then forgets its name."""
        is_through = False

        async def look(place: Place) -> ChatView:
            nonlocal is_through
            view, is_through = await self._handlers.come_back(place, name or "")
            return view

        drawn = await self._draw(place_of(request, bot, conversation_id, shown), look, request)
        return drawn | {self._at.question: "" if is_through else name}

    async def _settle(self, bot: str, conversation_id: str, shown: str, trouble: str, request: gr.Request) -> Updates:
        """What came of a question."""
        show = self._stay if UNASKED in (trouble or "") else self._open
        return await show(bot, conversation_id, shown, request)

    async def _draw(self, place: Place, look: Look, request: gr.Request) -> Updates:
        words = words_of(request)
        with told(words):
            view = await look(place)
            shown = replace(place, bot=view.bot.name, conversation_id=view.conversation_id)
            lists, state = await self._handlers.lists(shown), self._handlers.engine_state()
            drawn = draw_page(self._at, view, words) | draw_margins(self._at, view, lists, state, words)
            for part in self._below:
                drawn |= await part.draw(view, words)
            return drawn

    async def _open_bot(self, bot: str, request: gr.Request) -> Updates:
        return await self._open(bot, "", "", request)

    async def _open_other(self, bot: str, conversation_id: str, request: gr.Request) -> Updates:
        return await self._open(bot, conversation_id, "", request)

    async def _search(self, bot: str, conversation_id: str, sought: str, request: gr.Request) -> Updates:
        words = words_of(request)
        with told(words):
            lists = await self._handlers.lists(place_of(request, bot, "", ""), sought=sought or "")
        chosen = conversation_id if conversation_id in {c.conversation_id for c in lists.conversations} else None
        label = words.side.conversations if lists.conversations else words.side.found_nothing
        choices = choices_of(lists, words.side)
        return {self._at.side.conversations: gr.update(choices=choices, value=chosen, label=label)}

    async def _turn_to(self, bot: str, conversation_id: str, turn: str, request: gr.Request) -> Updates:
        place, words = place_of(request, bot, conversation_id, ""), words_of(request)
        with told(words):
            return draw_page(self._at, await self._handlers.turn_to(place, turn), words)

    async def _branch_at(self, bot: str, conversation_id: str, end: str, request: gr.Request) -> Updates:
        """`end` is all that counts of what is shown then."""
        place, words = place_of(request, bot, conversation_id, end), words_of(request)
        with told(words):
            return draw_page(self._at, await self._handlers.stay(place), words)

    async def _ask(self, given: Given, request: gr.Request) -> AsyncGenerator[Answer, None]:
        at = self._at
        place = place_of(request, given[at.bot], given[at.conversation_id], given[at.shown])
        views = self._handlers.ask(
            place,
            given[at.asked],
            name=given[at.question],
            instead_of=given[at.edited],
            is_private=bool(given[at.side.is_private]),
        )
        async with aclosing(self._stream(place, views, request)) as answers:
            async for answer in answers:
                yield answer

    async def _ask_starter(
        self, given: Given, request: gr.Request, chosen: gr.SelectData
    ) -> AsyncGenerator[Answer, None]:
        at = self._at
        place = place_of(request, given[at.bot], given[at.conversation_id], given[at.shown])
        text, is_private = str(chosen.value["text"]), bool(given[at.side.is_private])
        views = self._handlers.ask(place, text, is_private=is_private)
        async with aclosing(self._stream(place, views, request)) as answers:
            async for answer in answers:
                yield answer

    async def _retry(
        self, bot: str, conversation_id: str, shown: str, request: gr.Request
    ) -> AsyncGenerator[Answer, None]:
        place = place_of(request, bot, conversation_id, shown)
        async with aclosing(self._stream(place, self._handlers.retry(place), request)) as answers:
            async for answer in answers:
                yield answer

    def _stream(
        self, place: Place, views: AsyncGenerator[ChatView, None], request: gr.Request
    ) -> AsyncGenerator[Answer, None]:
        name, state = place.conversation_id, self._handlers.engine_state
        return stream_answer(views, words_of(request), conversation_id=name, engine_state=state)

    async def _vote(
        self, bot: str, conversation_id: str, shown: str, request: gr.Request, liked: gr.LikeData
    ) -> Updates:
        at = self._at
        vote = Vote.NONE if liked.liked == "" else Vote.UP if liked.liked is True else Vote.DOWN
        place = place_of(request, bot, conversation_id, shown)
        with told(words_of(request)):
            rated = await self._handlers.vote(place, position_of(liked), vote)
        return {at.chat: gr.update(feedback_value=thumbs(rated.lines))} | draw_card(at.card, rated)

    async def _explain(self, given: Given, request: gr.Request) -> Updates:
        at, card, words = self._at, self._at.card, words_of(request)
        place = place_of(request, given[at.bot], given[at.conversation_id], given[at.shown])
        with told(words):
            await self._handlers.explain(
                place,
                given[card.message_id],
                reasons=given[card.reasons],
                comment=given[card.comment],
                ideal_answer=given[card.ideal_answer],
            )
        gr.Info(words.reason.thanks, duration=4)
        return self._close_card()

    def _close_card(self) -> Updates:
        return {self._at.card.card: gr.update(visible=False)}

    async def _tick(self, request: gr.Request) -> Updates:
        return draw_notice(self._at, self._handlers.engine_state(), words_of(request))
