"""Have a trained reward model score the candidate's answers and its rival's, row by row.

Scores are kept by model and text, so an exam that goes on asks for what is new. A model that cannot be asked is told
and ends no exam. Does not know where the model is, nor what it is made of: it is given as a function.
"""

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from eval.answers import Answer, Label
from eval.kept import Kept, digest, kept_file
from eval.reward_facts import RewardFacts
from eval.rules import GateRules
from eval.statistics import interval_of_mean
from eval.suites import SuiteRow
from eval.votes import witness_of
from nightschool.records import ChatMessage

LEAST_WITNESSES: Final = 2


class Answered(NamedTuple):
    messages: tuple[ChatMessage, ...]
    answer: str


Score = Callable[[Sequence[Answered]], Awaitable[Sequence[float | None]]]
"""A number for each, the higher the better; None for what is too long. Raises NoScores."""


class NoScores(Exception):
    """In words."""


@dataclass(frozen=True, slots=True)
class RewardOrder:
    """A reward model, and how often it is right."""

    model_hash: str
    held_out_pairs: int
    held_out_right: int
    score: Score


@dataclass(frozen=True, slots=True)
class _Scored:
    score: float | None


async def score_by_reward(
    order: RewardOrder,
    rows: Sequence[SuiteRow],
    answers: Mapping[Label, Mapping[str, Answer]],
    *,
    rules: GateRules,
    cache: Path,
) -> RewardFacts:
    rival: Label = "production" if "production" in answers else "base"
    kept = Kept(kept_file(cache, order.model_hash, what="reward"), _Scored)
    texts = [
        (row, Answered(row.messages, answers[label][row.row_id].text)) for row in rows for label in ("candidate", rival)
    ]
    wanted = {_key(text): (row, text) for row, text in texts if kept.find(_key(text)) is None}
    facts = RewardFacts(rival=rival, held_out_pairs=order.held_out_pairs, held_out_right=order.held_out_right)
    try:
        scores = await order.score([text for _, text in wanted.values()]) if wanted else ()
    except NoScores as error:
        return _without(facts, str(error))
    for (key, (row, _)), score in zip(wanted.items(), scores, strict=True):
        kept.keep(key, _Scored(score), row_id=row.row_id)
    judged = list(_compare(texts, [kept.find(_key(text)) for _, text in texts]))
    return _settle(facts, judged, rows=len(rows), rules=rules)


class _Judged(NamedTuple):
    row: SuiteRow
    preference: float
    """1: the candidate's answer scores higher, 0: its rival's, .5: as high."""


def _compare(texts: Sequence[tuple[SuiteRow, Answered]], found: Sequence[_Scored | None]) -> Iterator[_Judged]:
    """The candidate's text and its rival's take turns; rows of which one has no score are left out."""
    scores = [scored.score if scored else None for scored in found]
    for (row, _), own, other in zip(texts[::2], scores[::2], scores[1::2], strict=True):
        if own is not None and other is not None:
            yield _Judged(row, float(np.sign(own - other) + 1) / 2)


def _settle(facts: RewardFacts, judged: Sequence[_Judged], *, rows: int, rules: GateRules) -> RewardFacts:
    """Bounds as the gate's own, over people, one of whom nobody has met."""
    witness = np.unique([witness_of(one.row) for one in judged], return_inverse=True)[1]
    if len(set(witness.tolist())) < LEAST_WITNESSES:
        return _without(facts, "its scores are of fewer than two people or conversations")
    lead = np.array([one.preference - 0.5 for one in judged])
    found = interval_of_mean(
        lead, witness, alpha=rules.alpha, draws=rules.draws, rng=np.random.default_rng(rules.seed), unseen=0.5
    )
    wins, losses = int((lead > 0).sum()), int((lead < 0).sum())
    return RewardFacts(
        rival=facts.rival,
        wins=wins,
        ties=len(judged) - wins - losses,
        losses=losses,
        win_rate=0.5 + found.mean,
        low=0.5 + found.low,
        high=0.5 + found.high,
        left_out=rows - len(judged),
        held_out_pairs=facts.held_out_pairs,
        held_out_right=facts.held_out_right,
    )


def _without(facts: RewardFacts, problem: str) -> RewardFacts:
    return RewardFacts(
        problem=problem, rival=facts.rival, held_out_pairs=facts.held_out_pairs, held_out_right=facts.held_out_right
    )


def _key(text: Answered) -> str:
    return digest(json.dumps([list(text.messages), text.answer], sort_keys=True))
