"""Direct preference optimisation: better answers become likelier than worse ones, compared with a frozen reference.

Rafailov et al. 2023, with two additions: the better answer's own likelihood, without which both may fall (Pang et al.
2024), and the unbiased loss for pairs of which a share is the wrong way round (robust DPO, Chowdhury et al. 2024). It
is what TRL 1.16 computes for `loss_type=["robust", "sft"]`, which a test holds; TRL's trainer is not used, since it
takes no weights by row, makes the result depend on the micro-batch and keeps a second adapter for the reference,
which its resuming confuses with the one that learns. The reference's log-likelihoods are constants, measured once
(`tune.methods.reference`).
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from tune.encode import IGNORED
from tune.lessons import Compared
from tune.methods.arithmetic import Unit
from tune.methods.frozen import Measure
from tune.methods.reference import Reference
from tune.methods.steps import Share, StepLoss


class Dpo:
    def __init__(
        self,
        pairs: Sequence[Compared],
        reference: Reference,
        *,
        beta: float,
        sft_weight: float,
        label_smoothing: float,
    ) -> None:
        self._pairs, self._reference = pairs, reference
        self._beta, self._sft_weight, self._label_smoothing = beta, sft_weight, label_smoothing

    def units(self, rows: Sequence[int]) -> list[Unit]:
        return [(self._pairs[number].chosen, self._pairs[number].rejected) for number in rows]

    def open_step(self, rows: Sequence[int], _measure: Measure) -> StepLoss:
        step = [self._pairs[number] for number in rows]
        tokens = sum(label != IGNORED for pair in step for label in pair.chosen.labels)
        frozen = torch.tensor([self._reference.of([pair.chosen, pair.rejected]) for pair in step])  # (n, 2)

        def share(at: Sequence[int], found: Tensor) -> Share:
            weights = found.new_tensor([step[number].weight for number in at])
            rewards = self._beta * (frozen[list(at)].to(found) - found)  # (k, 2)
            margins = rewards[:, 0] - rewards[:, 1]
            preference = robust_loss(margins, label_smoothing=self._label_smoothing) / len(step)
            imitation = self._sft_weight * found[:, 0] / tokens
            right = (margins > 0).float().sum() / len(step)
            return Share(
                (weights * (preference + imitation)).sum(),
                {"rewards_margin": float(margins.detach().sum()) / len(step), "rewards_accuracy": float(right)},
            )

        return share


def robust_loss(margins: Tensor, *, label_smoothing: float) -> Tensor:
    """(n,) DPO losses of reward margins (n,), of which the given share is thought to have the wrong sign."""
    clean, flipped = -logsigmoid(margins), -logsigmoid(-margins)
    return ((1 - label_smoothing) * clean - label_smoothing * flipped) / (1 - 2 * label_smoothing)
