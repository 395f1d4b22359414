"""The Quarantine tab: the votes that screens stopped, why, and an operator's word that one counts or never does.

People stand behind pseudonyms, by which the audit calls them too. A ruling is about the opinion that was shown: what
changed meanwhile is not ruled on. Pages are cut by the record. Does not know what screens look for.
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

import gradio as gr
from gradio.blocks import Block

from collect.conversations import path_to
from collect.erase import hash_subject
from collect.quarantine import (
    Quarantined,
    count_quarantine,
    find_quarantined,
    list_quarantine,
    rule_votes,
)
from collect.store import LOOK_S, Cursor, Store
from nightschool.errors import InvalidInput
from nightschool.records import BotName, Message, VoteState, utc_now
from serve.console.draw import badge, facts, quote, text, when
from serve.console.draw_feedback import VOTES
from serve.console.told import QUIET, Given, Updates, told
from tune.screens import Screen

PAGE: Final = 50
EVERY: Final = ""
"""Of all bots."""
STATES: Final = [
    ("Stopped", VoteState.STOPPED.value),
    ("Kept out", VoteState.KEPT.value),
    ("Let count", VoteState.RELEASED.value),
]
WHY: Final = {
    Screen.BURST.value: "burst",
    Screen.CONTRADICTION.value: "contradicts others",
    Screen.COPY.value: "newcomers' copy",
    Screen.STRANGERS.value: "newcomers' crowd",
    Screen.PERSON_DAY.value: "beyond a person's day",
    Screen.ADDRESS_DAY.value: "beyond an address's day",
}
CHOOSE: Final = '<p class="ns-empty">Choose a vote to see what it is about.</p>'
NOTHING: Final = '<p class="ns-empty">Nothing here.</p>'
RULED: Final = {VoteState.RELEASED: "counts from the next night on", VoteState.KEPT: "stays out of training"}
SHORT_CHARS: Final = 60
TURNS: Final = 8
"""So many of a conversation's last turns are shown before the question."""


class QuarantineTab(NamedTuple):
    tab: gr.Tab
    bot: gr.Dropdown
    state: gr.Radio
    rows: gr.Radio
    empty: gr.HTML
    place: gr.HTML
    before: gr.Button
    after: gr.Button
    detail: gr.HTML
    ruling: gr.Column
    is_person: gr.Checkbox
    reason: gr.Textbox
    release: gr.Button
    keep: gr.Button
    offset: gr.Textbox
    """Where the page begins; hidden."""


class Seen(NamedTuple):
    """The vote that a line is about, as it was listed."""

    bot: BotName
    message_id: str
    voter: str
    voted_at: str


class Listed(NamedTuple):
    rows: Sequence[Quarantined]
    total: int
    offset: int


def build_quarantine(offset: gr.Textbox) -> QuarantineTab:
    """Call inside `gr.Tabs`."""
    with gr.Tab("Quarantine") as tab:
        with gr.Row(elem_classes="ns-filters"):
            bot = gr.Dropdown([("All bots", EVERY)], value=EVERY, label="Bot", filterable=False, min_width=160)
            state = gr.Radio(STATES, value=VoteState.STOPPED.value, label="Show", min_width=200)
        with gr.Row(elem_classes="ns-split"):
            with gr.Column(scale=2, min_width=280):
                empty = gr.HTML(NOTHING, padding=False, visible=False)
                rows = gr.Radio([], label="Votes, those of whom most is here first", elem_classes="ns-list",
                                elem_id="ns-quarantine")  # fmt: skip
                place = gr.HTML(padding=False, elem_id="ns-quarantine-place")
                with gr.Row(elem_classes="ns-actions"):
                    before = gr.Button("Page before", min_width=0, visible=False)
                    after = gr.Button("Next page", min_width=0, visible=False)
            with gr.Column(scale=3, min_width=280):
                detail = gr.HTML(CHOOSE, padding=False, elem_id="ns-stopped")
                with gr.Column(visible=False, elem_classes="ns-panel", elem_id="ns-quarantine-ruling") as ruling:
                    is_person = gr.Checkbox(
                        label="And all others of this person that are stopped", value=False, elem_classes="ns-check"
                    )
                    reason = gr.Textbox(
                        label="Reason (kept in the audit)", max_length=1_000, elem_id="ns-quarantine-reason"
                    )
                    with gr.Row(elem_classes="ns-actions"):
                        release = gr.Button("Let it count", min_width=0)
                        keep = gr.Button("Keep it out", min_width=0)
    return QuarantineTab(
        tab, bot, state, rows, empty, place, before, after, detail, ruling, is_person, reason, release, keep, offset
    )


class QuarantineWires:
    """Adapters between the tab's events and the record."""

    def __init__(self, store: Store, tab: QuarantineTab, *, now: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._at = tab
        self._now = now

    def connect(self) -> None:
        at = self._at
        read = [at.detail, at.ruling, at.is_person, at.reason]
        listed = [at.rows, at.empty, at.place, at.before, at.after, at.offset, *read]
        filters: set[Block] = {at.bot, at.state}
        # One event for all: of two that are on their way at once, the earlier one's list could stand in the end.
        triggers = [at.tab.select, at.bot.input, at.state.input]
        gr.on(triggers, self.show, filters, listed, trigger_mode="always_last", **QUIET)
        at.before.click(self.page_before, {*filters, at.offset}, listed, **QUIET)
        at.after.click(self.page_after, {*filters, at.offset}, listed, **QUIET)
        at.rows.input(self.read, {at.rows}, read, trigger_mode="always_last", **QUIET)
        given: set[Block] = {*filters, at.offset, at.rows, at.is_person, at.reason}
        at.release.click(self.release, given, listed, **QUIET)
        at.keep.click(self.keep, given, listed, **QUIET)

    async def show(self, given: Given, request: gr.Request) -> Updates:
        return await self._list(given, request, offset=0)

    async def page_before(self, given: Given, request: gr.Request) -> Updates:
        return await self._list(given, request, offset=_offset(given[self._at.offset]) - PAGE)

    async def page_after(self, given: Given, request: gr.Request) -> Updates:
        return await self._list(given, request, offset=_offset(given[self._at.offset]) + PAGE)

    async def read(self, given: Given, request: gr.Request) -> Updates:
        at = self._at
        with told(request):
            seen = _seen(given[at.rows])
            row, path = await self._store.read(partial(_read, seen=seen))
        return {
            at.detail: draw_stopped(row, path),
            at.ruling: gr.update(visible=True),
            at.is_person: gr.update(value=False, visible=row.state is VoteState.STOPPED and row.alike > 1),
            at.reason: "",
        }

    async def release(self, given: Given, request: gr.Request) -> Updates:
        return await self._rule(given, request, VoteState.RELEASED)

    async def keep(self, given: Given, request: gr.Request) -> Updates:
        return await self._rule(given, request, VoteState.KEPT)

    async def _rule(self, given: Given, request: gr.Request, state: VoteState) -> Updates:
        at = self._at
        with told(request) as actor:
            seen = _seen(given[at.rows])
            ruling = partial(rule_votes, bot=seen.bot, voter=seen.voter, state=state, reason=given[at.reason])
            if given[at.is_person]:
                about = partial(ruling, message_id=None)
            else:
                about = partial(ruling, message_id=seen.message_id, seen_at=datetime.fromisoformat(seen.voted_at))
            count = await self._store.write(partial(about, actor=actor, at=self._now()))
        gr.Info(f"{count} {'vote' if count == 1 else 'votes'}: {RULED[state]}.", title="Ruled")
        return await self._list(given, request, offset=_offset(given[at.offset]))

    async def _list(self, given: Given, request: gr.Request, *, offset: int) -> Updates:
        at = self._at
        with told(request):
            bot = BotName(given[at.bot]) if given[at.bot] else None
            listing = partial(_list_page, bot=bot, state=VoteState(given[at.state]), offset=offset)
            rows, total, begin = await self._store.read_long(listing, deadline_s=LOOK_S)
        end = begin + len(rows)
        return {
            at.rows: gr.update(choices=[(_label(row), _key(row)) for row in rows], value=None),
            at.empty: gr.update(visible=not rows),
            at.place: f'<p class="ns-fine">{begin + 1:,} to {end:,} of {total:,}</p>' if rows else "",
            at.before: gr.update(visible=begin > 0),
            at.after: gr.update(visible=end < total),
            at.offset: str(begin),
            at.detail: CHOOSE if rows else "",
            at.ruling: gr.update(visible=False),
            at.is_person: False,
            at.reason: "",
        }


def draw_stopped(row: Quarantined, path: Sequence[Message]) -> str:
    """What was said, by whom and why it is stopped; `path` leads from the first message to the answer."""
    head = [
        ("Vote", badge(VOTES[row.vote], tone="good" if row.vote.value == "up" else "bad")),
        ("Stopped since" if row.state is VoteState.STOPPED else "Ruled on", when(row.found_at)),
        ("Because", text(row.reason)),
        *([("By", text(row.ruled_by))] if row.ruled_by else []),
        ("Person", f"<code>{text(hash_subject(row.voter))}</code>"),
        ("Of theirs here", text(row.alike)),
        ("Voted", when(row.voted_at)),
        ("Bot", text(row.bot)),
        ("Conversation", f"<code>{text(path[-1].conversation_id)}</code>"),
    ]
    earlier = [quote(message.role.capitalize(), message.content) for message in path[:-2][-TURNS:]]
    before = f"<details><summary>What was said before</summary>{''.join(earlier)}</details>" if earlier else ""
    proposal = quote("Suggested instead", row.proposal) if row.proposal else ""
    return facts(head) + before + quote("Question", row.question) + quote("Answer", row.answer) + proposal


def _read(cursor: Cursor, *, seen: Seen) -> tuple[Quarantined, list[Message]]:
    row = find_quarantined(cursor, message_id=seen.message_id, voter=seen.voter)
    return row, path_to(cursor, message_id=seen.message_id)


def _list_page(cursor: Cursor, *, bot: BotName | None, state: VoteState, offset: int) -> Listed:
    """The page that begins at `offset`, or the last one there is."""
    total = count_quarantine(cursor, bot=bot, state=state)
    last = max(total - 1, 0) // PAGE * PAGE
    begin = min(max(offset, 0), last)
    return Listed(list_quarantine(cursor, bot=bot, state=state, limit=PAGE, offset=begin), total, begin)


def _label(row: Quarantined) -> str:
    why = WHY.get(row.reason, row.reason) if row.state is VoteState.STOPPED else row.ruled_by
    question = " ".join(row.question.split())
    short = question if len(question) <= SHORT_CHARS else f"{question[: SHORT_CHARS - 1]}…"
    return f"{VOTES[row.vote]} · {why} · {short} · {hash_subject(row.voter)[:6]}"


def _key(row: Quarantined) -> str:
    return json.dumps(Seen(row.bot, row.message_id, row.voter, row.voted_at.isoformat()))


def _seen(key: str | None) -> Seen:
    """Raises InvalidInput where nothing is chosen."""
    if not key:
        raise InvalidInput("is chosen", subject="nothing", remedy="Choose a vote of the list first.")
    return Seen(*json.loads(key))


def _offset(shown: str) -> int:
    return int(shown) if shown.isdecimal() else 0
