"""The column beside the talk: a person's chats, what can be done with the open one, and what becomes of their data.

Lays out and wires; what happens is `serve.chat.own_chats`' and `serve.chat.forgetting`'s. `opened` draws the page anew.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

import gradio as gr
from gradio.blocks import Block

from collect.chat_settings import ChatSettings
from serve.chat.download import ADDRESS
from serve.chat.forgetting import Forgetting
from serve.chat.given import Updates, place_of, told
from serve.chat.own_chats import MAX_TITLE_CHARS, OwnChats
from serve.chat.views import ChatView, Lists, Place

KEPT: Final = (
    '<p class="ns-fine">You talk to an AI. Chats and votes are kept for this browser, and teach the assistant at night '
    "unless you switch that off above. Names and numbers are masked before it learns.</p>"
    f'<p class="ns-fine"><a class="ns-link" href="{ADDRESS.removeprefix("/")}" download>Download my data</a></p>'
)
Opened = Callable[..., Awaitable[Updates]]


class ForgetCard(NamedTuple):
    """Asks once more before something is deleted for good."""

    ask: gr.Button
    card: gr.Column
    delete: gr.Button
    keep: gr.Button


class ChatSide(NamedTuple):
    choice: gr.Dropdown
    new_chat: gr.Button
    search: gr.Textbox
    conversations: gr.Radio
    own: gr.Accordion
    name: gr.Textbox
    rename: gr.Button
    pin: gr.Button
    is_private: gr.Checkbox
    forget: ForgetCard
    forget_all: ForgetCard

    def outputs(self) -> list[Block]:
        """What is drawn anew with the page."""
        shown = (self.choice, self.search, self.conversations, self.own, self.name, self.pin, self.is_private)
        return [*shown, self.forget.card, self.forget_all.card]


def build_side() -> ChatSide:
    """Call inside `gr.Blocks`."""
    with gr.Column(elem_id="ns-side", min_width=0, scale=0):
        gr.HTML('<p class="ns-brand"><span aria-hidden="true">☾</span> Nightschool</p>', padding=False)
        choice = gr.Dropdown([], label="Assistant", elem_id="ns-bot", filterable=False, visible=False)
        new_chat = gr.Button("New chat", elem_id="ns-new", size="sm")
        search = gr.Textbox(
            label="Search your chats",
            show_label=False,
            placeholder="Search your chats",
            container=False,
            max_length=200,
            elem_id="ns-search",
        )
        conversations = gr.Radio([], label="Your conversations", elem_id="ns-conversations", visible=False)
        is_private = gr.Checkbox(label="Do not learn from this chat", elem_id="ns-private", container=False)
        with gr.Accordion("This chat", open=False, visible=False, elem_id="ns-own", elem_classes="ns-fold") as own:
            name = gr.Textbox(label="Name of this chat", max_length=MAX_TITLE_CHARS, elem_id="ns-name")
            with gr.Row(elem_classes="ns-card-buttons"):
                rename = gr.Button("Rename", size="sm", min_width=0, elem_id="ns-rename")
                pin = gr.Button("Pin", size="sm", min_width=0, elem_id="ns-pin")
            forget = _forget_card(
                "Delete this chat", "It is deleted for good, and nothing is learnt from it.", "Delete"
            )
        with gr.Accordion("Your data", open=False, elem_id="ns-data", elem_classes="ns-fold"):
            gr.HTML(KEPT, padding=False)
            told_of = "All chats of this browser, with every assistant, are deleted for good."
            forget_all = _forget_card("Delete all my chats", told_of, "Delete all")
    return ChatSide(choice, new_chat, search, conversations, own, name, rename, pin, is_private, forget, forget_all)


def _forget_card(asked: str, told_of: str, done: str) -> ForgetCard:
    ask = gr.Button(asked, size="sm", elem_classes="ns-forget")
    with gr.Column(visible=False, elem_classes="ns-forget-card") as card:
        gr.HTML(f'<p class="ns-fine">{told_of}</p>', padding=False)
        with gr.Row(elem_classes="ns-card-buttons"):
            keep = gr.Button("Keep", size="sm", min_width=0)
            delete = gr.Button(done, variant="stop", size="sm", min_width=0)
    return ForgetCard(ask, card, delete, keep)


def draw_side(at: ChatSide, view: ChatView, lists: Lists) -> Updates:
    """The column as it stands after whatever happened."""
    known = {summary.conversation_id for summary in lists.conversations}
    settings, is_known = lists.settings, bool(view.conversation_id)
    title = next((c.title for c in lists.conversations if c.conversation_id == view.conversation_id), settings.title)
    return {
        at.choice: gr.update(
            choices=[(bot.title, bot.name) for bot in lists.bots], value=view.bot.name, visible=len(lists.bots) > 1
        ),
        at.search: gr.update(value="", visible=bool(known)),
        at.conversations: gr.update(
            choices=choices_of(lists),
            value=view.conversation_id if view.conversation_id in known else None,
            visible=bool(known),
            label="Your conversations",
        ),
        at.own: gr.update(visible=is_known),
        at.name: title,
        at.is_private: settings.is_private,
        at.forget.card: gr.update(visible=False),
        at.forget_all.card: gr.update(visible=False),
    } | _pinned(at, settings)


def choices_of(lists: Lists) -> list[tuple[str, str]]:
    """Of the list of conversations: what is shown, and the id."""
    return [
        (("★ " if summary.is_pinned else "") + (summary.title or "Untitled"), summary.conversation_id)
        for summary in lists.conversations
    ]


def _pinned(at: ChatSide, settings: ChatSettings) -> Updates:
    return {at.pin: gr.update(value="Unpin" if settings.is_pinned else "Pin")}


class SideWires:
    """Adapters between the column's events and what they are about."""

    def __init__(
        self, at: ChatSide, own: OwnChats, forgetting: Forgetting, *, check_at_rest: Callable[[Place], None]
    ) -> None:
        self._at = at
        self._own = own
        self._forgetting = forgetting
        self._check_at_rest = check_at_rest

    def connect(self, place: list[gr.Textbox], page: Sequence[Block], *, opened: Opened, quiet: dict[str, Any]) -> None:
        at = self._at
        again: dict[str, Any] = {"fn": opened, "inputs": place, "outputs": page, **quiet}
        for happened in (at.name.submit, at.rename.click):
            happened(self._rename, [*place, at.name], None, **quiet).success(**again)
        at.pin.click(self._pin, [*place, at.pin], None, **quiet).success(**again)
        at.is_private.input(self._close_to_learning, [*place, at.is_private], None, **quiet)
        for card, forget in ((at.forget, self._forget), (at.forget_all, self._forget_all)):
            card.ask.click(lambda: gr.update(visible=True), None, [card.card], **quiet)
            card.keep.click(lambda: gr.update(visible=False), None, [card.card], **quiet)
            card.delete.click(forget, place, [place[1], place[2]], **quiet).success(**again)

    async def _rename(self, bot: str, conversation_id: str, shown: str, name: str, request: gr.Request) -> None:
        with told():
            await self._own.rename(place_of(request, bot, conversation_id, shown), name or "")

    async def _pin(self, bot: str, conversation_id: str, shown: str, offered: str, request: gr.Request) -> None:
        with told():
            await self._own.pin(place_of(request, bot, conversation_id, shown), is_pinned=offered == "Pin")

    async def _close_to_learning(
        self, bot: str, conversation_id: str, shown: str, is_private: bool, request: gr.Request
    ) -> None:
        """Of a chat that has not begun, the box is read with its first question."""
        if conversation_id:
            with told():
                place = place_of(request, bot, conversation_id, shown)
                await self._own.close_to_learning(place, is_private=is_private)

    async def _forget(self, bot: str, conversation_id: str, shown: str, request: gr.Request) -> tuple[str, str]:
        place = place_of(request, bot, conversation_id, shown)
        with told():
            self._check_at_rest(place)
            await self._forgetting.forget(place)
        gr.Info("It is gone from the record.", title="Chat deleted", duration=4)
        return "", ""

    async def _forget_all(self, bot: str, conversation_id: str, shown: str, request: gr.Request) -> tuple[str, str]:
        place = place_of(request, bot, conversation_id, shown)
        with told():
            self._check_at_rest(place)
            await self._forgetting.forget_all(place)
        gr.Info("They are gone from the record.", title="All chats deleted", duration=4)
        return "", ""
