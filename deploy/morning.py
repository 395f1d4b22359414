"""What an operator reads in the morning: one page on how the night went.

In: a finished cycle and what it was made of. Out: the words of `morning.md`. Does not decide
anything and asks nobody: it words what is already known.
"""

import json
from collections.abc import Sequence
from datetime import date
from typing import Final

from deploy.learnt import describe_run
from deploy.plan import NightFolder, Step
from eval.ages import tell_ages
from nightschool.records import AdapterName, Cycle, CycleState, Outcome

NAME: Final = "morning.md"
AFTER_THE_EXAM: Final = frozenset({"decide", "report", "finished"})
ROWS: Final = (
    ("Perplexity (less is better)", "perplexity", 2),
    ("ROUGE-L", "rouge_l", 3),
    ("Token F1", "token_f1", 3),
)


def read_pages(night: NightFolder, cycle: Cycle) -> str:
    """The page of a night, worded anew where a full disk kept it from being written, and the report of its exam.

    Empty while it runs and has neither.
    """
    page, report = night.root / NAME, night.evaluation / "report.md"
    texts = [file.read_text(encoding="utf-8") for file in (page, report) if file.exists()]
    if not page.exists() and cycle.state is not CycleState.RUNNING:
        texts.insert(0, morning_report(night, cycle))
    return "\n\n".join(texts)


def morning_report(folder: NightFolder, cycle: Cycle, *, live: str = "", needs: Sequence[str] = ()) -> str:
    """The page as Markdown; `live` is who answers now, `needs` what wants a person, where that is known."""
    data = folder.read_dataset()
    figures = json.loads(cycle.figures_json)
    lines = [
        f"# {cycle.bot}: the night of {date_of(cycle)}",
        "",
        f"**{headline(cycle)}**",
        "",
    ]
    if live:
        lines += [f"{live} answers now.", ""]
    if needs:
        lines += ["## What needs a person", "", *(f"- {need}" for need in needs), ""]
    if data:
        lines += [
            f"{data.train_rows} training rows, {data.new_rows} of them new; {data.held_out_rows} held-out rows of "
            f"{data.held_out_conversations} conversations to compare on. {data.repetition}",
            "",
        ]
        if data.stopped:
            seen = f"`nightschool quarantine --bot {cycle.bot}` shows them and lets them count, or keeps them out."
            lines += [f"{data.stopped} votes were stopped before anything was learnt from them: {seen}", ""]
    if f"candidate_{ROWS[0][1]}" in figures:
        lines += ["| | base | production | candidate |", "|---|---|---|---|"]
        lines += [_row(title, key, digits, figures) for title, key, digits in ROWS]
        lines.append("")
    told = (*cycle.reasons, *tell_ages(figures))
    lines += ["## Why", "", *(f"- {sentence}" for sentence in told), "", *describe_run(folder.run)]
    return "\n".join(lines)


def date_of(cycle: Cycle) -> date:
    """By which a night is called: its slot's by the bot's own clock; of one that was begun by hand the day in UTC."""
    return cycle.local_date or cycle.started_at.date()


def headline(cycle: Cycle) -> str:
    """What came of it, in a sentence or two."""
    candidate = AdapterName(cycle.bot, cycle.candidate) if cycle.candidate else None
    match cycle.outcome:
        case Outcome.PROMOTE:
            return f"{candidate} passed the gate and went live."
        case Outcome.HOLD:
            return f"{candidate} passed the gate and is held: the night did not put it live."
        case Outcome.REJECT:
            return f"{candidate} did not pass the gate. Production stays as it was."
        case Outcome.INSUFFICIENT_DATA:
            return "There was not enough data. Production stays as it was."
        case None if cycle.step == Step.BEGIN:
            return "The night could not begin. Production stays as it was."
        case None:
            # The flip may have been kept although what came after it failed.
            live = "`nightschool status` says what is live" if cycle.step in AFTER_THE_EXAM else "It moved nothing"
            return f"The night failed at step {cycle.step}. {live}."


def _row(title: str, key: str, digits: int, figures: dict[str, float]) -> str:
    cells = [figures.get(f"{who}_{key}") for who in ("base", "production", "candidate")]
    return "| " + " | ".join([title, *("" if cell is None else f"{cell:.{digits}f}" for cell in cells)]) + " |"
