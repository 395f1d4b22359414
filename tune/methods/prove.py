"""Prove on a run's own rows that the faster arithmetic gives what plain PEFT gives, before a step is taken with it.

Whether `fused`, `prefix` and `upper` are right for a model depends on what its code does with scores, masks and logits,
so that is not read off its name: before the first step, log-likelihoods and gradients of a few rows, the longest among
them, are computed by PEFT row by row, then by each faster arithmetic. The fastest that agrees is used; the log says
which, and why not another. What every method's loss is made of is compared, so it holds for all of them.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol, cast

import torch
from peft import PeftModel
from torch import Tensor
from transformers import PreTrainedModel

from tune.blocks import count_frozen
from tune.encode import IGNORED, Encoded
from tune.learner import LearningModel
from tune.methods.arithmetic import Fused, Lean, Mixed, Named, Plain
from tune.methods.shelf import Shelf
from tune.methods.upper import Upper
from tune.model import choose_dtype

log = logging.getLogger(__name__)

BOUNDS: Final[Mapping[torch.dtype, float]] = MappingProxyType({torch.float32: 5e-3, torch.bfloat16: 0.3})
"""Relative difference of a layer's gradient that rounding explains.

Measured in bf16: up to .08 in six dense families, .03 in a model of 30 layers, .24 where rounding sends a token to
another expert; .42 to 3.7 where capped attention, windows, sinks or scaled logits were left out."""
LOSS_BOUNDS: Final[Mapping[torch.dtype, float]] = MappingProxyType({torch.float32: 1e-4, torch.bfloat16: 0.012})
"""The same of a row's loss: up to .009 in bf16, and .013 to .34 where something was left out."""
SMALL: Final = 0.05
"""Of the largest gradient: one that is smaller is mostly rounding, and is measured by this."""
NUDGE: Final = 0.02
"""Spread of what is put into an adapter's zeros while it is proved: of those no gradient would reach its other half."""
FAULTS: Final = (AttributeError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError)
"""In so many ways a model's code says that it takes no such attention or has no such parts."""


class _Faster(Named, Protocol):
    def undo(self) -> None: ...


class Keeping(NamedTuple):
    """Where what the frozen base makes of a row is kept."""

    shelf: Shelf
    base: str
    """Which base model that is."""


FASTER: Final[tuple[Callable[[PeftModel], _Faster], ...]] = (Lean, Fused)
"""The fastest first."""


class Measured(NamedTuple):
    losses: tuple[float, ...]
    """Of each row, the mean over its answer's tokens, in nats."""
    gradients: Mapping[str, Tensor]
    """By the parameter's name."""


def choose_arithmetic(
    model: LearningModel, rows: Sequence[Encoded], *, device: str, keeping: Keeping | None = None
) -> Named:
    """The fastest arithmetic that is right for `model` on some of `rows`; it may compute by no other from then on.

    With `keeping`, blocks that learn nothing are computed once a row.
    """
    if not isinstance(model, PeftModel):
        chosen = Mixed(device) if choose_dtype(device) == torch.bfloat16 else Plain(device)
        log.info("arithmetic=%s, since the whole model learns", chosen.name)
        return chosen
    plain = Plain(device)
    name = _name(model)
    if device != "cpu":
        return plain
    if _has_dropout(model):
        log.info("arithmetic=plain for %s: no two passes are alike with dropout", name)
        return plain
    sample = _pick(rows)
    with _nudged(model):
        wanted = _measure(model, sample, lambda: (plain.measure(model, [row]) for row in sample))
        whole = next((tried for make in FASTER if (tried := _try(make, model, sample, wanted))), plain)
        if keeping is None or not count_frozen(model):
            return whole

        def make_upper(model: PeftModel) -> _Faster:
            return Upper(model, whole, shelf=keeping.shelf, base=keeping.base)

        return _try(make_upper, model, sample, wanted) or whole


def _try(
    make: Callable[[PeftModel], _Faster], model: PeftModel, sample: Sequence[Encoded], wanted: Measured
) -> Named | None:
    """The arithmetic, where it agrees; else it is undone, and the log says why."""
    tried = make(model)
    if not (fault := _find_fault(model, tried, sample, wanted)):
        log.info("arithmetic=%s agrees with PEFT for %s", tried.name, _name(model))
        return tried
    log.warning("arithmetic=%s is not that of %s: %s", tried.name, _name(model), fault)
    tried.undo()
    return None


def find_difference(found: Measured, wanted: Measured, *, dtype: torch.dtype) -> str:
    """What differs by more than rounding, in words; empty where nothing does."""
    loss_bound, bound = LOSS_BOUNDS[dtype], BOUNDS[dtype]
    for one, other in zip(found.losses, wanted.losses, strict=True):
        if not abs(one - other) <= loss_bound * abs(other):  # also where it is no number
            return f"loss {one:.5g} instead of {other:.5g}"
    if found.gradients.keys() != wanted.gradients.keys():
        return f"gradients of {len(found.gradients)} parameters instead of {len(wanted.gradients)}"
    floor = SMALL * max((float(gradient.norm()) for gradient in wanted.gradients.values()), default=0.0)
    for name, gradient in wanted.gradients.items():
        off = float((found.gradients[name] - gradient).norm()) / max(float(gradient.norm()), floor, 1e-30)
        if not off <= bound:
            return f"gradient of {name} off by {off:.2g}, where {bound:g} is rounding"
    return ""


def _find_fault(model: PeftModel, tried: Named, rows: Sequence[Encoded], wanted: Measured) -> str:
    try:
        found = _measure(model, rows, lambda: [tried.measure(model, rows)])
    except FAULTS as error:
        return f"it cannot be computed ({error})"
    return find_difference(found, wanted, dtype=cast(PreTrainedModel, model.get_base_model()).dtype)


def _name(model: PeftModel) -> str:
    return str(cast(PreTrainedModel, model.get_base_model()).config.model_type)


def _has_dropout(model: PeftModel) -> bool:
    return any(
        module.p > 0 if isinstance(module, torch.nn.Dropout) else getattr(module, "attention_dropout", 0.0) > 0
        for module in model.modules()
    )


def _pick(rows: Sequence[Encoded]) -> list[Encoded]:
    """The longest row, by which windows of attention show, the shortest and the middle one."""
    by_length = sorted(rows, key=lambda row: (len(row.input_ids), row.item_id))
    return [by_length[at] for at in sorted({0, len(by_length) // 2, len(by_length) - 1})]


@contextmanager
def _nudged(model: PeftModel) -> Iterator[None]:
    """Adapter weights that are zero hold small numbers instead, and nobody's dice are thrown."""
    dice = torch.Generator().manual_seed(0)
    zeros = [parameter for parameter in model.parameters() if parameter.requires_grad and not parameter.any()]
    with torch.no_grad():
        for parameter in zeros:
            parameter.copy_(torch.randn(parameter.shape, generator=dice) * NUDGE)
    model.train()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        model.zero_grad(set_to_none=True)
        with torch.no_grad():
            for parameter in zeros:
                parameter.zero_()


def _measure(model: PeftModel, rows: Sequence[Encoded], measure: Callable[[], Iterable[Tensor]]) -> Measured:
    model.zero_grad(set_to_none=True)
    tokens = [sum(label != IGNORED for label in row.labels) for row in rows]
    losses: list[float] = []
    for some in measure():
        some.sum().backward()  # type: ignore[no-untyped-call]
        losses += some.tolist()
    gradients = {
        name: parameter.grad.float() / sum(tokens)
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and parameter.grad is not None
    }
    return Measured(tuple(loss / count for loss, count in zip(losses, tokens, strict=True)), gradients)
