"""Ask a base model, with an adapter or without, on the same rows: likelihoods of given answers, and answers of its own.

Plain transformers and PEFT in one process, so that adapters of every make are asked alike; a night asks its contestants
in the serving engine instead. Texts are tokenised as Nightschool trains and serves them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel

from nightschool.prompt import Neutraliser
from nightschool.records import ChatMessage
from tune.encode import IGNORED, Encoded, encode_chat, render_chat
from tune.model import load_base, load_tokenizer, read_control_tokens, read_end_tokens

ROWS_AT_ONCE = 16


class Likelihood(NamedTuple):
    """Of one answer after its prompt, its end of turn counted."""

    log_prob: float
    """Natural logarithm."""
    tokens: int

    @property
    def mean(self) -> float:
        return self.log_prob / self.tokens


class Contestants:
    """One base model in memory; adapters are put on it in turn."""

    def __init__(self, base_model: str, *, is_quantized: bool = False) -> None:
        self._tokenizer = load_tokenizer(base_model)
        self._ends = read_end_tokens(self._tokenizer, base_model)
        self._neutraliser = Neutraliser(read_control_tokens(self._tokenizer))
        base: Any = load_base(base_model, device="cpu", dtype=torch.float32, is_quantized=is_quantized)
        self._base = base.eval()
        self._model: Any = self._base

    @contextmanager
    def wearing(self, adapter: Path | None) -> Iterator[None]:
        """The base under an adapter's folder; None: the bare base."""
        if adapter is None:
            yield
            return
        self._model = PeftModel.from_pretrained(self._base, adapter).eval()
        try:
            yield
        finally:
            self._base = self._model.unload()
            self._model = self._base

    def score(self, chats: Sequence[Sequence[ChatMessage]]) -> list[Likelihood]:
        """How likely each chat's last answer is."""
        rows = [self._encode(chat) for chat in chats]
        scored: list[Likelihood | None] = [None] * len(rows)
        by_length = sorted(range(len(rows)), key=lambda at: len(rows[at].input_ids))
        for start in range(0, len(rows), ROWS_AT_ONCE):
            places = by_length[start : start + ROWS_AT_ONCE]
            for place, likelihood in zip(places, self._score([rows[at] for at in places]), strict=True):
                scored[place] = likelihood
        return [likelihood for likelihood in scored if likelihood is not None]

    def answer(self, chats: Sequence[Sequence[ChatMessage]], *, max_tokens: int) -> list[str]:
        """Each chat's last answer as the model would give it, the likeliest word each time."""
        prompts = [
            self._tokenizer(
                render_chat("bench", self._neutraliser.chat(chat[:-1]), self._tokenizer, is_prompt=True),
                add_special_tokens=False,
            )["input_ids"]
            for chat in chats
        ]
        answers = [""] * len(prompts)
        by_length = sorted(range(len(prompts)), key=lambda at: len(prompts[at]))
        for start in range(0, len(prompts), ROWS_AT_ONCE):
            places = by_length[start : start + ROWS_AT_ONCE]
            for place, text in zip(places, self._generate([prompts[at] for at in places], max_tokens), strict=True):
                answers[place] = text
        return answers

    def _encode(self, chat: Sequence[ChatMessage]) -> Encoded:
        context = [ChatMessage(role=m["role"], content=m["content"], weight=0) for m in chat[:-1]]
        return encode_chat("bench", self._neutraliser.chat([*context, chat[-1]]), self._tokenizer, ends=self._ends)

    def _score(self, rows: Sequence[Encoded]) -> Iterator[Likelihood]:
        longest = max(len(row.input_ids) for row in rows)
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        mask = torch.zeros(len(rows), longest, dtype=torch.long)
        for at, row in enumerate(rows):
            ids[at, : len(row.input_ids)] = torch.tensor(row.input_ids)
            mask[at, : len(row.input_ids)] = 1
        with torch.inference_mode():
            logits = self._model(input_ids=ids, attention_mask=mask).logits
        for at, row in enumerate(rows):
            labels = torch.tensor(row.labels[1:])
            learnt = labels != IGNORED
            log_probs = torch.log_softmax(logits[at, : len(labels)][learnt].float(), dim=-1)
            taken = log_probs.gather(1, labels[learnt][:, None])
            yield Likelihood(float(taken.sum()), int(learnt.sum()))

    def _generate(self, prompts: Sequence[list[int]], max_tokens: int) -> list[str]:
        longest = max(map(len, prompts))
        pad = int(self._tokenizer.pad_token_id or 0)
        ids = torch.tensor([[pad] * (longest - len(prompt)) + prompt for prompt in prompts])
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        with torch.inference_mode():
            out = self._model.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=max_tokens, do_sample=False, pad_token_id=pad,
                eos_token_id=self._tokenizer.convert_tokens_to_ids(sorted(self._ends)),
            )  # fmt: skip
        return [text.strip() for text in self._tokenizer.batch_decode(out[:, longest:], skip_special_tokens=True)]


def perplexity(likelihoods: Sequence[Likelihood]) -> float:
    total = sum(likelihood.log_prob for likelihood in likelihoods)
    return float(np.exp(-total / sum(likelihood.tokens for likelihood in likelihoods)))


def prefers(chosen: Sequence[Likelihood], rejected: Sequence[Likelihood]) -> NDArray[np.float64]:
    """(n,) 1 where the better answer is the likelier one by the mean over its tokens, which favours no length."""
    pairs = zip(chosen, rejected, strict=True)
    return np.array([float(better.mean > worse.mean) for better, worse in pairs])
