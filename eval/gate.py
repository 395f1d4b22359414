"""Decide whether tonight's candidate may meet users.

In: paired scores and the bot's gate rules. Out: a Verdict with reasons a person can read.
Does not know: how answers were made, where scores are kept, what a promotion does.
Method: paired bootstrap over whole conversations (Field & Welsh 2007); every check must pass; see docs/gate.md.
Run: python -m eval.gate SCORES.parquet  (decides again by the rules in verdict.json beside it; exit code 1: differs)
"""

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval.answers import Label
from eval.metrics.perplexity import corpus_perplexity
from eval.scores import ScoreColumns, ScoreRow, pair_columns
from eval.statistics import Interval, interval_of_mean
from nightschool.errors import EvaluationFailed
from nightschool.records import Figures, Outcome

FloatArray = NDArray[np.float64]
Primary = Literal["token_f1", "rouge_l", "perplexity"]


class _Measure(NamedTuple):
    title: str
    values: Callable[[ScoreColumns], FloatArray]
    """(n,) one value per row, more is better."""


PRIMARY: Final[Mapping[Primary, _Measure]] = MappingProxyType(
    {
        "token_f1": _Measure("token F1", lambda columns: columns.token_f1),
        "rouge_l": _Measure("ROUGE-L", lambda columns: columns.rouge_l),
        # On the log scale rows add up; a ratio of perplexities would be ruled by the hardest row.
        "perplexity": _Measure("log-likelihood per token (minus log perplexity)", lambda columns: -columns.nll),
    }
)


@dataclass(frozen=True, slots=True)
class GateRules:
    """What a candidate must show; one bot's `[gate]` and a seed."""

    primary: Primary = "token_f1"
    alpha: float = 0.025
    """One-sided."""
    draws: int = 10_000
    min_conversations: int = 20
    max_rows: int = 120
    """Held-out rows that are asked; the decision itself takes all that it is given."""
    length_ratio: tuple[float, float] = (0.5, 2.0)
    max_repetition: float = 0.2
    max_perplexity_ratio: float = 1.05
    max_empty_share: float = 0.02
    seed: int = 17


@dataclass(frozen=True, slots=True)
class Verdict:
    outcome: Outcome
    reasons: tuple[str, ...]
    """One sentence for each check, beginning with `passed: ` or `failed: `."""
    figures: Figures
    """Finite numbers only; a figure that could not be computed is left out and named in the reasons."""


class _Check(NamedTuple):
    has_passed: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class _Case:
    """What the checks look at. Without a production adapter the base model stands in its place."""

    rules: GateRules
    candidate: ScoreColumns
    rival: ScoreColumns
    rival_name: str
    anchor: ScoreColumns | None
    """The base model, where it is not the rival already."""
    figures: dict[str, float]


def decide(scores: Iterable[ScoreRow], rules: GateRules) -> Verdict:
    """The verdict on the rows labelled `candidate` against `production` (or `base` where none is live).

    A pure function of its arguments; the order of rows does not matter. Raises EvaluationFailed where the scores are
    not paired or lack base or candidate.
    """
    columns = pair_columns(scores)
    if not columns:
        return _too_few(rules, {"held_out_rows": 0.0, "held_out_conversations": 0.0})
    case = _build_case(columns, rules)
    if case.figures["held_out_conversations"] < rules.min_conversations:
        return _too_few(rules, case.figures)
    checks = [_superiority(case)]
    if case.anchor is not None:
        checks.append(_anchor(case, case.anchor))
    checks += [_perplexity(case), _length(case), _repetition(case), _emptiness(case), _finiteness(case)]
    outcome = Outcome.PROMOTE if all(check.has_passed for check in checks) else Outcome.REJECT
    reasons = tuple(f"{'passed' if check.has_passed else 'failed'}: {check.sentence}" for check in checks)
    return Verdict(outcome, reasons, _finite(case.figures))


def gain(candidate: ScoreColumns, rival: ScoreColumns, *, primary: Primary) -> FloatArray:
    """(n,) gain of each row on the primary metric; above 0 the candidate is better."""
    values = PRIMARY[primary].values
    # Infinitely surprised twice is no comparison: the row's gain is not a number, and the gate says so.
    with np.errstate(invalid="ignore"):
        difference: FloatArray = values(candidate) - values(rival)
    return difference


def _build_case(columns: Mapping[Label, ScoreColumns], rules: GateRules) -> _Case:
    base, candidate, production = columns.get("base"), columns.get("candidate"), columns.get("production")
    if base is None or candidate is None:
        raise EvaluationFailed(
            "lack the base model or the candidate", subject="the scores", remedy="Examine both on the same rows."
        )
    rival = base if production is None else production
    sides = {"base": base, "production": rival, "candidate": candidate}
    figures = {f"{label}_{name}": value for label, side in sides.items() for name, value in _summary(side).items()}
    figures["perplexity_ratio"] = _ratio(figures["candidate_perplexity"], figures["production_perplexity"])
    figures["held_out_rows"] = float(len(candidate.row_ids))
    figures["held_out_conversations"] = float(len(set(candidate.conversation_ids)))
    case = _Case(
        rules,
        candidate,
        rival,
        "the base model (nothing is live yet)" if production is None else "production",
        None if production is None else base,
        figures,
    )
    if figures["held_out_conversations"] > 1:
        _add_interval(figures, "gain", _interval(case, rival))
        if case.anchor is not None:
            _add_interval(figures, "base_gain", _interval(case, case.anchor))
    return case


def _summary(side: ScoreColumns) -> dict[str, float]:
    return {
        "perplexity": corpus_perplexity(side.logprob_sum, side.reference_tokens),
        "rouge_l": float(side.rouge_l.mean()),
        "token_f1": float(side.token_f1.mean()),
        "length_ratio": _ratio(float(side.answer_words.sum()), float(side.reference_words.sum())),
        "repetition": float(side.repetition.mean()),
        "empty_share": float(side.is_empty.mean()),
    }


def _interval(case: _Case, rival: ScoreColumns) -> Interval:
    rules = case.rules
    gains = gain(case.candidate, rival, primary=rules.primary)
    if not np.isfinite(gains).all():
        return Interval(math.nan, math.nan, math.nan)
    return interval_of_mean(
        gains,
        case.candidate.conversation,
        alpha=rules.alpha,
        draws=rules.draws,
        # A fresh generator for each comparison: none depends on which others were made.
        rng=np.random.default_rng(rules.seed),
    )


def _add_interval(figures: dict[str, float], name: str, interval: Interval) -> None:
    figures |= {f"{name}_low": interval.low, f"{name}_mean": interval.mean, f"{name}_high": interval.high}


def _too_few(rules: GateRules, figures: Mapping[str, float]) -> Verdict:
    count = figures["held_out_conversations"]
    sentence = (
        f"failed: only {_several(count, 'held-out conversation')}, and the gate needs {rules.min_conversations} "
        f"to tell a better adapter from a lucky one; production stays."
    )
    return Verdict(Outcome.INSUFFICIENT_DATA, (sentence,), _finite(figures))


def _superiority(case: _Case) -> _Check:
    figures, rules = case.figures, case.rules
    low = figures["gain_low"]
    has_passed = low > 0
    return _Check(
        has_passed,
        f"{_comparison(case, case.rival, name=case.rival_name)}: a gain of {figures['gain_mean']:+.4f}, whose lower "
        f"bound {low:+.4f} is {'above' if has_passed else 'not above'} 0 at one-sided alpha {rules.alpha:g} "
        f"({_several(figures['held_out_conversations'], 'conversation')}, "
        f"{_several(figures['held_out_rows'], 'row')}).",
    )


def _anchor(case: _Case, base: ScoreColumns) -> _Check:
    high = case.figures["base_gain_high"]
    has_passed = high >= 0
    return _Check(
        has_passed,
        f"{_comparison(case, base, name='the base model')}: a gain of {case.figures['base_gain_mean']:+.4f}, whose "
        f"upper bound {high:+.4f} is {'not below' if has_passed else 'below'} 0, so over the nights the adapters have "
        f"{'not been shown to fall' if has_passed else 'fallen'} behind where they began.",
    )


def _comparison(case: _Case, rival: ScoreColumns, *, name: str) -> str:
    title, values = PRIMARY[case.rules.primary]
    candidate, other = float(values(case.candidate).mean()), float(values(rival).mean())
    return f"on {title} the candidate scores {candidate:.4f} against {other:.4f} of {name}"


def _perplexity(case: _Case) -> _Check:
    figures, bound = case.figures, case.rules.max_perplexity_ratio
    ratio = figures["perplexity_ratio"]
    return _Check(
        ratio <= bound,
        f"the candidate's held-out perplexity is {figures['candidate_perplexity']:.4g}, {ratio:.3f} times the "
        f"{figures['production_perplexity']:.4g} of {case.rival_name}; at most {bound:g} times is allowed.",
    )


def _length(case: _Case) -> _Check:
    low, high = case.rules.length_ratio
    ratio = case.figures["candidate_length_ratio"]
    return _Check(
        low <= ratio <= high,
        f"the candidate's answers are {ratio:.2f} times as long as the references (in words); "
        f"{low:g} to {high:g} is allowed.",
    )


def _repetition(case: _Case) -> _Check:
    share, bound = case.figures["candidate_repetition"], case.rules.max_repetition
    return _Check(
        share <= bound,
        f"the mean share of repeated word 4-grams in the candidate's answers is {share:.3f}; "
        f"at most {bound:g} is allowed.",
    )


def _emptiness(case: _Case) -> _Check:
    share, bound = case.figures["candidate_empty_share"], case.rules.max_empty_share
    empty = _several(int(case.candidate.is_empty.sum()), "answer")
    return _Check(
        share <= bound,
        f"{empty} of the candidate {'is' if empty.startswith('1 ') else 'are'} empty, {share:.1%}; "
        f"at most {bound:.1%} is allowed.",
    )


def _finiteness(case: _Case) -> _Check:
    broken = sorted(name for name, value in case.figures.items() if not math.isfinite(value))
    if broken:
        return _Check(False, f"these figures are not finite numbers: {', '.join(broken)}.")
    return _Check(True, f"all {len(case.figures)} figures are finite numbers.")


def _finite(figures: Mapping[str, float]) -> Figures:
    return MappingProxyType({name: value for name, value in figures.items() if math.isfinite(value)})


def _ratio(top: float, bottom: float) -> float:
    return top / bottom if bottom else math.nan


def _several(count: float, noun: str) -> str:
    return f"{count:g} {noun}{'' if count == 1 else 's'}"


if __name__ == "__main__":
    from eval.verdict import main

    sys.exit(main())
