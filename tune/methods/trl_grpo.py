"""TRL's GRPOTrainer and its settings, without the vLLM that TRL would import with them.

Where it finds one, TRL imports it for a way to answer that is not used here: that takes seconds and much memory, and
TRL 1.16 warns of any behind vLLM 0.31. So while its trainer is imported it is told that there is none.
"""

from typing import Any, NamedTuple

from trl import import_utils


class Trl(NamedTuple):
    config: Any
    trainer: Any


def import_grpo() -> Trl:
    utils: Any = import_utils
    looks_for_vllm = utils.is_vllm_available
    utils.is_vllm_available = _finds_none
    try:
        from trl.trainer.grpo_config import GRPOConfig  # noqa: PLC0415
        from trl.trainer.grpo_trainer import GRPOTrainer  # noqa: PLC0415
    finally:
        utils.is_vllm_available = looks_for_vllm
    return Trl(GRPOConfig, GRPOTrainer)


def _finds_none(min_version: str | None = None) -> bool:  # noqa: ARG001 - its name
    return False
