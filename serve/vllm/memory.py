"""Whether the engine of a whole model fits beside what runs: asked before it is started, since one that grows into what
others hold may have the kernel end any of them. Starts nothing.

On a CPU it takes its weights, its key-value cache and what vLLM takes by itself; on a GPU the share of the card that it
is told to take, whatever it serves.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from nightschool.errors import TooLittleMemory
from nightschool.weights import weights_bytes
from tune.resources import free_memory_bytes

GIB: Final = 2**30
STORED_BYTES: Final = 2
"""Of a number in a whole model that was brought (`tune.bring`)."""
VLLM_GIB: Final = 1.6
"""What vLLM 0.32 takes by itself on a CPU. Measured, with `HELD`, as the most that an engine's processes held (PSS, in
bf16, threads for two cores) less the cache, which is taken at once: 1.5 with a model of a megabyte, 2.2 with one of
.25 GiB (SmolLM2-135M), 3.1 with one of .65."""
HELD: Final = 2.4
"""So much memory for each byte of weights: it holds them as they were loaded and in the order of the processor."""
INSTEAD: Final = (
    "or add it to answer alone, in the base model's place (--as alone), or as the nearest adapter (--as nearest)"
)


def check_memory(
    folder: Path,
    *,
    running: int,
    flavor: Literal["cpu", "gpu"],
    number_bytes: int,
    kv_cache_gib: float,
    gpu_memory_share: float,
    free_bytes: Callable[[], int] = free_memory_bytes,
) -> None:
    """For the whole model in `folder`, beside the base model and `running` others. Raises TooLittleMemory."""
    if flavor == "gpu":
        _check_card(engines=running + 2, share=gpu_memory_share)
        return
    weights_gib = HELD * weights_bytes(folder) / STORED_BYTES * number_bytes / GIB
    needed_gib, free_gib = weights_gib + kv_cache_gib + VLLM_GIB, free_bytes() / GIB
    if needed_gib > free_gib:
        raise TooLittleMemory(
            f"needs some {needed_gib:.1f} GiB of memory beside what runs (weights {weights_gib:.1f}, key-value cache "
            f"{kv_cache_gib:.1f}, vLLM itself {VLLM_GIB:.1f}), and {free_gib:.1f} GiB are free",
            subject="whole model",
            remedy=f"Free memory, lower engine.kv_cache_gib, {INSTEAD}.",
        )


def _check_card(*, engines: int, share: float) -> None:
    if engines * share > 1:
        raise TooLittleMemory(
            f"needs {share:.0%} of the GPU's memory (engine.gpu_memory_share), as each of {engines - 1} others does",
            subject="whole model",
            remedy=f"Lower engine.gpu_memory_share to {1 / engines:.2f} or less and start again, {INSTEAD}.",
        )
