"""The Feedback tab's pictures: one line of a list, and an answer beside what it should have been.

Plain values in, escaped HTML out. Words in which answer and proposal differ are marked in both.
"""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Final

from collect.feedback import FeedbackRow
from collect.gaps import Gap
from collect.review_queue import Queued
from collect.scores import Score
from collect.waiting import Waiting
from nightschool.records import AdapterName, BotName, Vote
from serve.console.draw import NOTHING, badge, facts, quote, text, when
from serve.console.rulings import Row, Shown
from serve.verified import VERIFIED

REVIEWED: Final = {True: "approved", False: "kept out", None: "not yet"}
VOTES: Final = {Vote.UP: "liked", Vote.DOWN: "disliked", Vote.NONE: "taken back"}
PIECES: Final = re.compile(r"\s+|\S+")
MAX_PIECES: Final = 2_000
"""Longer texts are shown unmarked: to compare them costs the square of their length."""


def row_label(row: Row) -> str:
    """One line of the list."""
    match row:
        case FeedbackRow(said):
            done = f" · {REVIEWED[row.is_approved]}" if row.is_approved is not None else ""
            return f"{VOTES[said.vote]} · {_short(row.question, 70)} · {_who(said.bot, row)}{done}"
        case Waiting():
            return f"{_persons(row.persons)} · {_short(row.question, 70)} · {row.bot}"
        case Queued():
            return f"{', '.join(row.reasons)} · {_short(row.question, 70)} · {_who(row.bot, row)}"
        case Gap():
            return f"{_times(row.times)} · {_short(row.question, 70)} · {row.bot}"


def draw_opinion(row: Row) -> str:
    """What was asked and what is said of the answer; the texts that a ruling is about come beside it."""
    match row:
        case FeedbackRow(said):
            head = [
                ("Vote", badge(VOTES[said.vote], tone="good" if said.vote is Vote.UP else "bad")),
                ("Answered by", f"<code>{text(_who(said.bot, row))}</code>"),
                ("When", when(said.voted_at)),
                ("Reasons", " ".join(badge(reason) for reason in said.reasons) or NOTHING),
                ("Review", text(REVIEWED[row.is_approved])),
            ]
            comment = quote("Comment", said.comment) if said.comment else ""
            ruled = quote("In training now", row.ruled_text) if row.ruled_text else ""
            return facts(head) + quote("Question", row.question) + comment + ruled
        case Waiting():
            head = [
                ("Proposed by", text(_persons(row.persons))),
                ("Waits since", when(row.first_at)),
                ("Bot", text(row.bot)),
            ]
            return facts(head) + quote("Question", row.question)
        case Queued():
            head = [
                ("Why", " ".join(badge(reason, tone="bad") for reason in row.reasons)),
                ("Answered by", f"<code>{text(_who(row.bot, row))}</code>"),
                ("When", when(row.last_at)),
            ]
            reply = quote("What was said next", row.follow_up) if row.follow_up else ""
            return facts(head) + quote("Question", row.question) + reply
        case Gap():
            head = [
                ("Answered badly", text(_times(row.times))),
                ("Last asked", when(row.last_at)),
                ("Bot", text(row.bot)),
                ("Nearest known question", text(f"holds {row.coverage:.0%} of it")),
                ("Review", text(REVIEWED[row.is_approved])),
            ]
            return facts(head) + quote("Question", row.question)


def draw_scores(scores: Sequence[Score]) -> str:
    """Named scores of the answer and of its conversation; empty where there are none."""
    if not scores:
        return ""
    pairs = [
        (f"{score.name} of the {'answer' if score.message_id else 'conversation'}",
         f"{text(_scored(score))} by <code>{text(score.voter)}</code>")
        for score in scores
    ]  # fmt: skip
    return f"<h3>Scores</h3>{facts(pairs)}"


def draw_answer(shown: Shown) -> str:
    marked = _marked(shown.answer, against=shown.proposal) if shown.proposal else text(shown.answer)
    return f"<h3>What the bot answered</h3><blockquote>{marked}</blockquote>"


def draw_proposal(shown: Shown) -> str:
    marked = _marked(shown.proposal, against=shown.answer)
    return f"<h3>What was proposed instead</h3><blockquote>{marked}</blockquote>"


def _marked(words: str, *, against: str) -> str:
    """`words` as inert HTML, with a mark around what `against` does not hold at that place."""
    own, other = PIECES.findall(words), PIECES.findall(against)
    if len(own) + len(other) > MAX_PIECES:
        return text(words)
    matcher = SequenceMatcher(None, other, own, autojunk=False)
    runs = ((kind, "".join(own[start:end])) for kind, _, _, start, end in matcher.get_opcodes())
    return "".join(text(run) if kind == "equal" or not run else f"<mark>{text(run)}</mark>" for kind, run in runs)


def _scored(score: Score) -> str:
    match score.value:
        case bool(given):
            return "yes" if given else "no"
        case float(given):
            return f"{given:.10g}"
        case given:
            return str(given)


def _persons(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _short(words: str, length: int) -> str:
    line = " ".join(words.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def _who(bot: BotName, row: FeedbackRow | Queued) -> str:
    return f"{bot}@{VERIFIED}" if row.is_verified else str(AdapterName(bot, row.version))
