"""Log-likelihoods of answers, row by row, which every method's loss is made of: by the model's own code, or leaner.

The leaner arithmetic (`tune.methods.fused`, `tune.methods.prefix`) gives the same where it is used, which
`tune.methods.prove` sees to.
Knows how rows are cut into micro-batches, since the two want it differently; does not know what is made of the numbers.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol, cast

import torch
from peft import PeftModel
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel

from tune.batches import cut_by_length
from tune.encode import IGNORED, Encoded
from tune.methods.fused import fuse_adapter, unfuse_adapter
from tune.methods.prefix import common_prefix, pack, packed_losses, share_prefix, sum_by_row, unshare_prefix

TOKENS_AT_ONCE: Final = 1024
"""Padded tokens of a micro-batch on a CPU: more costs memory and gains nothing."""

Unit = tuple[Encoded, ...]
"""Rows that are computed together, since one loss is made of them."""


class Arithmetic(Protocol):
    def cut(self, units: Sequence[Unit], *, rows_at_once: int) -> Iterator[list[int]]:
        """Positions of the units, which are of one size, in micro-batches."""
        ...

    def measure(self, model: Any, rows: Sequence[Encoded], /) -> Tensor:
        """(b,) negative log-likelihoods of the rows' answers, in nats, each the sum over its tokens."""
        ...


class Named(Arithmetic, Protocol):
    name: str
    """As the log calls it."""

    def alone(self, row: Encoded, /) -> dict[str, Any]:
        """What the model's decoder is given of one row."""
        ...

    def lay_out(self, rows: Sequence[Encoded], states: Sequence[Tensor], /) -> Tensor:
        """Hidden states of the rows, (n, d) each, laid as the decoder is given the rows in `measure`."""
        ...


class Plain:
    """The model's own forward pass over padded rows; logits are kept for answers only."""

    name = "plain"

    def __init__(self, device: str) -> None:
        self._device = device

    def cut(self, units: Sequence[Unit], *, rows_at_once: int) -> Iterator[list[int]]:
        lengths = [max(len(row.input_ids) for row in unit) for unit in units]
        return cut_by_length(lengths, rows_at_once=max(1, rows_at_once // len(units[0])), tokens_at_once=None)

    def measure(self, model: Any, rows: Sequence[Encoded]) -> Tensor:
        batch = pad_rows(rows, device=self._device)
        # What stands before the first answer of all rows predicts nothing that counts.
        first = max(1, min(row.first_label for row in rows))
        logits = model(
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            use_cache=False,
            logits_to_keep=batch.input_ids.shape[1] - first + 1,
        ).logits[:, :-1]
        wanted = batch.labels[:, first:]
        learnt = wanted != IGNORED
        losses = cross_entropy(logits[learnt].float(), wanted[learnt], reduction="none")
        return sum_by_row(losses, learnt)

    def alone(self, row: Encoded) -> dict[str, Any]:
        return {"input_ids": torch.tensor([row.input_ids], device=self._device)}

    def lay_out(self, _rows: Sequence[Encoded], states: Sequence[Tensor]) -> Tensor:
        return pad_sequence(list(states), batch_first=True)


class Mixed(Plain):
    """The same over weights in fp32, whose products are made in bf16."""

    name = "mixed"

    def measure(self, model: Any, rows: Sequence[Encoded]) -> Tensor:
        with torch.autocast(self._device, dtype=torch.bfloat16):
            return super().measure(model, rows)


class Fused(Plain):
    """The model's own forward pass, but for its adapter's layers; on a CPU."""

    name = "fused"

    def __init__(self, model: PeftModel) -> None:
        super().__init__("cpu")
        fuse_adapter(model)
        self._model = model

    def undo(self) -> None:
        """Let the model compute as it did before."""
        unfuse_adapter(self._model)


class Lean:
    """Rows packed behind what they begin with in common, through fused layers; on a CPU."""

    name = "lean"

    def __init__(self, model: PeftModel) -> None:
        fuse_adapter(model)
        self._model = model
        self._before = share_prefix(cast(PreTrainedModel, model.get_base_model()))

    def undo(self) -> None:
        """Let the model compute as it did before."""
        unshare_prefix(cast(PreTrainedModel, self._model.get_base_model()), self._before)
        unfuse_adapter(self._model)

    def cut(self, units: Sequence[Unit], *, rows_at_once: int) -> Iterator[list[int]]:
        if len(units[0]) > 1:  # each has a whole prompt in common, and with others little
            return iter([[number] for number in range(len(units))])
        rows = [unit[0] for unit in units]
        return cut_by_length(
            [len(row.input_ids) for row in rows],
            rows_at_once=rows_at_once,
            tokens_at_once=TOKENS_AT_ONCE,
            shared_tokens=common_prefix([list(row.input_ids) for row in rows], [list(row.labels) for row in rows]),
        )

    def measure(self, _model: Any, rows: Sequence[Encoded]) -> Tensor:
        ids, labels = [list(row.input_ids) for row in rows], [list(row.labels) for row in rows]
        return packed_losses(self._model, pack(ids, labels, prefix_tokens=common_prefix(ids, labels)))

    def alone(self, row: Encoded) -> dict[str, Any]:
        return pack([row.input_ids], [row.labels], prefix_tokens=0).for_decoder()

    def lay_out(self, rows: Sequence[Encoded], states: Sequence[Tensor]) -> Tensor:
        shared = common_prefix([list(row.input_ids) for row in rows], [list(row.labels) for row in rows])
        rests = pad_sequence([state[shared:] for state in states], batch_first=True)
        return torch.cat([states[0][:shared], rests.flatten(0, 1)])[None]


class Padded(NamedTuple):
    """(b, longest) each."""

    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor


def pad_rows(rows: Sequence[Encoded], *, device: str, filler: int = 0) -> Padded:
    """The rows side by side, filled up behind their ends."""
    longest = max(len(row.input_ids) for row in rows)

    def fill(values: Sequence[int], rest: int) -> list[int]:
        return [*values, *[rest] * (longest - len(values))]

    return Padded(
        input_ids=torch.tensor([fill(row.input_ids, filler) for row in rows], device=device),
        attention_mask=torch.tensor([fill([1] * len(row.input_ids), 0) for row in rows], device=device),
        labels=torch.tensor([fill(row.labels, IGNORED) for row in rows], device=device),
    )
