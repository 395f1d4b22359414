"""What of a model learns at night: an adapter, an adapter over a base in 4 bits, or the whole of it (`recipe.adapter`).

Named alike in a bot's file and in a run's recipe. Does not know how any of them is trained.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

Learner = Literal["lora", "qlora", "full"]
FULL_RATES: Final[Mapping[str, float]] = MappingProxyType(
    {"learning_rate": 2e-5, "dpo_learning_rate": 5e-6, "kto_learning_rate": 5e-6}
)
"""A whole model learns at a tenth of an adapter's rates."""


def with_rates(given: Any) -> Any:
    """What a recipe is made from, with a whole model's learning rates where it says none."""
    is_full = isinstance(given, Mapping) and given.get("adapter") == "full"
    return {**FULL_RATES, **given} if is_full else given
