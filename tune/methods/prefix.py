"""Compute what all rows of a micro-batch begin with once instead of once a row: every chat starts with the same prompt.

The rows lie behind one another in one sequence, the common prefix first, so linear layers see each of its tokens once;
only attention knows the rows: the prefix attends to itself, each row to the prefix and to its own past. The result is
that of separate rows, also in the gradients, for models that want nothing of attention but a scaled softmax and nothing
of the head but a product, whatever their name: that is proved before it is used (`tune.methods.prove`). Not used on a
GPU.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, cast

import torch
from peft import PeftModel
from torch import Tensor
from transformers import AttentionInterface, PreTrainedModel

from tune.encode import IGNORED
from tune.methods.fused import head_losses

NAME: Final = "nightschool_shared_prefix"


class Packed(NamedTuple):
    """Rows in one sequence of p + b * s tokens: the prefix, then each row's rest, padded at its end to s."""

    input_ids: Tensor
    """(1, p + b * s)"""
    position_ids: Tensor
    """(1, p + b * s)"""
    labels: Tensor
    """(b, s): of the rests; the prefix holds none."""
    prefix_tokens: int

    def for_decoder(self) -> dict[str, Any]:
        return {
            "input_ids": self.input_ids,
            "position_ids": self.position_ids,
            "prefix_tokens": self.prefix_tokens,
            "rows": len(self.labels),
        }


def share_prefix(model: PreTrainedModel) -> str:
    """Let the model's attention understand packed rows, and from then on nothing else; the name of what it had."""
    before = str(model.config._attn_implementation)
    AttentionInterface.register(NAME, _attention)
    model.set_attn_implementation(NAME)
    return before


def unshare_prefix(model: PreTrainedModel, before: str) -> None:
    model.set_attn_implementation(before)


def common_prefix(rows: Sequence[list[int]], labels: Sequence[list[int]]) -> int:
    """Tokens that all rows begin with, less those that already predict a label."""
    first, last = min(rows), max(rows)
    length = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    first_label = min(next(n for n, label in enumerate(row) if label != IGNORED) for row in labels)
    return max(0, min(length, first_label - 1))


def pack(rows: Sequence[Sequence[int]], labels: Sequence[Sequence[int]], *, prefix_tokens: int) -> Packed:
    """The rows, which begin with the same `prefix_tokens` tokens, as one sequence."""
    longest = max(map(len, rows)) - prefix_tokens
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    wanted = torch.full((len(rows), longest), IGNORED)
    for number, (row, label) in enumerate(zip(rows, labels, strict=True)):
        ids[number, : len(row) - prefix_tokens] = torch.tensor(row[prefix_tokens:])
        wanted[number, : len(row) - prefix_tokens] = torch.tensor(label[prefix_tokens:])
    prefix = torch.tensor(rows[0][:prefix_tokens], dtype=torch.long)
    places = torch.arange(longest).repeat(len(rows)) + prefix_tokens
    return Packed(
        input_ids=torch.cat([prefix, ids.flatten()])[None],
        position_ids=torch.cat([torch.arange(prefix_tokens), places])[None],
        labels=wanted,
        prefix_tokens=prefix_tokens,
    )


def packed_losses(model: PeftModel, packed: Packed) -> Tensor:
    """(b,) negative log-likelihoods of each row's labelled tokens, in nats."""
    base = cast(PreTrainedModel, model.get_base_model())
    decoded = base.base_model(use_cache=False, **packed.for_decoder())
    states = decoded.last_hidden_state[0, packed.prefix_tokens :]
    # The token at place t is predicted by the state before it, which lies in the same row's rest (`common_prefix`).
    states = states.view(*packed.labels.shape, -1)[:, :-1]
    wanted = packed.labels[:, 1:]
    head = base.get_output_embeddings()  # type: ignore[no-untyped-call]
    learnt = wanted != IGNORED
    return sum_by_row(head_losses(states[learnt], wanted[learnt], head=head), learnt)


def sum_by_row(losses: Tensor, learnt: Tensor) -> Tensor:
    """(b,) sums of the losses (n,) of those places, row by row, that are true in `learnt` (b, s)."""
    parts = torch.split(losses, learnt.sum(dim=1).tolist())
    return torch.stack([part.sum() for part in parts])


class _Attended(NamedTuple):
    output: Tensor
    weights: None


def _attention(
    _module: Any, query: Tensor, key: Tensor, value: Tensor, _mask: Any, *, scaling: float, prefix_tokens: int,
    rows: int, **_: Any,
) -> _Attended:  # fmt: skip
    """Query (1, h, n, d), key and value (1, k, n, d), h a multiple of k; output (1, n, h, d)."""
    p, b = prefix_tokens, rows
    s = (query.shape[2] - p) // b

    def rest(x: Tensor) -> Tensor:
        return x[0, :, p:].reshape(x.shape[1], b, s, -1).transpose(0, 1)  # (b, heads, s, d)

    def whole(x: Tensor) -> Tensor:
        return torch.cat([x[:, :, :p].expand(b, -1, -1, -1), rest(x)], dim=2)  # (b, heads, p + s, d)

    head = _attend(query[:, :, :p], key[:, :, :p], value[:, :, :p], scaling=scaling)  # (1, h, p, d)
    tail = _attend(rest(query), whole(key), whole(value), scaling=scaling)  # (b, h, s, d)
    tail = tail.transpose(1, 2).reshape(1, b * s, query.shape[1], -1)
    return _Attended(torch.cat([head.transpose(1, 2), tail], dim=1), None)


def _attend(query: Tensor, key: Tensor, value: Tensor, *, scaling: float) -> Tensor:
    """Causal attention of the last s of t places; query (b, h, s, d), key and value (b, k, t, d).

    The h / k query heads of a key head are laid behind one another, so no key is copied. At these lengths three plain
    products are faster on a CPU than torch's fused attention, whose backward pass is slow there.
    """
    b, h, s, d = query.shape
    k, t = key.shape[1:3]
    hidden = torch.ones(s, t, dtype=torch.bool).tril(diagonal=t - s).logical_not()
    bias = torch.zeros(s, t, dtype=query.dtype).masked_fill(hidden, -torch.inf).repeat(h // k, 1)
    scores = torch.baddbmm(
        bias[None], query.reshape(b * k, -1, d), key.reshape(b * k, t, d).transpose(1, 2), alpha=scaling
    )
    weights = scores.softmax(dim=-1, dtype=torch.float32).to(value.dtype)
    return (weights @ value.reshape(b * k, t, d)).view(b, h, s, d)
