"""The column beside the talk: a person's chats, what can be done with the open one, and what becomes of their data.

Lays out and wires; what happens is `serve.chat.own_chats`' and `serve.chat.forgetting`'s. `opened` draws the page anew.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

import gradio as gr
from gradio.blocks import Block

from serve.chat.download import ADDRESS
from serve.chat.forgetting import Forgetting
from serve.chat.given import Updates, place_of, told, words_of
from serve.chat.own_chats import MAX_TITLE_CHARS, OwnChats
from serve.chat.views import ChatView, Lists, Place
from serve.words.catalogue import SideWords
from serve.words.choice import LANGUAGES

PIN: Final = frozenset(words.side.pin for words in LANGUAGES)
"""What the button says of a chat that is not pinned, in the language in which the page was opened."""
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


def build_side(words: SideWords) -> ChatSide:
    """Call inside `gr.Blocks`."""
    with gr.Column(elem_id="ns-side", min_width=0, scale=0):
        gr.HTML('<p class="ns-brand"><span aria-hidden="true">☾</span> Nightschool</p>', padding=False)
        choice = gr.Dropdown([], label=words.assistant, elem_id="ns-bot", filterable=False, visible=False)
        new_chat = gr.Button(words.new_chat, elem_id="ns-new", size="sm")
        search = gr.Textbox(
            label=words.search,
            show_label=False,
            placeholder=words.search,
            container=False,
            max_length=200,
            elem_id="ns-search",
        )
        conversations = gr.Radio([], label=words.conversations, elem_id="ns-conversations", visible=False)
        is_private = gr.Checkbox(label=words.do_not_learn, elem_id="ns-private", container=False)
        with gr.Accordion(words.this_chat, open=False, visible=False, elem_id="ns-own", elem_classes="ns-fold") as own:
            name = gr.Textbox(label=words.name, max_length=MAX_TITLE_CHARS, elem_id="ns-name")
            with gr.Row(elem_classes="ns-card-buttons"):
                rename = gr.Button(words.rename, size="sm", min_width=0, elem_id="ns-rename")
                pin = gr.Button(words.pin, size="sm", min_width=0, elem_id="ns-pin")
            forget = _forget_card(words.delete_chat, words.delete_chat_told, words.delete, words.keep)
        with gr.Accordion(words.your_data, open=False, elem_id="ns-data", elem_classes="ns-fold"):
            gr.HTML(draw_kept(words), padding=False)
            forget_all = _forget_card(words.delete_all, words.delete_all_told, words.delete_everything, words.keep)
    return ChatSide(choice, new_chat, search, conversations, own, name, rename, pin, is_private, forget, forget_all)


def draw_kept(words: SideWords) -> str:
    """What becomes of what is said here, and the way to all that is kept of it."""
    link = f'<a class="ns-link" href="{ADDRESS.removeprefix("/")}" download>{words.download}</a>'
    return f'<p class="ns-fine">{words.what_is_kept}</p><p class="ns-fine">{link}</p>'


def _forget_card(asked: str, told_of: str, done: str, kept: str) -> ForgetCard:
    ask = gr.Button(asked, size="sm", elem_classes="ns-forget")
    with gr.Column(visible=False, elem_classes="ns-forget-card") as card:
        gr.HTML(f'<p class="ns-fine">{told_of}</p>', padding=False)
        with gr.Row(elem_classes="ns-card-buttons"):
            keep = gr.Button(kept, size="sm", min_width=0)
            delete = gr.Button(done, variant="stop", size="sm", min_width=0)
    return ForgetCard(ask, card, delete, keep)


def draw_side(at: ChatSide, view: ChatView, lists: Lists, words: SideWords) -> Updates:
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
            choices=choices_of(lists, words),
            value=view.conversation_id if view.conversation_id in known else None,
            visible=bool(known),
            label=words.conversations,
        ),
        at.own: gr.update(visible=is_known),
        at.name: title,
        at.pin: gr.update(value=words.unpin if settings.is_pinned else words.pin),
        at.is_private: settings.is_private,
        at.forget.card: gr.update(visible=False),
        at.forget_all.card: gr.update(visible=False),
    }


def choices_of(lists: Lists, words: SideWords) -> list[tuple[str, str]]:
    """Of the list of conversations: what is shown, and the id."""
    return [
        (("★ " if summary.is_pinned else "") + (summary.title or words.untitled), summary.conversation_id)
        for summary in lists.conversations
    ]


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
        with told(words_of(request)):
            await self._own.rename(place_of(request, bot, conversation_id, shown), name or "")

    async def _pin(self, bot: str, conversation_id: str, shown: str, offered: str, request: gr.Request) -> None:
        with told(words_of(request)):
            await self._own.pin(place_of(request, bot, conversation_id, shown), is_pinned=offered in PIN)

    async def _close_to_learning(
        self, bot: str, conversation_id: str, shown: str, is_private: bool, request: gr.Request
    ) -> None:
        """Of a chat that has not begun, the box is read with its first question."""
        if conversation_id:
            with told(words_of(request)):
                place = place_of(request, bot, conversation_id, shown)
                await self._own.close_to_learning(place, is_private=is_private)

    async def _forget(self, bot: str, conversation_id: str, shown: str, request: gr.Request) -> tuple[str, str]:
        place, words = place_of(request, bot, conversation_id, shown), words_of(request)
        with told(words):
            self._check_at_rest(place)
            await self._forgetting.forget(place)
        gr.Info(words.side.chat_is_gone, duration=4)
        return "", ""

    async def _forget_all(self, bot: str, conversation_id: str, shown: str, request: gr.Request) -> tuple[str, str]:
        place, words = place_of(request, bot, conversation_id, shown), words_of(request)
        with told(words):
            self._check_at_rest(place)
            await self._forgetting.forget_all(place)
        gr.Info(words.side.all_are_gone, duration=4)
        return "", ""
