"""Kahneman-Tversky optimisation: liked answers become likelier and disliked ones less likely, from votes one by one.

Ethayarajh et al. 2024. Gain and loss are measured from how far the model has drifted from a frozen reference on
answers that do not belong to their questions: each question of a step with the answer of the one before it (`kto`),
or from no drift at all (`apo_zero_unpaired`, D'Oosterlinck et al. 2024), which needs no second pass. It is what TRL
1.16 computes, which a test holds, but for three things: the drift is that of the whole step, so that the micro-batch
changes nothing; rows have weights; and the two kinds of votes weigh alike in all, the rarer kind more by the vote.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import torch
from torch import Tensor

from tune.batches import Plan
from tune.encode import IGNORED, Encoded
from tune.lessons import Voted
from tune.methods.arithmetic import Unit
from tune.methods.frozen import Measure
from tune.methods.reference import Reference
from tune.methods.steps import Share, StepLoss

FAIR_RATIO: Final = 4 / 3
"""Votes up may weigh up to so many times what votes down do (the paper's equation 8)."""


class Kto:
    def __init__(
        self,
        votes: Sequence[Voted],
        reference: Reference,
        *,
        beta: float,
        measures_drift: bool,
        max_tokens: int,
        by_kind: "ByKind | None" = None,
    ) -> None:
        """Votes weigh `by_kind`; None: so that both kinds among them weigh alike."""
        self._votes, self._reference = votes, reference
        self._beta, self._measures_drift, self._max_tokens = beta, measures_drift, max_tokens
        self._by_kind = by_kind or balance(votes)

    def units(self, rows: Sequence[int]) -> list[Unit]:
        return [(self._votes[number].row,) for number in rows]

    def open_step(self, rows: Sequence[int], measure: Measure) -> StepLoss:
        step = [self._votes[number] for number in rows]
        frozen = torch.tensor(self._reference.of([vote.row for vote in step]))  # (n,)
        drift = self._drift([vote.row for vote in step], measure) if self._measures_drift else 0.0
        weights = torch.tensor([vote.weight * self._by_kind.of(vote) for vote in step])
        signs = torch.tensor([1.0 if vote.is_good else -1.0 for vote in step])
        good = sum(vote.is_good for vote in step)
        means = torch.tensor([1 / good if vote.is_good else -1 / (len(step) - good) for vote in step])

        def share(at: Sequence[int], found: Tensor) -> Share:
            chosen = list(at)
            gains = frozen[chosen].to(found) - found[:, 0]  # (k,)
            value = torch.sigmoid(signs[chosen].to(found) * self._beta * (gains - drift))
            loss = (weights[chosen].to(found) * (1 - value)).sum() / len(step)
            if good in {0, len(step)}:
                return Share(loss)
            margin = self._beta * float((means[chosen].to(found) * gains.detach()).sum())
            return Share(loss, {"rewards_margin": margin})

        return share

    def _drift(self, rows: Sequence[Encoded], measure: Measure) -> float:
        """Nats by which strangers' answers have become likelier, at least 0; 0 where a step has one row only."""
        strangers = mismatch(rows, max_tokens=self._max_tokens)
        if not strangers:
            return 0.0
        gains = torch.tensor(self._reference.of(strangers)) - measure(strangers).cpu()
        return max(0.0, float(gains.mean()))


class ByKind(NamedTuple):
    """What votes are multiplied by."""

    up: float
    down: float

    def of(self, vote: Voted) -> float:
        return self.up if vote.is_good else self.down


def balance(votes: Sequence[Voted]) -> ByKind:
    """So that votes up weigh in all as much as votes down, or up to a third more, and votes 1 on average.

    Both kinds must be there.
    """
    up = sum(vote.weight for vote in votes if vote.is_good)
    down = sum(vote.weight for vote in votes if not vote.is_good)
    if down <= up <= FAIR_RATIO * down:
        return ByKind(1.0, 1.0)
    return ByKind((up + down) / (2 * up), (up + down) / (2 * down))


def mismatch(rows: Sequence[Encoded], *, max_tokens: int) -> list[Encoded]:
    """Each row's prompt with the answer of the row before it, as much of it as `max_tokens` allow."""
    if len(rows) < 2:
        return []
    return [_join(row, rows[number - 1], max_tokens=max_tokens) for number, row in enumerate(rows)]


def all_mismatches(votes: Sequence[Voted], plan: Plan, *, max_tokens: int) -> Iterator[Encoded]:
    """Those of every step, for whom the reference is asked beforehand."""
    for start in range(0, len(plan.order), plan.batch_size):
        step = plan.order[start : start + plan.batch_size]
        yield from mismatch([votes[number].row for number in step], max_tokens=max_tokens)


def _join(asked: Encoded, answered: Encoded, *, max_tokens: int) -> Encoded:
    prompt = asked.input_ids[: asked.first_label]
    answer = answered.input_ids[answered.first_label :][: max_tokens - len(prompt)]
    return Encoded(f"{asked.item_id}+{answered.item_id}", (*prompt, *answer), (*[IGNORED] * len(prompt), *answer))
