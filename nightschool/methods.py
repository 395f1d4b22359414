"""The methods of training that a night may use, in their order; those of the chain go on from one another's adapter.

Named alike in a bot's file (`recipe.methods`), in a run's recipe and in what a run tells. Does not know how they work.
"""

from typing import Final, Literal

Method = Literal["sft", "dpo", "kto", "reward"]
CHAIN: Final[tuple[Method, ...]] = ("sft", "dpo", "kto")
METHODS: Final[tuple[Method, ...]] = (*CHAIN, "reward")
"""The last one trains a model that judges answers and gives none."""


def check_methods(methods: tuple[Method, ...]) -> tuple[Method, ...]:
    """`methods`, where some of the chain are among them, none twice, in the order of METHODS. Raises ValueError."""
    if not set(CHAIN) & set(methods) or methods != tuple(method for method in METHODS if method in methods):
        raise ValueError(f"must be some of {', '.join(METHODS)}, each once and in this order, and not the last alone")
    return methods
