"""What changes on the page while an answer comes: the talk's text, as far as it came, and in the end what went wrong.

Does not know the handlers, nor which component shows it.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, NamedTuple

import gradio as gr

from nightschool.errors import NightschoolError
from serve.chat.markup import draw_line
from serve.chat.trouble import draw_trouble, notice_of, plain
from serve.chat.views import ChatView
from serve.vllm.supervisor import EngineState
from serve.words.catalogue import Words


class Answer(NamedTuple):
    chat: Any
    conversation_id: str
    trouble: str


async def stream_answer(
    views: AsyncGenerator[ChatView, None],
    words: Words,
    *,
    conversation_id: str,
    engine_state: Callable[[], EngineState],
) -> AsyncGenerator[Answer, None]:
    """Only the text: a thumb that was clicked meanwhile must not be redrawn as it was before."""
    drawn: Any = gr.skip()
    is_unasked = True
    earlier: list[dict[str, object]] = []
    try:
        async with aclosing(views):
            async for view in views:
                is_unasked = False
                earlier = earlier or [draw_line(line, words.line) for line in view.lines[:-1]]
                newest = draw_line(view.lines[-1], words.line)
                conversation_id, drawn = view.conversation_id, [*earlier, newest]
                yield Answer(drawn, conversation_id, "")
    except NightschoolError as error:
        # Told as a value: an error would lay itself over the page, and end what is to come after.
        sentence = notice_of(engine_state(), words) or plain(error, words)
        yield Answer(drawn, conversation_id, draw_trouble(sentence, is_unasked=is_unasked))
