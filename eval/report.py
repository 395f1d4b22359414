"""The evaluation as a page for people: verdict, reasons, figures with intervals, and answers side by side.

Writes report.md and report.png. Decides nothing: what it shows was decided before.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eval.ages import tell_ages
from eval.answers import Label
from eval.case import PRIMARY, gain
from eval.estimates import METRICS, Metric, estimate, told
from eval.gate import Verdict
from eval.judge_file import JudgeFile
from eval.plot import Bar, draw_report
from eval.reward_facts import RewardFacts
from eval.rules import GateRules
from eval.samples import pick_samples
from eval.scores import ScoreColumns, ScoreRow, pair_columns
from eval.slices import TopicGain, topic_gains
from eval.suites import SuiteRow
from nightschool.files import write_atomic

REPORT: Final = "report.md"
PICTURE: Final = "report.png"
_WIDTH_CHARACTERS: Final = 100


@dataclass(frozen=True, slots=True)
class Sample:
    row: SuiteRow
    answers: Mapping[Label, str]


def write_report(
    folder: Path,
    verdict: Verdict,
    *,
    scores: Sequence[ScoreRow],
    rules: GateRules,
    samples: Sequence[Sample],
    skipped_rows: int,
    judge: JudgeFile | None = None,
    reward: RewardFacts | None = None,
) -> None:
    """Write report.md and report.png; `samples` holds every row's answers, of which a few are shown."""
    columns = pair_columns(scores)
    lines = [*_head(verdict, rules=rules, skipped_rows=skipped_rows)]
    if columns:
        rival: Label = "production" if "production" in columns else "base"
        gains = gain(columns["candidate"], columns[rival], primary=rules.primary)
        metrics = {metric.title: _bars(columns, metric, rules=rules) for metric in METRICS}
        title = f"{verdict.outcome.value}: candidate against {rival} (lines: {1 - 2 * rules.alpha:.0%} intervals)"
        gain_title = f"gain per row in {PRIMARY[rules.primary].title}"
        draw_report(folder / PICTURE, gains, gain_title=gain_title, metrics=metrics, title=title)
        lines += _table(columns, metrics, verdict=verdict)
        lines += _topics(topic_gains(columns["candidate"], gains, rules=rules), rival=rival)
        lines += _told("The judge", judge.tell()) if judge else ()
        lines += _told("The reward model", reward.tell(least=rules.reward_min_agreement)) if reward else ()
        by_row = dict(zip(columns["candidate"].row_ids, gains.tolist(), strict=True))
        lines += _side_by_side(samples, by_row, rival=rival)
    write_atomic(folder / REPORT, "\n".join(lines) + "\n")


def _head(verdict: Verdict, *, rules: GateRules, skipped_rows: int) -> Iterator[str]:
    yield f"# Verdict: {verdict.outcome.value}"
    yield ""
    for reason in verdict.reasons:
        yield f"- {reason}"
    yield ""
    yield (
        f"Rows: {verdict.figures['held_out_rows']:g} from {verdict.figures['held_out_conversations']:g} held-out "
        f"conversations, each asked once of every contestant by the same engine. Primary metric: "
        f"{PRIMARY[rules.primary].title}; one-sided alpha {rules.alpha:g}; {rules.draws} resamples, seed {rules.seed}."
    )
    yield from tell_ages(verdict.figures)
    if liked := verdict.figures["liked_rows"]:
        yield f"Only liked, so not asked (no person wrote or approved them): {liked:g} held-out answers."
    if skipped_rows:
        yield f"Left out, since it would exceed the engine's context: {skipped_rows} of the rows."


def _table(
    columns: Mapping[Label, ScoreColumns], metrics: Mapping[str, Sequence[Bar]], *, verdict: Verdict
) -> Iterator[str]:
    labels = list(columns)
    yield from ("", "## Figures", "", f"| | {' | '.join(labels)} |", f"|---|{'---|' * len(labels)}")
    for title, bars in metrics.items():
        yield f"| {title} | {' | '.join(map(_cell, bars))} |"
    for metric in told(verdict.figures):
        values = (verdict.figures.get(f"{label}_{metric.name}") for label in labels)
        yield f"| {metric.title} | {' | '.join('-' if value is None else f'{value:.3f}' for value in values)} |"
    yield from ("", f"![Gains per row and metrics with intervals]({PICTURE})")


def _topics(gains: Sequence[TopicGain], *, rival: Label) -> Iterator[str]:
    if gains:
        yield from (
            "",
            "## Topics",
            "",
            f"| topic | rows | mean gain over {rival} | upper bound |",
            "|---|---|---|---|",
        )
    for topic in gains:
        # An import named it: its bars and line breaks must not end our table.
        name = re.sub(r"[|`<>\s]+", " ", topic.topic).strip()
        yield f"| {name} | {topic.rows} | {topic.mean:+.4f} | {topic.high:+.4f} |"


def _told(title: str, sentences: Iterable[str]) -> Iterator[str]:
    yield from ("", f"## {title}")
    for sentence in sentences:
        yield ""
        yield from _quote(sentence)


def _cell(bar: Bar) -> str:
    interval = "" if bar.interval is None else f" [{bar.interval.low:.3f}, {bar.interval.high:.3f}]"
    return f"{bar.value:.3f}{interval}"


def _bars(columns: Mapping[Label, ScoreColumns], metric: Metric, *, rules: GateRules) -> list[Bar]:
    return [Bar(label, *estimate(side, metric, rules=rules)) for label, side in columns.items()]


def _side_by_side(samples: Sequence[Sample], gains: Mapping[str, float], *, rival: Label) -> Iterator[str]:
    by_id = {sample.row.row_id: sample for sample in samples}
    picked = pick_samples(gains)
    yield from ("", f"## {len(picked)} answers side by side", "", f"Gains are over {rival}, in the primary metric.")
    for row_id, kind in picked.items():
        sample = by_id[row_id]
        yield from ("", f"### {kind}: {gains[row_id]:+.4f} (row {row_id})", "", "**asked**", "")
        yield from _quote(sample.row.messages[-1]["content"])
        for label, text in (*sample.answers.items(), ("reference", sample.row.reference)):
            yield from ("", f"**{label}**", "")
            yield from _quote(text)


def _quote(text: str) -> Iterator[str]:
    """A fenced block that nothing in `text` can end: what people and models write is not our Markdown."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}text"
    for line in text.splitlines() or ["(empty)"]:
        yield from textwrap.wrap(line, _WIDTH_CHARACTERS, break_on_hyphens=False) or [""]
    yield fence
