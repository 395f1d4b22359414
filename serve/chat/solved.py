"""The quiet line "Did this solve it?" below the talk, and what was said to it. Lays out and wires; what happens is
`serve.chat.outcomes`', and when it has been quiet for long enough the browser knows (`serve.chat.scripts`)."""

from typing import Any, NamedTuple

import gradio as gr
from gradio.blocks import Block
from gradio.events import Dependency

from serve.chat.given import Updates, place_of, told, words_of
from serve.chat.outcomes import Asked, Outcomes
from serve.chat.views import ChatView, Look
from serve.words.catalogue import SolvedWords, Words


class ChatSolved(NamedTuple):
    row: gr.Row
    line: gr.HTML
    yes: gr.Button
    no: gr.Button

    def outputs(self) -> list[Block]:
        """What is drawn anew with the page."""
        return list(self)


def build_solved(words: SolvedWords) -> ChatSolved:
    """Call inside `gr.Blocks`."""
    with gr.Row(visible=False, elem_id="ns-solved") as row:
        line = gr.HTML(padding=False)
        yes = gr.Button(words.yes, size="sm", min_width=0, scale=0, elem_id="ns-solved-yes")
        no = gr.Button(words.no, size="sm", min_width=0, scale=0, elem_id="ns-solved-no")
    return ChatSolved(row, line, yes, no)


def draw_solved(at: ChatSolved, asked: Asked, words: SolvedWords) -> Updates:
    said = {None: words.asked, True: words.is_solved, False: words.is_not_solved}[asked.is_resolved]
    when = "ns-at-once" if asked.is_at_once else "ns-when-quiet"
    return {
        at.row: gr.update(visible=asked.is_asked),
        at.line: f'<p class="ns-fine {when}" role="status">{said}</p>',
        at.yes: gr.update(variant="primary" if asked.is_resolved is True else "secondary"),
        at.no: gr.update(variant="primary" if asked.is_resolved is False else "secondary"),
    }


class SolvedWires:
    """Adapters between the events of the line and what they are about."""

    def __init__(self, at: ChatSolved, outcomes: Outcomes, *, look: Look) -> None:
        self._at = at
        self._outcomes = outcomes
        self._look = look

    def connect(self, place: list[gr.Textbox], quiet: dict[str, Any]) -> list[Dependency]:
        self._at.yes.click(self._resolved, place, self._at.outputs(), **quiet)
        self._at.no.click(self._not_resolved, place, self._at.outputs(), **quiet)
        return []

    def outputs(self) -> list[Block]:
        return self._at.outputs()

    async def draw(self, view: ChatView, words: Words) -> Updates:
        return draw_solved(self._at, await self._outcomes.look(view), words.solved)

    async def _resolved(self, bot: str, conversation_id: str, shown: str, request: gr.Request) -> Updates:
        return await self._say(bot, conversation_id, shown, request, is_resolved=True)

    async def _not_resolved(self, bot: str, conversation_id: str, shown: str, request: gr.Request) -> Updates:
        return await self._say(bot, conversation_id, shown, request, is_resolved=False)

    async def _say(
        self, bot: str, conversation_id: str, shown: str, request: gr.Request, *, is_resolved: bool
    ) -> Updates:
        place, words = place_of(request, bot, conversation_id, shown), words_of(request)
        with told(words):
            view = await self._look(place)
            await self._outcomes.say(place, view, is_resolved=is_resolved)
            return await self.draw(view, words)
