"""The card that asks which of two answers is better. Lays out and wires; what happens is `serve.chat.comparing`'s.

After a retry it shows both, and `before` remembers for which answer another one was asked, from the click until the
card was shown and answered. Two that were given at once stand in the talk, and the card has the buttons alone.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import gradio as gr
from gradio.blocks import Block
from gradio.events import Dependency

from nightschool.records import Choice, Message
from serve.chat.comparing import Compared, Comparing
from serve.chat.given import Updates, place_of, told, words_of
from serve.chat.views import ChatView, Look
from serve.markup import draw_markdown, without_template
from serve.words.catalogue import CompareWords, Words

REMEMBER: Final = "(shown) => shown.trim().split(' ').at(-1) ?? ''"
WHERE_RETRIED: Final = """(bot, conversation, shown, before) => {
  const newest = shown.trim().split(' ').at(-1);
  if (!before || !newest || newest === '-' || newest === before) throw new Error('nothing to compare');
  return [bot, conversation, shown, before];
}"""
"""What is thrown ends the event: a page that shows no second answer asks the server for nothing."""


def names_of(words: CompareWords) -> dict[Choice, str]:
    """What the buttons are called."""
    return {
        Choice.LEFT: words.left,
        Choice.RIGHT: words.right,
        Choice.SAME: words.same,
        Choice.BOTH_BAD: words.both_bad,
    }


class ChatCompare(NamedTuple):
    before: gr.Textbox
    card: gr.Column
    answers: gr.HTML
    buttons: dict[Choice, gr.Button]
    close: gr.Button


def build_compare(before: gr.Textbox, words: CompareWords) -> ChatCompare:
    """Call inside `gr.Blocks`; `before` is a hidden field that stands outside of what is shown and hidden."""
    with gr.Column(visible=False, elem_id="ns-compare", elem_classes="ns-asking") as card:
        gr.HTML(f'<h2 class="ns-card-title">{words.asked}</h2>', padding=False)
        answers = gr.HTML(padding=False, elem_id="ns-compared")
        with gr.Row(elem_classes="ns-card-buttons"):
            buttons = {choice: gr.Button(name, size="sm", min_width=0) for choice, name in names_of(words).items()}
            close = gr.Button(words.not_now, size="sm", min_width=0, elem_classes="ns-quiet")
    return ChatCompare(before, card, answers, buttons, close)


def draw_compared(compared: Compared, words: Words) -> str:
    """Both answers, with nothing alive in them, and not who gave them."""
    shown = (
        f'<section aria-label="{words.line.one_of_two.format(name=name)}" tabindex="0"><h3>{name}</h3>'
        f"{without_template(_draw_answer(answer, words))}</section>"
        for name, answer in zip("AB", compared.sides, strict=True)
    )
    return f'<div class="ns-compared">{"".join(shown)}</div>'


def _draw_answer(answer: Message, words: Words) -> str:
    return draw_markdown(answer.content, css_class="ns-answer", copy=words.line.copy_code)


class CompareWires:
    """Adapters between the card's events and what they are about."""

    def __init__(self, at: ChatCompare, comparing: Comparing, *, look: Look) -> None:
        self._at = at
        self._comparing = comparing
        self._look = look

    def outputs(self) -> list[Block]:
        return [self._at.card, self._at.answers, self._at.close]

    def connect(self, place: list[gr.Textbox], quiet: dict[str, Any]) -> list[Dependency]:
        at, given = self._at, [*place, self._at.before]
        shown = place[-1]
        shown.change(self._offer, given, self.outputs(), js=WHERE_RETRIED, **quiet)
        at.close.click(lambda: (gr.update(visible=False), ""), None, [at.card, at.before], **quiet)
        return [
            button.click(self._chooser(choice), given, [at.card, at.before], **quiet)
            for choice, button in at.buttons.items()
        ]

    async def draw(self, view: ChatView, _: Words) -> Updates:
        """Open below two answers that were given at once; else closed, until the page says that it shows an answer that
        was asked for in place of another."""
        return self._card(is_open=_has_two(view))

    async def _offer(self, bot: str, conversation_id: str, shown: str, before: str, request: gr.Request) -> Updates:
        words = words_of(request)
        with told(words):
            view = await self._look(place_of(request, bot, conversation_id, shown))
            if _has_two(view):
                return self._card(is_open=True)
            found = await self._comparing.look(view, before)
        return self._card(is_open=found is not None, answers=draw_compared(found, words) if found else "")

    def _card(self, *, is_open: bool, answers: str = "") -> Updates:
        """Without `answers` they stand in the talk, where asking on is what closes the card."""
        at, is_apart = self._at, bool(answers)
        return {
            at.card: gr.update(visible=is_open),
            at.answers: gr.update(value=answers, visible=is_apart),
            at.close: gr.update(visible=is_apart),
        }

    def _chooser(self, choice: Choice) -> Callable[..., Awaitable[Updates]]:
        at = self._at

        async def choose(bot: str, conversation_id: str, shown: str, before: str, request: gr.Request) -> Updates:
            place, words = place_of(request, bot, conversation_id, shown), words_of(request)
            with told(words):
                await self._comparing.choose(place, await self._look(place), before, choice)
            gr.Info(words.compare.thanks, duration=4)
            return {at.card: gr.update(visible=False), at.before: ""}

        return choose


def _has_two(view: ChatView) -> bool:
    return bool(view.lines and view.lines[-1].beside)
