"""The console's components, tab by tab, and nothing about what they do."""

from typing import Final, NamedTuple

import gradio as gr

from collect.signals.detect import Kind
from nightschool.records import Vote
from serve.console.documents_tab import DocumentsTab, build_documents
from serve.console.quarantine_tab import QuarantineTab, build_quarantine
from serve.console.rulings import GAPS, QUEUE, WAITING
from serve.console.verified_tab import VerifiedTab, build_verified

ALL: Final = ""
LISTS: Final = [
    ("To review", QUEUE),
    ("All", ALL),
    ("Disliked", Vote.DOWN.value),
    ("Liked", Vote.UP.value),
    ("Waiting", WAITING),
    ("Gaps", GAPS),
]
SIGNALS: Final = [
    ("Any reason", ALL),
    ("Said that it is wrong", Kind.CORRECTION.value),
    ("Asked again", Kind.REPHRASE.value),
    ("Asked for somebody else", Kind.ESCALATION.value),
    ("Made unlikely by the reply", Kind.DOUBT.value),
    ("Asked for another answer", Kind.RETRY.value),
    ("Left before it was whole", Kind.ABANDON.value),
]
CHOOSE: Final = '<p class="ns-empty">Choose a line to read the whole of it.</p>'
HEAD: Final = """
<div class="ns-console-head">
  <h1><span aria-hidden="true">☾</span> Nightschool console</h1>
  <nav><a href="../">Chat</a>
  <form method="post" action="logout"><button type="submit">Sign out</button></form></nav>
</div>"""


class StatusTab(NamedTuple):
    tab: gr.Tab
    status: gr.HTML
    refresh: gr.Button


class OwnText(NamedTuple):
    text: gr.Textbox
    save: gr.Button


class GoldenForm(NamedTuple):
    must_say: gr.Textbox
    must_not_say: gr.Textbox
    make: gr.Button


class FeedbackTab(NamedTuple):
    tab: gr.Tab
    bot: gr.Dropdown
    show: gr.Radio
    signal: gr.Dropdown
    rows: gr.Radio
    empty: gr.HTML
    detail: gr.HTML
    actions: gr.Column
    answer: gr.HTML
    approve: gr.Button
    proposed: gr.Column
    proposal: gr.HTML
    take_proposal: gr.Button
    own_text: gr.Textbox
    correct: gr.Button
    refuse: gr.Button
    golden: GoldenForm
    shown: gr.Textbox


class NightsTab(NamedTuple):
    tab: gr.Tab
    bot: gr.Dropdown
    is_forced: gr.Checkbox
    run: gr.Button
    nights: gr.Radio
    empty: gr.HTML
    detail: gr.HTML
    report: gr.HTML


class AdaptersTab(NamedTuple):
    tab: gr.Tab
    table: gr.HTML
    bot: gr.Dropdown
    version: gr.Dropdown
    reason: gr.Textbox
    promote: gr.Button
    rollback: gr.Button
    hold: gr.HTML
    release: gr.Button
    confirm: gr.Column
    question: gr.HTML
    asked: gr.Textbox
    yes: gr.Button
    no: gr.Button
    events: gr.HTML


class ConsoleLayout(NamedTuple):
    status: StatusTab
    feedback: FeedbackTab
    nights: NightsTab
    adapters: AdaptersTab
    documents: DocumentsTab
    verified: VerifiedTab
    quarantine: QuarantineTab
    clock: gr.Timer


def build_console() -> ConsoleLayout:
    """Call inside `gr.Blocks`."""
    gr.HTML(HEAD, padding=False)
    # Outside of what is shown and hidden: a panel that opens a second time would show its hidden fields too.
    shown, asked, opened, offset = (
        gr.Textbox(visible="hidden", elem_id=f"ns-{name}", container=False)
        for name in ("shown", "asked", "opened", "offset")
    )
    # Wrapped where a phone is too narrow: seven in a row, of which a menu would hide some.
    with gr.Tabs(elem_id="ns-tabs", overflow_behavior="wrap"):
        status, feedback, nights, adapters = _status(), _feedback(shown), _nights(), _adapters(asked)
        documents, verified = build_documents(opened), build_verified()
        quarantine = build_quarantine(offset)
    return ConsoleLayout(status, feedback, nights, adapters, documents, verified, quarantine, gr.Timer(2, active=False))


def _status() -> StatusTab:
    with gr.Tab("Status") as tab:
        status = gr.HTML(padding=False, elem_id="ns-status", min_height=200)
        refresh = gr.Button("Refresh", size="sm", min_width=0, elem_classes="ns-small")
    return StatusTab(tab, status, refresh)


def _feedback(shown: gr.Textbox) -> FeedbackTab:
    with gr.Tab("Feedback") as tab:
        with gr.Row(elem_classes="ns-filters"):
            bot = gr.Dropdown([("All bots", ALL)], value=ALL, label="Bot", filterable=False, min_width=160)
            show = gr.Radio(LISTS, value=QUEUE, label="Show", min_width=200)
            signal = gr.Dropdown(SIGNALS, value=ALL, label="Because", filterable=False, min_width=160)
        with gr.Row(elem_classes="ns-split"):
            with gr.Column(scale=2, min_width=280):
                empty = gr.HTML('<p class="ns-empty">Nothing here.</p>', padding=False, visible=False)
                rows = gr.Radio([], label="Feedback", elem_classes="ns-list", elem_id="ns-feedback")
            with gr.Column(scale=3, min_width=280):
                detail = gr.HTML(CHOOSE, padding=False, elem_id="ns-said")
                with gr.Column(visible=False, elem_id="ns-ruling") as actions:
                    with gr.Row(elem_classes="ns-pair"):
                        with gr.Column(min_width=240, elem_classes="ns-panel"):
                            answer = gr.HTML(padding=False, elem_id="ns-answer")
                            approve = gr.Button("Train on the answer", min_width=0)
                        with gr.Column(min_width=240, elem_classes="ns-panel") as proposed:
                            proposal = gr.HTML(padding=False, elem_id="ns-proposal")
                            take_proposal = gr.Button("Train on the proposal", min_width=0)
                    with gr.Column(elem_classes="ns-panel"):
                        own_text, correct = _own_text()
                    refuse = gr.Button("Keep out of training", min_width=0, elem_classes="ns-small")
                    with gr.Accordion("Ask this in every exam", open=False, elem_id="ns-golden"):
                        golden = _golden_case()
    return FeedbackTab(
        tab,
        bot,
        show,
        signal,
        rows,
        empty,
        detail,
        actions,
        answer,
        approve,
        proposed,
        proposal,
        take_proposal,
        own_text,
        correct,
        refuse,
        golden,
        shown,
    )


def _own_text() -> OwnText:
    text = gr.Textbox(
        label="A text of your own",
        info="Begins as the answer; what stands here is what is learnt.",
        lines=3,
        max_lines=14,
        max_length=20_000,
        elem_id="ns-own-text",
    )
    return OwnText(text, gr.Button("Train on my text", min_width=0))


def _golden_case() -> GoldenForm:
    must_say = gr.Textbox(label="The answer must say", info="One fact a line.", lines=2, max_length=4_000)
    must_not_say = gr.Textbox(label="It must not say", info="One a line; may stay empty.", lines=1, max_length=4_000)
    return GoldenForm(must_say, must_not_say, gr.Button("Make it a golden case", min_width=0))


def _nights() -> NightsTab:
    with gr.Tab("Nights") as tab:
        with gr.Row(elem_classes="ns-filters"):
            bot = gr.Dropdown([], label="Bot", filterable=False, min_width=160)
            is_forced = gr.Checkbox(
                label="Train also where nothing is new", value=False, min_width=200, elem_classes="ns-check"
            )
            run = gr.Button("Run a night now", variant="primary", min_width=0, elem_id="ns-run")
        with gr.Row(elem_classes="ns-split"):
            with gr.Column(scale=2, min_width=280):
                empty = gr.HTML('<p class="ns-empty">No night has run yet.</p>', padding=False, visible=False)
                nights = gr.Radio([], label="Nights, newest first", elem_classes="ns-list", elem_id="ns-cycles")
            with gr.Column(scale=3, min_width=280):
                detail = gr.HTML(
                    '<p class="ns-empty">Choose a night to see what came of it.</p>', padding=False, elem_id="ns-night"
                )
                report = gr.HTML(visible=False, elem_id="ns-report", elem_classes="ns-panel")
    return NightsTab(tab, bot, is_forced, run, nights, empty, detail, report)


def _adapters(asked: gr.Textbox) -> AdaptersTab:
    with gr.Tab("Adapters") as tab:
        table = gr.HTML(padding=False, elem_id="ns-adapters")
        with gr.Column(elem_classes="ns-panel"):
            with gr.Row(elem_classes="ns-filters"):
                bot = gr.Dropdown([], label="Bot", filterable=False, min_width=140)
                version = gr.Dropdown([], label="Version", filterable=False, min_width=180, elem_id="ns-version")
            reason = gr.Textbox(
                label="Reason (kept in the audit)",
                placeholder="Why this change, in a few words",
                max_length=1_000,
                elem_id="ns-reason",
            )
            with gr.Row(elem_classes="ns-actions"):
                promote = gr.Button("Promote", variant="primary", min_width=0, elem_id="ns-promote")
                rollback = gr.Button("Roll back", min_width=0, elem_id="ns-rollback")
                release = gr.Button("Release the hold", min_width=0, elem_id="ns-release", visible=False)
            hold = gr.HTML(padding=False, elem_id="ns-hold")
            with gr.Column(visible=False, elem_id="ns-confirm") as confirm:
                question = gr.HTML(padding=False)
                with gr.Row(elem_classes="ns-actions"):
                    yes = gr.Button("Yes, do it", variant="stop", min_width=0, elem_id="ns-yes")
                    no = gr.Button("Cancel", min_width=0)
        gr.HTML("<h2>Audit</h2>", padding=False)
        events = gr.HTML(padding=False, elem_id="ns-events")
    return AdaptersTab(
        tab, table, bot, version, reason, promote, rollback, hold, release, confirm, question, asked, yes, no, events
    )
