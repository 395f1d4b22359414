"""The way to a human below the talk: a quiet button, a card that asks for an address, and a line on what became of it.

Lays out and wires; what happens is `serve.chat.handing_over`'s. While what was asked for is not yet with the team, the
line is drawn anew every few seconds.
"""

import html
from datetime import datetime
from typing import Any, Final, NamedTuple

import gradio as gr
from gradio.blocks import Block
from gradio.events import Dependency

from collect.escalations import Escalation
from serve.chat.given import Updates, place_of, told, words_of
from serve.chat.handing_over import MAX_CONTACT_CHARS, HandingOver, Offer
from serve.chat.views import ChatView, Look
from serve.markup import without_template
from serve.words.catalogue import HumanWords, Words

LOOK_S: Final = 5
FOCUS: Final = "() => setTimeout(() => document.querySelector('#ns-contact :is(input, textarea)')?.focus(), 100)"
"""Once the card is there: who goes by keys goes on in it."""


class HumanCard(NamedTuple):
    """The line on what became of it, and the card."""

    state: gr.HTML
    card: gr.Column
    contact: gr.Textbox
    keep: gr.Button
    give: gr.Button


class ChatHuman(NamedTuple):
    """The same, the button that opens the card, and what draws the line anew."""

    state: gr.HTML
    card: gr.Column
    contact: gr.Textbox
    keep: gr.Button
    give: gr.Button
    ask: gr.Button
    clock: gr.Timer

    def outputs(self) -> list[Block]:
        """What is drawn anew with the page."""
        return [self.state, self.ask, self.card, self.clock]


def build_card(words: HumanWords) -> HumanCard:
    """Above the box in which people write. Call inside `gr.Blocks`."""
    state = gr.HTML(padding=False, elem_id="ns-human-state")
    with gr.Column(visible=False, elem_id="ns-human-card", elem_classes="ns-asking") as card:
        gr.HTML(f'<h2 class="ns-card-title">{words.ask}</h2><p>{words.told}</p>', padding=False)
        contact = gr.Textbox(label=words.contact, type="email", max_length=MAX_CONTACT_CHARS, elem_id="ns-contact")
        with gr.Row(elem_classes="ns-card-buttons"):
            keep = gr.Button(words.not_now, size="sm", min_width=0)
            give = gr.Button(words.hand_over, variant="primary", size="sm", min_width=0, elem_id="ns-hand-over")
    return HumanCard(state, card, contact, keep, give)


def build_human(shown: HumanCard, words: HumanWords) -> ChatHuman:
    """The button, below the box. Call inside `gr.Blocks`."""
    ask = gr.Button(words.ask, size="sm", min_width=0, scale=0, visible=False, elem_id="ns-human")
    return ChatHuman(*shown, ask, gr.Timer(LOOK_S, active=False))


def draw_human(at: ChatHuman, offer: Offer, words: HumanWords) -> Updates:
    """As it stands after whatever happened; the card is closed."""
    waits = offer.escalation is not None and offer.escalation.sent_at is None and offer.escalation.done_at is None
    return {
        at.state: draw_state(offer.escalation, words) if offer.escalation else "",
        at.ask: gr.update(visible=offer.may_ask, variant="primary" if offer.is_urged else "secondary"),
        at.card: gr.update(visible=False),
        at.clock: gr.Timer(active=waits),
    }


def draw_state(escalation: Escalation, words: HumanWords) -> str:
    contact = without_template(html.escape(escalation.wish.contact))
    if escalation.done_at:
        said = words.dealt_with.format(moment=_moment(escalation.done_at, words))
    elif escalation.sent_at:
        answers = " " + words.answers_to.format(contact=contact) if contact else ""
        said = words.handed_over.format(moment=_moment(escalation.wish.asked_at, words)) + answers
    else:
        said = words.not_yet if escalation.tries else words.on_its_way
    return f'<p class="ns-human-state" role="status">{said}</p>'


def _moment(at: datetime, words: HumanWords) -> str:
    """The browser puts it on its person's own clock (`serve.chat.scripts`)."""
    return f'<time datetime="{at.isoformat()}">{words.at.format(clock=f"{at:%H:%M} UTC")}</time>'


class HumanWires:
    """Adapters between the events of these and what they are about."""

    def __init__(self, at: ChatHuman, handing: HandingOver, *, look: Look) -> None:
        self._at = at
        self._handing = handing
        self._look = look

    def connect(self, place: list[gr.Textbox], quiet: dict[str, Any]) -> list[Dependency]:
        at = self._at
        at.ask.click(lambda: gr.update(visible=True), None, [at.card], **quiet).then(None, js=FOCUS)
        at.keep.click(lambda: gr.update(visible=False), None, [at.card], **quiet)
        for happened in (at.give.click, at.contact.submit):
            happened(self._hand_over, [*place, at.contact], [*at.outputs(), at.contact], **quiet)
        at.clock.tick(self._draw_again, place, [at.state, at.ask, at.clock], **quiet)
        return []

    def outputs(self) -> list[Block]:
        return self._at.outputs()

    async def draw(self, view: ChatView, words: Words) -> Updates:
        return draw_human(self._at, await self._handing.look(view), words.human)

    async def _hand_over(
        self, bot: str, conversation_id: str, shown: str, contact: str, request: gr.Request
    ) -> Updates:
        place, words = place_of(request, bot, conversation_id, shown), words_of(request)
        with told(words):
            view = await self._look(place)
            await self._handing.hand_over(place, view, contact or "")
            return await self.draw(view, words) | {self._at.contact: ""}

    async def _draw_again(self, bot: str, conversation_id: str, shown: str, request: gr.Request) -> Updates:
        words = words_of(request)
        with told(words):
            drawn = await self.draw(await self._look(place_of(request, bot, conversation_id, shown)), words)
        # A card that is open is being filled in.
        return {component: update for component, update in drawn.items() if component is not self._at.card}
