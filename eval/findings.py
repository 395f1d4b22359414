"""What people are shown of a finished evaluation, worked out from its files: nothing is asked and nothing decided anew.

In: the folder of an evaluation. Out: `Findings`, the report as data, from which page, table and JSON are drawn. Does
not know how anything is drawn, nor which night it was.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from eval.ages import tell_ages
from eval.answers import Contestant, Label
from eval.answers_file import ANSWERS, AnswerRow, read_answers
from eval.case import PRIMARY, FloatArray, gain
from eval.complaints import Complaint, SuiteLine, read_suites_asked
from eval.estimates import METRICS, Better, Estimate, estimate, told
from eval.judge_file import JudgeFile, read_judge
from eval.reward_facts import RewardFacts
from eval.rules import GateRules
from eval.samples import pick_worst
from eval.scores import ScoreColumns, pair_columns, read_scores
from eval.slices import topic_gains
from eval.verdict import SCORES, VerdictFile, read_verdict
from nightschool.records import Outcome, Sampling

WORST: Final = 8
"""Answers that are shown side by side."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Measured(_Part):
    """A figure; null where it is endless or was not measured, and so are its bounds."""

    value: float | None
    low: float | None = None
    high: float | None = None


class FigureRow(_Part):
    name: str
    title: str
    better: Better
    of: dict[Label, Measured]


class GainRow(_Part):
    """The candidate's mean gain on the primary metric."""

    over: Label
    gain: Measured


class TopicRow(_Part):
    topic: str
    rows: int
    mean: float
    high: float | None
    """Upper bound; null for a single conversation."""


class FaultRow(_Part):
    fault: str
    share: dict[Label, float]


class SampleRow(_Part):
    """One question, and what each contestant answered."""

    row_id: str
    gain: float | None
    asked: str
    reference: str
    answers: dict[Label, str]


class Findings(_Part):
    schema_version: Literal[1] = 1
    outcome: Outcome
    reasons: tuple[str, ...]
    rival: Label
    """Whom the candidate had to beat: `base` where nothing is live."""
    primary: str
    alpha: float
    rows: int
    conversations: int
    liked_rows: int
    skipped_rows: int
    better: int
    """Rows on which the candidate gained."""
    worse: int
    contestants: tuple[Contestant, ...]
    dataset_hash: str
    sampling: Sampling
    gains: tuple[GainRow, ...]
    ages: tuple[str, ...] = ()
    """How the fresh rows and the core differ from the others, in a sentence each."""
    figures: tuple[FigureRow, ...]
    topics: tuple[TopicRow, ...]
    faults: tuple[FaultRow, ...]
    """Those that any contestant has."""
    row_gains: tuple[float, ...]
    """Sorted, finite ones only."""
    samples: tuple[SampleRow, ...]
    """Where the candidate lost most, the worst first."""
    suites: tuple[SuiteLine, ...] = ()
    suite_problems: tuple[str, ...] = ()
    """Suites that could not be read, in a sentence each."""
    complaints: tuple[Complaint, ...] = ()
    """Open ones first."""
    judge: JudgeFile | None = None
    """What a larger model thinks, where the bot names one."""
    reward: RewardFacts | None = None
    """What the trained reward model found, where the bot has it asked."""
    reward_told: tuple[str, ...] = ()
    """The same in sentences."""


class _Scored(NamedTuple):
    figures: tuple[FigureRow, ...] = ()
    topics: tuple[TopicRow, ...] = ()
    gains: Mapping[str, float] = {}
    """By row id."""


def read_findings(folder: Path) -> Findings:
    """Raises InvalidInput, NotFound where `folder` is no finished evaluation."""
    stored = read_verdict(folder)
    columns = pair_columns(read_scores(folder / SCORES))
    rival: Label = "production" if "production" in columns else "base"
    figures, question = stored.figures, stored.question
    scored = _score(columns, rival, stored=stored) if columns else _Scored()
    asked = read_suites_asked(folder, rival=rival)
    finite = sorted(value for value in scored.gains.values() if math.isfinite(value))
    return Findings(
        outcome=stored.outcome,
        reasons=stored.reasons,
        rival=rival,
        primary=PRIMARY[question.rules.primary].title,
        alpha=question.rules.alpha,
        rows=int(figures.get("held_out_rows", 0)),
        conversations=int(figures.get("held_out_conversations", 0)),
        liked_rows=int(figures.get("liked_rows", 0)),
        skipped_rows=len(stored.skipped_rows),
        better=sum(value > 0 for value in finite),
        worse=sum(value < 0 for value in finite),
        contestants=question.contestants,
        dataset_hash=question.dataset_hash,
        sampling=question.sampling,
        gains=tuple(_gains(figures, rival)),
        ages=tuple(tell_ages(figures)),
        figures=scored.figures,
        topics=scored.topics,
        faults=tuple(_faults(figures, tuple(columns))),
        row_gains=tuple(finite),
        samples=tuple(_samples(folder / ANSWERS, scored.gains)),
        suites=asked.suites,
        suite_problems=asked.problems,
        complaints=asked.complaints,
        judge=read_judge(folder),
        reward=stored.facts.reward,
        reward_told=tuple(_tell_reward(stored)),
    )


def _tell_reward(stored: VerdictFile) -> Iterator[str]:
    if reward := stored.facts.reward:
        yield from reward.tell(least=stored.question.rules.reward_min_agreement)


def _score(columns: Mapping[Label, ScoreColumns], rival: Label, *, stored: VerdictFile) -> _Scored:
    rules, candidate = stored.question.rules, columns["candidate"]
    gains = gain(candidate, columns[rival], primary=rules.primary)
    return _Scored(
        (*_with_intervals(columns, rules), *_plain(stored.figures, tuple(columns))),
        tuple(_topics(candidate, gains, rules)),
        dict(zip(candidate.row_ids, gains.tolist(), strict=True)),
    )


def _with_intervals(columns: Mapping[Label, ScoreColumns], rules: GateRules) -> Iterator[FigureRow]:
    for metric in METRICS:
        of = {label: _measured(estimate(side, metric, rules=rules)) for label, side in columns.items()}
        yield FigureRow(name=metric.name, title=metric.title, better=metric.better, of=of)


def _plain(figures: Mapping[str, float], labels: Sequence[Label]) -> Iterator[FigureRow]:
    for metric in told(figures):
        of = {label: Measured(value=figures.get(f"{label}_{metric.name}")) for label in labels}
        yield FigureRow(name=metric.name, title=metric.title, better=metric.better, of=of)


def _measured(found: Estimate) -> Measured:
    if found.interval is None:
        return Measured(value=_finite(found.value))
    return Measured(value=_finite(found.value), low=_finite(found.interval.low), high=_finite(found.interval.high))


def _topics(candidate: ScoreColumns, gains: FloatArray, rules: GateRules) -> Iterator[TopicRow]:
    for topic in topic_gains(candidate, gains, rules=rules):
        yield TopicRow(topic=topic.topic, rows=topic.rows, mean=topic.mean, high=_finite(topic.high))


def _gains(figures: Mapping[str, float], rival: Label) -> Iterator[GainRow]:
    prefixes: Mapping[Label, str] = {rival: "", "base": "base_", "anchor": "anchor_"} | {rival: ""}
    for label, prefix in prefixes.items():
        if f"{prefix}gain_mean" in figures:
            low, mean, high = (figures.get(f"{prefix}gain_{end}") for end in ("low", "mean", "high"))
            yield GainRow(over=label, gain=Measured(value=mean, low=low, high=high))


def _faults(figures: Mapping[str, float], labels: Sequence[Label]) -> Iterator[FaultRow]:
    names = [key.removeprefix("candidate_fault_") for key in figures if key.startswith("candidate_fault_")]
    for name in names:
        share = {label: figures.get(f"{label}_fault_{name}", 0.0) for label in labels}
        if any(share.values()):
            yield FaultRow(fault=name, share=share)


def _samples(file: Path, gains: Mapping[str, float]) -> Iterator[SampleRow]:
    shown = {row_id: list[AnswerRow]() for row_id in pick_worst(gains, count=WORST)}
    for row in read_answers(file):
        if row.row_id in shown:
            shown[row.row_id].append(row)
    for row_id, rows in shown.items():
        first = rows[0]
        yield SampleRow(
            row_id=row_id,
            gain=_finite(gains[row_id]),
            asked=json.loads(first.messages_json)[-1]["content"],
            reference=first.reference,
            answers={row.contestant: row.read for row in rows},
        )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
