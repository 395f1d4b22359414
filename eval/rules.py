"""What a candidate must show: the gate's bounds, one bot's `[gate]` in the words of this room.

Values only. Which bot wants what stands in its file; what the bounds mean and why they have their values stands in
docs/gate.md.
"""

from dataclasses import dataclass
from typing import Literal

Primary = Literal["token_f1", "rouge_l", "perplexity"]


@dataclass(frozen=True, slots=True)
class GateRules:
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
