"""Have a model go on from prompts, by the likeliest word or by drawing, the same on every run of one machine.

The one place where the trainer's process lets a model speak. Imports torch. Does not know what is asked, nor why.
"""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import torch
from transformers import GenerationConfig

from nightschool.errors import TrainingFailed


class Draw(NamedTuple):
    """How words are drawn."""

    temperature: float
    seed: int
    """Of this call alone: dice thrown elsewhere change nothing, and are not changed."""
    top_p: float = 0.95


class Generated(NamedTuple):
    ids: tuple[int, ...]
    """Up to and with the token at which the model ended."""
    is_whole: bool
    """It ended by itself."""


def generate(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    end_ids: Collection[int],
    max_new_tokens: int,
    draw: Draw | None = None,
) -> list[Generated]:
    """What `model` says to each of the prompts, computed together; without `draw` always the likeliest word.

    Raises TrainingFailed where the model's figures are no numbers, as one's that has diverged.
    """
    ends = sorted(end_ids)
    longest = max(map(len, prompts))
    # Filled up on the left, so that every answer begins at the same place.
    padded = torch.tensor([[ends[0]] * (longest - len(row)) + list(row) for row in prompts], device=model.device)
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in prompts], device=model.device)
    was_training = model.training
    model.eval()
    devices = [model.device] if model.device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices), torch.no_grad():
            if draw:
                torch.manual_seed(draw.seed)
            out = model.generate(
                input_ids=padded, attention_mask=mask, generation_config=_config(ends, max_new_tokens, draw)
            )
    except RuntimeError as error:
        if "probability tensor" not in str(error):
            raise
        raise TrainingFailed(
            "the model that answers gives no numbers",
            subject="the training",
            remedy="Lower the learning rate by which it was trained, or train from the base model.",
        ) from error
    finally:
        model.train(was_training)
    return [_cut(row[longest:].tolist(), ends=end_ids) for row in out]


def _config(ends: list[int], max_new_tokens: int, draw: Draw | None) -> GenerationConfig:
    # What is not said here would be the model's own, which differs from base to base.
    chosen = (
        {"do_sample": True, "temperature": draw.temperature, "top_p": draw.top_p, "top_k": 0}
        if draw
        else {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    )
    return GenerationConfig(
        max_new_tokens=max_new_tokens,
        eos_token_id=ends,
        pad_token_id=ends[0],
        repetition_penalty=1.0,
        **chosen,
    )  # type: ignore[no-untyped-call]


def _cut(ids: Sequence[int], *, ends: Collection[int]) -> Generated:
    end = next((at for at, token in enumerate(ids) if token in ends), None)
    return Generated(tuple(ids if end is None else ids[: end + 1]), is_whole=end is not None)
