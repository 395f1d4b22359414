"""What the chat page's components show of a view, in the visitor's words. Does not know the events.

What stands below the talk and beside it is drawn where it is laid out.
"""

import html
from typing import Any

import gradio as gr

from nightschool.records import Vote
from serve.chat.given import Updates
from serve.chat.layout import ChatLayout, ReasonCard
from serve.chat.markup import THUMBS, draw_line, draw_title, greeting, thumbs
from serve.chat.side import draw_side
from serve.chat.trouble import notice_of
from serve.chat.views import ChatView, Lists, Rated
from serve.vllm.supervisor import EngineState
from serve.words.catalogue import Words


def draw_page(at: ChatLayout, view: ChatView, words: Words) -> Updates:
    """The page's middle; no answer is coming."""
    starters: list[Any] = [{"text": text} for text in view.bot.starters]
    return {
        at.bot: view.bot.name,
        at.conversation_id: view.conversation_id,
        at.shown: " ".join(line.message_id or "-" for line in view.lines),
        at.chat: gr.update(
            value=[draw_line(line, words.line) for line in view.lines],
            feedback_value=thumbs(view.lines),
            feedback_options=tuple(THUMBS.values()) if view.bot.feedback.votes else (),
            examples=starters,
            placeholder=greeting(view.bot, words.page),
        ),
        at.card.card: gr.update(visible=False),
        at.send: gr.update(visible=True),
        at.stop: gr.update(visible=False),
    }


def draw_margins(at: ChatLayout, view: ChatView, lists: Lists, state: EngineState, words: Words) -> Updates:
    """What stands beside and above it."""
    title = {at.title: draw_title(view.bot, words.page)}
    return draw_side(at.side, view, lists, words.side) | title | draw_notice(at, state, words)


def draw_notice(at: ChatLayout, state: EngineState, words: Words) -> Updates:
    """Why no answer can come now; the clock asks again as long as it cannot."""
    notice = notice_of(state, words)
    shown = f'<p class="ns-notice" role="status">{html.escape(notice)}</p>'
    return {at.notice: gr.update(value=shown, visible=bool(notice)), at.clock: gr.Timer(active=bool(notice))}


def draw_card(card: ReasonCard, rated: Rated) -> Updates:
    """The card after a dislike, with what was said in it before."""
    said = rated.feedback
    return {
        card.card: gr.update(visible=said.vote is Vote.DOWN),
        card.message_id: said.message_id,
        card.reasons: list(said.reasons),
        card.comment: said.comment,
        card.ideal_answer: said.ideal_answer,
    }
