"""The chat page in each language behind one door: every visitor is handed it in theirs.

Gradio sends a page's texts once, with the page. So the page is built for each language, with the same ids for the same
parts: whichever was handed out, what it asks from then on is the first one's to answer, whose queue alone runs. Does
not know the texts, nor who the visitors are.
"""

from collections.abc import Callable, Mapping
from typing import Final

import gradio as gr
from gradio.context import Context
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.page_language import LANGUAGE
from serve.words.catalogue import Words
from serve.words.choice import LANGUAGES, choose_words

HANDED_OUT: Final = frozenset({"/", "/config", "/config/"})
"""Where Gradio sends the page's texts."""


def words_for(scope: Scope) -> Words:
    """In the language of whoever asks."""
    return choose_words(Headers(scope=scope).get("accept-language", ""))


def build_each(build: Callable[[Words], gr.Blocks]) -> dict[str, gr.Blocks]:
    """The page in each language, by its code."""
    first_id, built = Context.id, dict[str, gr.Blocks]()
    for words in LANGUAGES:
        Context.id = first_id
        built[words.code] = build(words)
    first, *others = built.values()
    for blocks in others:
        # By this a page notices that its server was started anew.
        blocks.app_id = first.app_id
    return built


class SpokenPage:
    """ASGI: `pages` by language; the first one answers whatever is not in words."""

    def __init__(self, pages: Mapping[str, ASGIApp]) -> None:
        self._pages = pages
        self._first = next(iter(pages.values()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        if scope["type"] != "http" or route not in HANDED_OUT:
            await self._first(scope, receive, send)
            return
        scope[LANGUAGE] = code = words_for(scope).code
        await self._pages[code](scope, receive, _in_language(send, code))


def _in_language(send: Send, code: str) -> Send:
    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["content-language"] = code
            headers.add_vary_header("accept-language")
        await send(message)

    return sender
