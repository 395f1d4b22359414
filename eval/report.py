"""The evaluation as a page for people: verdict, reasons, figures with intervals, and answers side by side.

Writes report.md and report.png. Decides nothing: what it shows was decided before.
"""

import math
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from eval.answers import Label
from eval.case import PRIMARY, gain
from eval.gate import Verdict
from eval.metrics.perplexity import corpus_perplexity
from eval.plot import Bar, draw_report
from eval.rules import GateRules
from eval.scores import ScoreColumns, ScoreRow, pair_columns
from eval.slices import TopicGain, topic_gains
from eval.statistics import Interval, interval_of_ratio
from eval.suites import SuiteRow
from nightschool.files import write_atomic

REPORT: Final = "report.md"
PICTURE: Final = "report.png"
SAMPLES: Final = 8
_WIDTH_CHARACTERS: Final = 100
_ROWS: Final = (("token F1", "token_f1"), ("ROUGE-L", "rouge_l"), ("perplexity", "perplexity"))
_PLAIN_ROWS: Final = (
    ("length, answers / references", "length_ratio"),
    ("repeated word 4-grams", "repetition"),
    ("empty answers", "empty_share"),
)


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
) -> None:
    """Write report.md and report.png; `samples` holds every row's answers, of which a few are shown."""
    columns = pair_columns(scores)
    lines = [*_head(verdict, rules=rules, skipped_rows=skipped_rows)]
    if columns:
        rival: Label = "production" if "production" in columns else "base"
        gains = gain(columns["candidate"], columns[rival], primary=rules.primary)
        metrics = {title: _bars(columns, name, rules=rules) for title, name in _ROWS}
        title = f"{verdict.outcome.value}: candidate against {rival} (lines: {1 - 2 * rules.alpha:.0%} intervals)"
        gain_title = f"gain per row in {PRIMARY[rules.primary].title}"
        draw_report(folder / PICTURE, gains, gain_title=gain_title, metrics=metrics, title=title)
        lines += _table(columns, metrics, verdict=verdict)
        lines += _topics(topic_gains(columns["candidate"], gains, rules=rules), rival=rival)
        by_row = dict(zip(columns["candidate"].row_ids, gains.tolist(), strict=True))
        lines += _side_by_side(samples, by_row, rival=rival)
    write_atomic(folder / REPORT, "\n".join(lines) + "\n")


def pick_samples(gains: Mapping[str, float], *, count: int = SAMPLES) -> dict[str, str]:
    """Row id -> what it stands for: the best, the median and the worst gains, at most `count` rows in all."""
    order = sorted(gains, key=lambda row_id: (-gains[row_id], row_id))
    if len(order) <= count:
        return dict.fromkeys(order, "gain")
    ends = (count * 3) // 8
    middle_count = count - 2 * ends
    start = (len(order) - middle_count) // 2
    middle = order[start : start + middle_count]
    return (
        dict.fromkeys(order[:ends], "best gains")
        | dict.fromkeys(middle, "median gains")
        | dict.fromkeys(order[-ends:], "worst gains")
    )


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
    for title, name in _PLAIN_ROWS:
        values = (verdict.figures.get(f"{label}_{name}", math.nan) for label in labels)
        yield f"| {title} | {' | '.join(f'{value:.3f}' for value in values)} |"
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


def _cell(bar: Bar) -> str:
    interval = "" if bar.interval is None else f" [{bar.interval.low:.3f}, {bar.interval.high:.3f}]"
    return f"{bar.value:.3f}{interval}"


def _bars(columns: Mapping[Label, ScoreColumns], name: str, *, rules: GateRules) -> list[Bar]:
    return [Bar(label, *_estimate(side, name, rules=rules)) for label, side in columns.items()]


class _Estimate(NamedTuple):
    value: float
    interval: Interval | None


def _estimate(side: ScoreColumns, name: str, *, rules: GateRules) -> _Estimate:
    if name == "perplexity":
        value = corpus_perplexity(side.logprob_sum, side.reference_tokens)
        top, bottom = -side.logprob_sum, side.reference_tokens
    else:
        top = side.rouge_l if name == "rouge_l" else side.token_f1
        value, bottom = float(top.mean()), np.ones_like(top)
    if side.witness.max() == 0 or not math.isfinite(value):
        return _Estimate(value, None)
    rng = np.random.default_rng(rules.seed)
    interval = interval_of_ratio(top, bottom, witness=side.witness, alpha=rules.alpha, draws=rules.draws, rng=rng)
    # Perplexity is resampled as the mean of logarithms that it is the exponential of.
    with np.errstate(over="ignore"):
        exponential = Interval(*np.exp(interval).tolist())
    return _Estimate(value, exponential if name == "perplexity" else interval)


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
