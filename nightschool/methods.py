"""The methods of training that a night may chain, in their order; each goes on from the adapter of the one before it.

Named alike in a bot's file (`recipe.methods`), in a run's recipe and in what a run tells. Does not know how they work.
"""

from typing import Final, Literal

Method = Literal["sft", "dpo", "kto"]
METHODS: Final[tuple[Method, ...]] = ("sft", "dpo", "kto")


def check_methods(methods: tuple[Method, ...]) -> tuple[Method, ...]:
    """`methods`, where it names at least one, none twice, in the order of METHODS. Raises ValueError."""
    if not methods or methods != tuple(method for method in METHODS if method in methods):
        raise ValueError(f"must be some of {', '.join(METHODS)}, each once and in this order")
    return methods
