"""What Gradio hands to the page's events, as our own values, and how what goes wrong is told. Knows no component."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import gradio as gr
from gradio.blocks import Block

from nightschool.errors import NightschoolError
from serve.chat.views import ChatView, Place
from serve.chat.words import plain

Updates = dict[Any, Any]
"""Gradio's own shape: component -> new value."""
Given = Mapping[Any, Any]
"""The same for what comes from the page."""


class Below(Protocol):
    """What stands below the talk and is drawn anew with it."""

    def outputs(self) -> list[Block]: ...

    def connect(self, place: list[gr.Textbox], quiet: dict[str, Any]) -> None: ...

    async def draw(self, view: ChatView, /) -> Updates: ...


def place_of(request: gr.Request, bot: str, conversation_id: str, shown: str) -> Place:
    ids = tuple("" if word == "-" else word for word in (shown or "").split())
    address = request.client.host if request.client else ""
    return Place(f"browser:{request.username}", bot or "", conversation_id or "", ids, address)


def position_of(liked: gr.LikeData) -> int:
    return int(liked.index[0] if isinstance(liked.index, list | tuple) else liked.index)


@contextmanager
def told() -> Iterator[None]:
    """Tell the person what went wrong."""
    try:
        yield
    except NightschoolError as error:
        raise gr.Error(plain(error), duration=8, title="That did not work", print_exception=False) from error
