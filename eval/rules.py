"""What a candidate must show: the gate's bounds, one bot's `[gate]` in the words of this room.

Values only. Which bot wants what stands in its file; what the bounds mean and why they have their values stands in
docs/gate.md.
"""

from dataclasses import dataclass
from typing import Literal

Primary = Literal["auto", "token_f1", "rouge_l", "perplexity", "vote_margin"]
"""`auto` is settled before anybody is asked (`eval.exam`): nothing is decided by it."""


@dataclass(frozen=True, slots=True)
class GateRules:
    primary: Primary = "token_f1"
    alpha: float = 0.025
    """One-sided; of what must not have been lost, and of the intervals in the report."""
    tonight: float = 0.025
    """One-sided, of the gain over production: what of the year's false promotions this comparison may risk."""
    false_promotions_a_year: float = 1.0
    """What `tonight` is a part of."""
    draws: int = 10_000
    min_conversations: int = 20
    max_rows: int = 120
    """Held-out rows that are asked; the decision itself takes all that it is given."""
    length_ratio: tuple[float, float] = (0.5, 2.0)
    max_repetition: float = 0.2
    max_perplexity_ratio: float = 1.05
    max_empty_share: float = 0.02
    unseen_fall: float = 0.5
    """How far the mean of a conversation may fall, or rise, that the exam did not happen to hold; primary metric."""
    anchor_margin: float = 0.02
    """How much worse than base or anchor the candidate may be, at most and with certainty; primary metric."""
    topic_margin: float = 0.05
    """How far a topic may fall in the mean before it must be shown not to have; primary metric."""
    min_topic_rows: int = 8
    topic_alpha: float = 0.05
    """Of a false alarm on any topic."""
    max_much_worse_share: float = 0.04
    """Share of rows that may keep less than a third of a token F1 that was worth keeping."""
    suite_margin: float = 0.1
    """How much less of a suite the candidate may pass before it must be shown not to have lost it; share of cases."""
    suite_alpha: float = 0.05
    """Of a false alarm on any suite, against anybody."""
    reward_model: bool = False
    """Whether a trained reward model compares answers too."""
    reward_min_agreement: float = 0.6
    """Nothing goes by one whose agreement with people on held-out pairs may, with 95 % certainty, be lower."""
    seed: int = 17
