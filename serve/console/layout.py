"""The console's components, tab by tab, and nothing about what they do."""

from typing import Final, NamedTuple

import gradio as gr

ALL: Final = ""
HEAD: Final = """
<div class="ns-console-head">
  <h1><span aria-hidden="true">☾</span> Nightschool console</h1>
  <nav><a href="/">Chat</a>
  <form method="post" action="/console/logout"><button type="submit">Sign out</button></form></nav>
</div>"""


class StatusTab(NamedTuple):
    tab: gr.Tab
    status: gr.HTML
    refresh: gr.Button


class FeedbackTab(NamedTuple):
    tab: gr.Tab
    bot: gr.Dropdown
    vote: gr.Radio
    rows: gr.Radio
    empty: gr.HTML
    detail: gr.HTML
    actions: gr.Column
    corrected_answer: gr.Textbox
    approve: gr.Button
    correct: gr.Button
    refuse: gr.Button


class NightsTab(NamedTuple):
    tab: gr.Tab
    bot: gr.Dropdown
    is_forced: gr.Checkbox
    run: gr.Button
    nights: gr.Radio
    empty: gr.HTML
    detail: gr.HTML
    report: gr.Markdown


class AdaptersTab(NamedTuple):
    tab: gr.Tab
    table: gr.HTML
    bot: gr.Dropdown
    version: gr.Dropdown
    reason: gr.Textbox
    promote: gr.Button
    rollback: gr.Button
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
    clock: gr.Timer


def build_console() -> ConsoleLayout:
    """Call inside `gr.Blocks`."""
    gr.HTML(HEAD, padding=False)
    # Outside of what is shown and hidden: a panel that opens a second time would show its hidden fields too.
    asked = gr.Textbox(visible="hidden", elem_id="ns-asked", container=False)
    with gr.Tabs(elem_id="ns-tabs"):
        status, feedback, nights, adapters = _status(), _feedback(), _nights(), _adapters(asked)
    return ConsoleLayout(status, feedback, nights, adapters, gr.Timer(2, active=False))


def _status() -> StatusTab:
    with gr.Tab("Status") as tab:
        status = gr.HTML(padding=False, elem_id="ns-status", min_height=200)
        refresh = gr.Button("Refresh", size="sm", min_width=0, elem_classes="ns-small")
    return StatusTab(tab, status, refresh)


def _feedback() -> FeedbackTab:
    with gr.Tab("Feedback") as tab:
        with gr.Row(elem_classes="ns-filters"):
            bot = gr.Dropdown([("All bots", ALL)], value=ALL, label="Bot", filterable=False, min_width=160)
            vote = gr.Radio(
                [("All", ALL), ("Disliked", "down"), ("Liked", "up")], value=ALL, label="Vote", min_width=200
            )
        with gr.Row(elem_classes="ns-split"):
            with gr.Column(scale=2, min_width=280):
                empty = gr.HTML('<p class="ns-empty">No feedback yet.</p>', padding=False, visible=False)
                rows = gr.Radio([], label="Feedback, newest first", elem_classes="ns-list", elem_id="ns-feedback")
            with gr.Column(scale=3, min_width=280):
                detail = gr.HTML(
                    '<p class="ns-empty">Choose a line to read the whole of it.</p>', padding=False, elem_id="ns-said"
                )
                with gr.Column(visible=False, elem_classes="ns-panel") as actions:
                    corrected_answer = gr.Textbox(
                        label="Answer for training",
                        info="Edit it to correct the answer; left as it is, the answer is approved unchanged.",
                        lines=4,
                        max_lines=14,
                        max_length=20_000,
                        elem_id="ns-corrected",
                    )
                    with gr.Row(elem_classes="ns-actions"):
                        approve = gr.Button("Approve as it is", min_width=0)
                        correct = gr.Button("Save correction", variant="primary", min_width=0)
                        refuse = gr.Button("Keep out of training", min_width=0)
    return FeedbackTab(tab, bot, vote, rows, empty, detail, actions, corrected_answer, approve, correct, refuse)


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
                report = gr.Markdown(visible=False, elem_id="ns-report", elem_classes="ns-panel")
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
            with gr.Column(visible=False, elem_id="ns-confirm") as confirm:
                question = gr.HTML(padding=False)
                with gr.Row(elem_classes="ns-actions"):
                    yes = gr.Button("Yes, do it", variant="stop", min_width=0, elem_id="ns-yes")
                    no = gr.Button("Cancel", min_width=0)
        gr.HTML("<h2>Audit</h2>", padding=False)
        events = gr.HTML(padding=False, elem_id="ns-events")
    return AdaptersTab(tab, table, bot, version, reason, promote, rollback, confirm, question, asked, yes, no, events)
