"""The methods of training that a night may use, in their order; those of the chain go on from one another's adapter.

Named alike in a bot's file (`recipe.methods`), in a run's recipe and in what a run tells. Does not know how they work.
"""

from typing import Final, Literal

Method = Literal["sft", "dpo", "kto", "reward", "rejection", "distill", "grpo"]
USUAL: Final[tuple[Method, ...]] = ("sft", "dpo", "kto")
CHAIN: Final[tuple[Method, ...]] = (*USUAL, "grpo")
METHODS: Final[tuple[Method, ...]] = (*USUAL, "reward", "rejection", "distill", "grpo")
"""As they are named and told. "reward" trains a model that judges answers and gives none, "rejection" and "distill"
make rows for "sft"."""
RUNS: Final[tuple[Method, ...]] = ("reward", "distill", "rejection", *CHAIN)
"""In the order in which a run uses them."""
NEEDS: Final[dict[Method, tuple[Method, ...]]] = {
    "rejection": ("reward", "sft"),
    "distill": ("sft",),
    "grpo": ("reward",),
}
"""Others that a method is of no use without."""
MAKING: Final = frozenset[Method]({"rejection", "distill"})
"""Those that make rows for "sft" of questions of the record which nobody answered well."""
ANSWERING: Final = MAKING | frozenset[Method]({"grpo"})
"""Those that have such questions answered."""


def check_methods(methods: tuple[Method, ...]) -> tuple[Method, ...]:
    """`methods`, where some of the chain are among them, none twice, in the order of METHODS, each with what it needs.
    Raises ValueError."""
    if not set(CHAIN) & set(methods) or methods != tuple(method for method in METHODS if method in methods):
        names = ", ".join(METHODS)
        raise ValueError(f"must be some of {names}, each once and in this order, and one of {', '.join(CHAIN)} with it")
    for method in methods:
        if missing := [f'"{other}"' for other in NEEDS.get(method, ()) if other not in methods]:
            raise ValueError(f'has "{method}", which is of no use without {" and ".join(missing)}')
    return methods
