"""What Gradio hands to the page's events, as our own values, and how what goes wrong is told. Knows no component."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import gradio as gr
from gradio.blocks import Block
from gradio.events import Dependency

from nightschool.errors import NightschoolError
from serve.chat.trouble import plain
from serve.chat.views import ChatView, Place
from serve.words.catalogue import Words
from serve.words.choice import choose_words

Updates = dict[Any, Any]
"""Gradio's own shape: component -> new value."""
Given = Mapping[Any, Any]
"""The same for what comes from the page."""


class Below(Protocol):
    """What stands below the talk and is drawn anew with it."""

    def outputs(self) -> list[Block]: ...

    def connect(self, place: list[gr.Textbox], quiet: dict[str, Any]) -> list[Dependency]:
        """Those of its events after which the talk itself is to be drawn anew."""
        ...

    async def draw(self, view: ChatView, words: Words, /) -> Updates: ...


def place_of(request: gr.Request, bot: str, conversation_id: str, shown: str) -> Place:
    ids = tuple("" if word == "-" else word for word in (shown or "").split())
    address = request.client.host if request.client else ""
    return Place(f"browser:{request.username}", bot or "", conversation_id or "", ids, address)


def words_of(request: gr.Request) -> Words:
    """In whoever asks' language."""
    return choose_words(request.headers.get("accept-language", ""))


def position_of(liked: gr.LikeData) -> int:
    return int(liked.index[0] if isinstance(liked.index, list | tuple) else liked.index)


@contextmanager
def told(words: Words) -> Iterator[None]:
    """Tell the person what went wrong."""
    try:
        yield
    except NightschoolError as error:
        raise gr.Error(plain(error, words), duration=8, print_exception=False) from error
