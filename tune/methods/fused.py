"""Two pieces of arithmetic that make LoRA training on a CPU faster and leaner, with the gradients that PEFT gives.

A LoRA layer here multiplies in the base model's type throughout (PEFT casts each input up to fp32 for its two small
products), and the loss forms logits for answer tokens only, a slice at a time, and their gradient at once: what is
kept for the backward pass is one hidden state a token, not one number for each of the vocabulary. Not used on a GPU,
nor where it was not proved right for the model (`tune.methods.prove`): the loss knows nothing of scaled or capped
logits.
"""

from types import MethodType
from typing import Any, Final

import torch
from peft import PeftModel
from peft.tuners.lora import Linear
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import linear

SLICE: Final = 256
"""Tokens whose logits are held at once: 50 MB at 49,152 words."""


class _LoraLinear(Function):
    """y = x W' + c + s (x A') B', for x (n, in), W (out, in), c (out,), A (r, in), B (out, r); W and c are frozen."""

    @staticmethod
    def forward(  # noqa: PLR0917
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float
    ) -> Tensor:
        a_low, b_low = a.to(x.dtype), b.to(x.dtype)
        low = x @ a_low.T  # (n, r)
        ctx.save_for_backward(x, weight, a_low, b_low, low)
        ctx.scale = scale
        return linear(x, weight, bias).addmm_(low, b_low.T, alpha=scale)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, a, b, low = ctx.saved_tensors
        grad = grads[0].contiguous()
        grad_low = grad @ b  # (n, r)
        grad_x = (grad @ weight).addmm_(grad_low, a, alpha=ctx.scale) if ctx.needs_input_grad[0] else None
        # The products add up in fp32 and are rounded once; the master weights stay in fp32.
        grad_a = (grad_low.T @ x).float() * ctx.scale
        grad_b = (grad.T @ low).float() * ctx.scale
        return grad_x, None, None, grad_a, grad_b, None


class _HeadLoss(Function):
    """-log p(label) of each token (n,), for hidden (n, d), the frozen head's weight (v, d), labels (n,)."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
        losses = torch.empty(len(labels), dtype=torch.float32)
        grad = torch.empty_like(hidden)
        for start in range(0, len(labels), SLICE):
            part, wanted = hidden[start : start + SLICE], labels[start : start + SLICE, None]
            log_probs = torch.log_softmax(linear(part, weight).float(), dim=-1)
            losses[start : start + SLICE] = -log_probs.gather(1, wanted)[:, 0]
            # d(-log p)/d logits = p - onehot
            probs = log_probs.exp_()
            probs.scatter_add_(1, wanted, probs.new_full(wanted.shape, -1.0))
            torch.mm(probs.to(weight.dtype), weight, out=grad[start : start + SLICE])
        ctx.save_for_backward(grad)
        return losses

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = ctx.saved_tensors
        return grad * grads[0].to(grad.dtype)[:, None], None, None


def fuse_adapter(model: PeftModel) -> None:
    """Let the model's LoRA layers compute as `_LoraLinear` from now on; their weights are untouched."""
    for layer in model.modules():
        if type(layer) is Linear and type(layer.base_layer) is torch.nn.Linear:
            layer.forward = MethodType(_forward, layer)  # type: ignore[method-assign]


def unfuse_adapter(model: PeftModel) -> None:
    """Let them compute as PEFT wrote them."""
    for layer in model.modules():
        if isinstance(layer, Linear):
            vars(layer).pop("forward", None)


def head_losses(hidden: Tensor, labels: Tensor, *, head: torch.nn.Linear) -> Tensor:
    """(n,) negative log-likelihoods of `labels` (n,), in nats, given the last hidden states (n, d)."""
    losses: Tensor = _HeadLoss.apply(hidden, head.weight, labels)  # type: ignore[no-untyped-call]
    return losses


def _forward(layer: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    active = [name for name in layer.active_adapters if name in layer.lora_A]
    if layer.disable_adapters or layer.merged or len(active) != 1:
        # Another adapter, several or none: PEFT's own business.
        result: Tensor = type(layer).forward(layer, x, *args, **kwargs)
        return result
    flat, base = x.reshape(-1, x.shape[-1]), layer.base_layer
    a, b = layer.lora_A[active[0]].weight, layer.lora_B[active[0]].weight
    y: Tensor = _LoraLinear.apply(  # type: ignore[no-untyped-call]
        flat, base.weight, base.bias, a, b, layer.scaling[active[0]]
    )
    return y.view(*x.shape[:-1], -1)
