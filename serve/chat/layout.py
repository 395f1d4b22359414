"""The chat page's components and nothing about what they do.

What a browser remembers (which conversation, which messages are shown, which is being explained, what is on its way)
stands in hidden fields, so that it survives a restart of the server, which forgets every `gr.State`. They stand outside
of what is shown and hidden: a panel that opens a second time would show its hidden fields too. No field in which people
write at length is bounded here: a browser cuts off what is pasted without a word, and the server says what is too long.
"""

from typing import NamedTuple

import gradio as gr

from serve.chat.compare import ChatCompare, build_compare
from serve.chat.handlers import REASONS
from serve.chat.human import ChatHuman, build_card, build_human
from serve.chat.markup import THUMBS
from serve.chat.side import ChatSide, build_side
from serve.chat.solved import ChatSolved, build_solved
from serve.words.catalogue import PageWords, ReasonWords, Words


class ReasonCard(NamedTuple):
    """Asks after a dislike what was wrong."""

    card: gr.Column
    message_id: gr.Textbox
    reasons: gr.CheckboxGroup
    comment: gr.Textbox
    ideal_answer: gr.Textbox
    save: gr.Button
    close: gr.Button


class ChatLayout(NamedTuple):
    bot: gr.Textbox
    conversation_id: gr.Textbox
    shown: gr.Textbox
    asked: gr.Textbox
    question: gr.Textbox
    edited: gr.Textbox
    turn: gr.Button
    branch: gr.Button
    side: ChatSide
    toggle: gr.Button
    title: gr.HTML
    notice: gr.HTML
    chat: gr.Chatbot
    card: ReasonCard
    trouble: gr.HTML
    box: gr.Textbox
    send: gr.Button
    stop: gr.Button
    clock: gr.Timer
    human: ChatHuman
    solved: ChatSolved
    compare: ChatCompare


def build_chat(words: Words, *, is_echo: bool) -> ChatLayout:
    """Call inside `gr.Blocks`."""
    bot, conversation_id, shown, asked, question, edited, explained, before = (
        gr.Textbox(visible="hidden", elem_id=f"ns-{name}", container=False)
        for name in ("bot-name", "conversation", "shown", "asked", "question", "edited", "explained", "before")
    )
    turn = gr.Button(visible="hidden", elem_id="ns-turn")
    branch = gr.Button(visible="hidden", elem_id="ns-fork")
    with gr.Row(elem_id="ns-app"):
        side = build_side(words.side)
        with gr.Column(elem_id="ns-main", min_width=0, scale=1):
            with gr.Row(elem_id="ns-head"):
                toggle = gr.Button("☰", elem_id="ns-toggle", size="sm", min_width=0, scale=0)
                title = gr.HTML(padding=False, elem_id="ns-title", min_height=44)
            if is_echo:
                gr.HTML(draw_fake(words.page), padding=False)
            notice = gr.HTML(padding=False, visible=False, elem_id="ns-notice")
            chat = _chatbot(words.page)
            card = _reason_card(explained, words.reason)
            compare = build_compare(before, words.compare)
            solved = build_solved(words.solved)
            human_card = build_card(words.human)
            trouble = gr.HTML(padding=False, elem_id="ns-trouble")
            gr.HTML(draw_editing(words.page), padding=False, elem_id="ns-editing")
            with gr.Row(elem_id="ns-composer"):
                box = _message_box(words.page)
                send = gr.Button(words.page.send, variant="primary", elem_id="ns-send", min_width=0, scale=0)
                stop = gr.Button(words.page.stop, elem_id="ns-stop", min_width=0, scale=0, visible=False)
            with gr.Row(elem_id="ns-foot"):
                gr.HTML(f'<p class="ns-fine ns-centre">{words.page.hold_back}</p>', padding=False)
                human = build_human(human_card, words.human)
    clock = gr.Timer(3, active=False)
    return ChatLayout(
        bot,
        conversation_id,
        shown,
        asked,
        question,
        edited,
        turn,
        branch,
        side,
        toggle,
        title,
        notice,
        chat,
        card,
        trouble,
        box,
        send,
        stop,
        clock,
        human,
        solved,
        compare,
    )


def draw_fake(words: PageWords) -> str:
    return f'<p class="ns-fake" role="status"><strong>{words.test_mode}</strong> {words.all_fake}</p>'


def draw_editing(words: PageWords) -> str:
    return f'<p>{words.editing}</p><button class="ns-cancel">{words.cancel}</button>'


def _message_box(words: PageWords) -> gr.Textbox:
    return gr.Textbox(
        label=words.message,
        show_label=False,
        placeholder=words.write,
        lines=1,
        max_lines=8,
        container=False,
        autofocus=True,
        scale=1,
        elem_id="ns-box",
    )


def _chatbot(words: PageWords) -> gr.Chatbot:
    return gr.Chatbot(
        label=words.talk,
        show_label=False,
        container=False,
        elem_id="ns-chat",
        height="100%",
        buttons=[],
        feedback_options=tuple(THUMBS.values()),
        layout="bubble",
        latex_delimiters=[],
        allow_tags=False,
        group_consecutive_messages=False,
        allow_file_downloads=False,
        sanitize_html=True,
    )


def _reason_card(explained: gr.Textbox, words: ReasonWords) -> ReasonCard:
    with gr.Column(visible=False, elem_id="ns-card") as card:
        gr.HTML(f'<h2 class="ns-card-title">{words.asked}</h2>', padding=False)
        reasons = gr.CheckboxGroup(
            list(zip(words.kinds, REASONS, strict=True)), label=words.reasons, show_label=False, elem_id="ns-reasons"
        )
        comment = gr.Textbox(label=words.comment, lines=1, max_lines=4, elem_classes="ns-own-words")
        ideal_answer = gr.Textbox(label=words.ideal_answer, lines=2, max_lines=8, elem_classes="ns-own-words")
        with gr.Row(elem_classes="ns-card-buttons"):
            close = gr.Button(words.not_now, size="sm", min_width=0)
            save = gr.Button(words.save, variant="primary", size="sm", min_width=0, elem_id="ns-save")
    return ReasonCard(card, explained, reasons, comment, ideal_answer, save, close)
