"""What an operator reads in the morning: one page on how the night went.

In: a finished cycle and what it was made of. Out: `morning.md` beside the evaluation's own report. Does not decide
anything and asks nobody: it words what is already known.
"""

import json
from pathlib import Path
from typing import Final

from deploy.plan import NightFolder, Step
from nightschool.files import write_atomic
from nightschool.records import AdapterName, Cycle, CycleState, Outcome
from tune.dataset import DatasetSummary

NAME: Final = "morning.md"
AFTER_THE_EXAM: Final = frozenset({"decide", "report", "finished"})
ROWS: Final = (
    ("Perplexity (less is better)", "perplexity", 2),
    ("ROUGE-L", "rouge_l", 3),
    ("Token F1", "token_f1", 3),
)


def write_morning_report(folder: Path, cycle: Cycle, data: DatasetSummary | None) -> Path:
    """The page's path."""
    path = folder / NAME
    write_atomic(path, morning_report(cycle, data))
    return path


def read_pages(night: NightFolder, cycle: Cycle) -> str:
    """The page of a night, worded anew where a full disk kept it from being written, and the report of its exam.

    Empty while it runs and has neither.
    """
    page, report = night.root / NAME, night.evaluation / "report.md"
    texts = [file.read_text() for file in (page, report) if file.exists()]
    if not page.exists() and cycle.state is not CycleState.RUNNING:
        texts.insert(0, morning_report(cycle, night.read_dataset()))
    return "\n\n".join(texts)


def morning_report(cycle: Cycle, data: DatasetSummary | None) -> str:
    """The page as Markdown."""
    figures = json.loads(cycle.figures_json)
    candidate = AdapterName(cycle.bot, cycle.candidate) if cycle.candidate else None
    lines = [
        f"# {cycle.bot}: the night of {cycle.started_at:%Y-%m-%d}",
        "",
        _headline(cycle, candidate),
        "",
    ]
    if data:
        lines += [
            f"Trained on {data.train_rows} rows, {data.new_rows} of them new; compared on {data.held_out_rows} "
            f"held-out rows of {data.held_out_conversations} conversations. {data.repetition}",
            "",
        ]
    if f"candidate_{ROWS[0][1]}" in figures:
        lines += ["| | base | production | candidate |", "|---|---|---|---|"]
        lines += [_row(title, key, digits, figures) for title, key, digits in ROWS]
        lines.append("")
    lines += ["## Why", "", *(f"- {reason}" for reason in cycle.reasons), ""]
    return "\n".join(lines)


def _headline(cycle: Cycle, candidate: AdapterName | None) -> str:
    match cycle.outcome:
        case Outcome.PROMOTE:
            return f"**{candidate} passed the gate and went live.**"
        case Outcome.HOLD:
            return f"**{candidate} passed the gate and is held: the night did not put it live.**"
        case Outcome.REJECT:
            return f"**{candidate} did not pass the gate. Production stays as it was.**"
        case Outcome.INSUFFICIENT_DATA:
            return "**There was not enough data. Production stays as it was.**"
        case None if cycle.step == Step.BEGIN:
            return "**The night could not begin. Production stays as it was.**"
        case None:
            # The flip may have been kept although what came after it failed.
            live = "`nightschool status` says what is live" if cycle.step in AFTER_THE_EXAM else "It moved nothing"
            return f"**The night failed at step {cycle.step}. {live}.**"


def _row(title: str, key: str, digits: int, figures: dict[str, float]) -> str:
    cells = [figures.get(f"{who}_{key}") for who in ("base", "production", "candidate")]
    return "| " + " | ".join([title, *("" if cell is None else f"{cell:.{digits}f}" for cell in cells)]) + " |"
