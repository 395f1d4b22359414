"""The chat page's components and nothing about what they do.

What a browser remembers (which conversation, which messages are shown, which is being explained, what is on its way)
stands in hidden fields, so that it survives a restart of the server, which forgets every `gr.State`. They stand outside
of what is shown and hidden: a panel that opens a second time would show its hidden fields too.
"""

from typing import Any, NamedTuple

import gradio as gr

from serve.chat.compare import ChatCompare, build_compare
from serve.chat.handlers import REASONS
from serve.chat.human import ChatHuman, build_card, build_human
from serve.chat.side import ChatSide, build_side
from serve.chat.solved import ChatSolved, build_solved

HOLD_BACK = "You are talking to an AI. Its answers can be wrong; please check what matters."
FAKE = (
    '<p class="ns-fake" role="status"><strong>Test mode.</strong> The echo engine is in use: '
    "every answer on this page is fake.</p>"
)
EDITING = '<p>You are rewording a question. The old one stays beside it.</p><button class="ns-cancel">Cancel</button>'


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


def build_chat(*, is_echo: bool) -> ChatLayout:
    """Call inside `gr.Blocks`."""
    bot, conversation_id, shown, asked, edited, explained, before = (
        gr.Textbox(visible="hidden", elem_id=f"ns-{name}", container=False)
        for name in ("bot-name", "conversation", "shown", "asked", "edited", "explained", "before")
    )
    turn = gr.Button(visible="hidden", elem_id="ns-turn")
    branch = gr.Button(visible="hidden", elem_id="ns-fork")
    with gr.Row(elem_id="ns-app"):
        side = build_side()
        with gr.Column(elem_id="ns-main", min_width=0, scale=1):
            with gr.Row(elem_id="ns-head"):
                toggle = gr.Button("☰", elem_id="ns-toggle", size="sm", min_width=0, scale=0)
                title = gr.HTML(padding=False, elem_id="ns-title", min_height=44)
            if is_echo:
                gr.HTML(FAKE, padding=False)
            notice = gr.HTML(padding=False, visible=False, elem_id="ns-notice")
            chat = _chatbot()
            card = _reason_card(explained)
            compare = build_compare(before)
            solved = build_solved()
            human_card = build_card()
            trouble = gr.HTML(padding=False, elem_id="ns-trouble")
            gr.HTML(EDITING, padding=False, elem_id="ns-editing")
            with gr.Row(elem_id="ns-composer"):
                box = _message_box()
                send = gr.Button("Send", variant="primary", elem_id="ns-send", min_width=0, scale=0)
                stop = gr.Button("Stop", elem_id="ns-stop", min_width=0, scale=0, visible=False)
            with gr.Row(elem_id="ns-foot"):
                gr.HTML(f'<p class="ns-fine ns-centre">{HOLD_BACK}</p>', padding=False)
                human = build_human(human_card)
    clock = gr.Timer(3, active=False)
    return ChatLayout(
        bot,
        conversation_id,
        shown,
        asked,
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


def _message_box() -> gr.Textbox:
    return gr.Textbox(
        label="Your message",
        show_label=False,
        placeholder="Write a message …",
        lines=1,
        max_lines=8,
        max_length=20_000,
        container=False,
        autofocus=True,
        scale=1,
        elem_id="ns-box",
    )


def _chatbot() -> gr.Chatbot:
    return gr.Chatbot(
        label="Conversation",
        show_label=False,
        container=False,
        elem_id="ns-chat",
        height="100%",
        buttons=[],
        feedback_options=("Like", "Dislike"),
        layout="bubble",
        latex_delimiters=[],
        allow_tags=False,
        group_consecutive_messages=False,
        allow_file_downloads=False,
        sanitize_html=True,
    )


def _reason_card(explained: gr.Textbox) -> ReasonCard:
    with gr.Column(visible=False, elem_id="ns-card") as card:
        gr.HTML('<h2 class="ns-card-title">What was wrong with this answer?</h2>', padding=False)
        reasons = gr.CheckboxGroup(
            [(word.capitalize(), word) for word in REASONS], label="Reasons", show_label=False, elem_id="ns-reasons"
        )
        own_words: dict[str, Any] = {"max_length": 20_000, "elem_classes": "ns-own-words"}
        comment = gr.Textbox(label="Anything to add?", lines=1, max_lines=4, **own_words)
        ideal_answer = gr.Textbox(label="What would have been the ideal answer?", lines=2, max_lines=8, **own_words)
        with gr.Row(elem_classes="ns-card-buttons"):
            close = gr.Button("Not now", size="sm", min_width=0)
            save = gr.Button("Send feedback", variant="primary", size="sm", min_width=0, elem_id="ns-save")
    return ReasonCard(card, explained, reasons, comment, ideal_answer, save, close)
