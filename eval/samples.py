"""Which of an evaluation's rows people are shown. Pure."""

import math
from collections.abc import Mapping
from typing import Final

SAMPLES: Final = 8


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


def pick_worst(gains: Mapping[str, float], *, count: int) -> tuple[str, ...]:
    """Rows on which the candidate lost, the worst first; what is no number is worse than any."""
    lost = [row_id for row_id, gain in gains.items() if not gain >= 0]
    return tuple(
        sorted(lost, key=lambda row_id: (gains[row_id] if math.isfinite(gains[row_id]) else -math.inf, row_id))[:count]
    )
