"""What the gate's checks look at: the contestants' scores side by side, and the figures made of them.

Does not judge: no bound is applied here. Pure.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval.ages import figures_by_age
from eval.answers import Label
from eval.exam import ExamFacts
from eval.metrics.perplexity import corpus_perplexity
from eval.rules import GateRules, Primary
from eval.scores import ScoreColumns
from eval.spending import LEAST
from eval.statistics import Interval, detectable_gain, draws_for, interval_of_mean, least_gain, witnesses_wanting
from eval.vetoes.fault import Fault
from eval.vote_scores import NO_VOTES, Gains, Votes, margin_gains
from nightschool.errors import EvaluationFailed

FloatArray = NDArray[np.float64]
ALIKE: Final = 1e-9
"""Within it two answers score the same."""
_RESOLUTION_DRAWS: Final = 2_000
NOBODYS_VOTES: Final[Mapping[Label, Votes]] = MappingProxyType({})


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
        # Votes are no rows of the exam: what is shown row by row, as topics are, is token F1 then.
        "vote_margin": _Measure("vote margin (row by row: token F1)", lambda columns: columns.token_f1),
    }
)


class Opponent(NamedTuple):
    """Whom the candidate is compared with."""

    name: str
    prefix: str
    """Of the comparison's figures: `gain_low`, `base_gain_low`, `anchor_gain_low`."""
    scores: ScoreColumns
    votes: Votes = NO_VOTES


@dataclass(frozen=True, slots=True)
class Case:
    """Without a production adapter the base model stands in its place."""

    rules: GateRules
    candidate: ScoreColumns
    rival: Opponent
    """Whom the candidate must beat."""
    anchors: tuple[Opponent, ...]
    """Whom it must not fall behind: the base model and what a person promoted last, where they are not the rival."""
    figures: Mapping[str, float]


def build_case(
    columns: Mapping[Label, ScoreColumns],
    rules: GateRules,
    *,
    facts: ExamFacts,
    votes: Mapping[Label, Votes] = NOBODYS_VOTES,
) -> Case:
    """Raises EvaluationFailed where base or candidate is missing."""
    base, candidate, production = columns.get("base"), columns.get("candidate"), columns.get("production")
    if base is None or candidate is None:
        raise EvaluationFailed(
            "lack the base model or the candidate", subject="the scores", remedy="Examine both on the same rows."
        )
    if production is None:
        rival = Opponent("the base model (nothing is live yet)", "", base, votes.get("base", NO_VOTES))
    else:
        rival = Opponent("production", "", production, votes.get("production", NO_VOTES))
    anchors = tuple(_anchors(columns, votes))
    sides = {**columns, "production": rival.scores}
    figures = {f"{label}_{name}": value for label, side in sides.items() for name, value in _summary(side).items()}
    figures["production_overlap"] = float(facts.production_overlap)
    figures["liked_rows"] = float(facts.liked_rows)
    figures["held_out_rows"] = float(len(candidate.row_ids))
    figures["held_out_conversations"] = float(len(set(candidate.conversation_ids)))
    figures["held_out_witnesses"] = float(candidate.witness.max() + 1)
    figures["alpha"] = rules.tonight
    figures["least_gain"] = least_gain(
        int(figures["held_out_witnesses"]), alpha=max(rules.tonight, LEAST), unseen=rules.unseen_fall
    )
    figures |= figures_by_age(sides, gain(candidate, rival.scores, primary=rules.primary))
    own = votes.get("candidate", NO_VOTES)
    figures |= _vote_figures({**votes, "production": rival.votes}, own, rival)
    figures |= _resolution(_judge(candidate, own, rival, rules=rules), rules=rules)
    for opponent in (rival, *anchors):
        # The year's false promotions are a matter of the gain over the rival; what must not be lost has its own level.
        top = corpus_perplexity(candidate.logprob_sum, candidate.reference_tokens)
        other = corpus_perplexity(opponent.scores.logprob_sum, opponent.scores.reference_tokens)
        figures[f"{opponent.prefix}perplexity_ratio"] = _ratio(top, other)
        alpha = rules.tonight if opponent is rival else rules.alpha
        figures |= _compare(_judge(candidate, own, opponent, rules=rules), opponent.prefix, rules=rules, alpha=alpha)
    return Case(rules, candidate, rival, anchors, figures)


def gain(candidate: ScoreColumns, rival: ScoreColumns, *, primary: Primary) -> FloatArray:
    """(n,) gain of each row on the primary metric; above 0 the candidate is better."""
    values = PRIMARY[primary].values
    # Infinitely surprised twice is no comparison: the row's gain is not a number, and the gate says so.
    with np.errstate(invalid="ignore"):
        difference: FloatArray = values(candidate) - values(rival)
    return difference


def _anchors(columns: Mapping[Label, ScoreColumns], votes: Mapping[Label, Votes]) -> Iterator[Opponent]:
    if "production" in columns:
        yield Opponent("the base model", "base_", columns["base"], votes.get("base", NO_VOTES))
    if "anchor" in columns:
        anchor = votes.get("anchor", NO_VOTES)
        yield Opponent("the last version that a person promoted", "anchor_", columns["anchor"], anchor)


def _summary(side: ScoreColumns) -> dict[str, float]:
    return {
        "perplexity": corpus_perplexity(side.logprob_sum, side.reference_tokens),
        "rouge_l": float(side.rouge_l.mean()),
        "token_f1": float(side.token_f1.mean()),
        "length_ratio": _ratio(float(side.answer_words.sum()), float(side.reference_words.sum())),
        "repetition": float(side.repetition.mean()),
        "empty_share": float(side.is_empty.mean()),
        **_facts(side),
        **_unguarded(side),
        **{f"fault_{fault}": sum(fault in faults for faults in side.faults) / len(side.faults) for fault in Fault},
    }


def _facts(side: ScoreColumns) -> dict[str, float]:
    """Shares of all facts together: most answers have one or none. Left out where there are none."""
    counts = {
        "fact_recall": (side.facts_recalled, side.reference_facts),
        "fact_support": (side.facts_stated - side.facts_invented, side.facts_stated),
    }
    return {name: float(some.sum() / every.sum()) for name, (some, every) in counts.items() if every.any()}


def _unguarded(side: ScoreColumns) -> dict[str, float]:
    """How often the bot's guard held something back, and how good the own words were; left out where it never did."""
    if not side.is_held.any():
        return {}
    return {"held_share": float(side.is_held.mean()), "own_token_f1": float(side.own_token_f1.mean())}


def _judge(candidate: ScoreColumns, votes: Votes, opponent: Opponent, *, rules: GateRules) -> Gains:
    """The gains by which the candidate is compared, and whose they are."""
    if rules.primary == "vote_margin":
        return margin_gains(votes, opponent.votes)
    return Gains(gain(candidate, opponent.scores, primary=rules.primary), candidate.witness)


def _vote_figures(votes: Mapping[Label, Votes], own: Votes, rival: Opponent) -> dict[str, float]:
    """What votes say, primary metric or not."""
    figures = own.sizes
    moved = margin_gains(own, rival.votes)
    if len(moved.values):
        figures["vote_margin_gain"] = float(moved.values.mean())
    shares = {f"{label}_preference_accuracy": side.preference_accuracy for label, side in votes.items()}
    return figures | {name: share for name, share in shares.items() if share is not None}


def _compare(judged: Gains, prefix: str, *, rules: GateRules, alpha: float) -> dict[str, float]:
    if _count(judged) < 2:
        return {}
    interval = _interval(judged, rules=rules, alpha=alpha)
    named = {"low": interval.low, "mean": interval.mean, "high": interval.high}
    return {f"{prefix}gain_{end}": value for end, value in named.items()}


def _count(judged: Gains) -> int:
    return int(judged.witness.max()) + 1 if len(judged.witness) else 0


def _interval(judged: Gains, *, rules: GateRules, alpha: float) -> Interval:
    if not np.isfinite(judged.values).all():
        return Interval(math.nan, math.nan, math.nan)
    return interval_of_mean(
        judged.values,
        judged.witness,
        # Where nothing may be risked the bound is that of the least risk there is, and `superiority` says the rest.
        alpha=max(alpha, LEAST),
        draws=draws_for(max(alpha, LEAST), at_least=rules.draws),
        # A fresh generator for each comparison: none depends on which others were made.
        rng=np.random.default_rng(rules.seed),
        unseen=rules.unseen_fall,
    )


def _resolution(judged: Gains, *, rules: GateRules) -> dict[str, float]:
    """On how many rows the candidate is better and worse, what gain so many witnesses find, and how many more would
    show the one that was met; left out where it is none, or no number would."""
    gains, witness = judged
    figures = {"better_rows": float((gains > ALIKE).sum()), "worse_rows": float((gains < -ALIKE).sum())}
    if _count(judged) < 2 or not np.isfinite(gains).all():
        return figures
    alpha = max(rules.tonight, LEAST)
    figures["least_gain"] = least_gain(_count(judged), alpha=alpha, unseen=rules.unseen_fall)
    draws, unseen = draws_for(alpha, at_least=_RESOLUTION_DRAWS), rules.unseen_fall
    rng = np.random.default_rng(rules.seed)
    figures["detectable_gain"] = detectable_gain(gains, witness, alpha=alpha, draws=draws, rng=rng, unseen=unseen)
    if 0 < gains.mean() < figures["detectable_gain"]:
        more = witnesses_wanting(gains, witness, alpha=alpha, draws=draws, seed=rules.seed, unseen=unseen)
        if more is not None:
            figures["witnesses_wanting"] = float(more)
    return figures


def _ratio(top: float, bottom: float) -> float:
    return top / bottom if bottom else math.nan
