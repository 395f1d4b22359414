"""Have the frozen base model answer prompts, always with the likeliest word: the same answers on every run.

Loads the base when it is first asked and gives its memory back at the end. Imports torch, so only the trainer's process
imports it. Does not know what the answers are for.
"""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final

from transformers import PreTrainedTokenizerBase

from nightschool.records import ChatMessage
from tune import model as models
from tune.encode import render_chat
from tune.generate import Generated, generate
from tune.replay import Said

MAX_NEW_TOKENS: Final = 192


class Frozen:
    """A base model that answers."""

    def __init__(
        self,
        base_model: str,
        tokenizer: PreTrainedTokenizerBase,
        *,
        device: str,
        is_quantized: bool = False,
        max_new_tokens: int = MAX_NEW_TOKENS,
    ) -> None:
        self._base_model, self._tokenizer, self._device = base_model, tokenizer, device
        self._is_quantized = is_quantized
        ends = models.read_end_tokens(tokenizer, base_model)
        self._ends = sorted(int(tokenizer.convert_tokens_to_ids(end)) for end in ends)  # type: ignore[arg-type]
        self._max_new_tokens = max_new_tokens

    @cached_property
    def _model(self) -> Any:
        dtype = models.choose_dtype(self._device)
        return models.load_base(self._base_model, device=self._device, dtype=dtype, is_quantized=self._is_quantized)

    def __call__(self, prompts: Sequence[str]) -> list[Said]:
        """One answer for each prompt, without a system prompt."""
        rows = [self._encode(prompt) for prompt in prompts]
        found = generate(self._model, rows, end_ids=self._ends, max_new_tokens=self._max_new_tokens)
        return [self._said(answer) for answer in found]

    def close(self) -> None:
        """Give the memory back."""
        self.__dict__.pop("_model", None)
        gc.collect()

    def _encode(self, prompt: str) -> list[int]:
        chat = [ChatMessage(role="user", content=prompt)]
        text = render_chat("of replay", chat, self._tokenizer, is_prompt=True)
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _said(self, answer: Generated) -> Said:
        ids = list(answer.ids[:-1] if answer.is_whole else answer.ids)
        return Said(str(self._tokenizer.decode(ids)).strip(), answer.is_whole)


@contextmanager
def frozen_base(
    base_model: str, tokenizer: PreTrainedTokenizerBase, *, device: str, is_quantized: bool = False
) -> Iterator[Frozen]:
    """The base model for a while, in 4 bits where it is trained over so."""
    base = Frozen(base_model, tokenizer, device=device, is_quantized=is_quantized)
    try:
        yield base
    finally:
        base.close()
