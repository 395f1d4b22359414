"""Where merged slots take hold of vLLM 0.32: five patches, each naming what it replaces and why.

Imported only by `serve.vllm.lora_cpu.register`, in a process of a CPU engine. Knows vLLM's insides and nothing of how a
slot's weight is made (`serve.vllm.lora_slots`). State: one list of layers per process, held by the custom op's closure,
since an op that torch.compile does not look into can be told a layer only by its number.
"""

import logging
import os
import shutil
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast

import torch
from torch import Tensor
from vllm.config import VllmConfig, get_current_vllm_config_or_none
from vllm.lora.layers import BaseLayerWithLoRA
from vllm.lora.layers.base_linear import BaseLinearLayerWithLoRA
from vllm.lora.layers.column_parallel_linear import MergedColumnParallelLinearWithLoRA
from vllm.lora.layers.utils import LoRAMapping
from vllm.lora.model_manager import LoRAModelManager
from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU
from vllm.model_executor.layers import utils as layer_utils
from vllm.model_executor.layers.linear import MergedColumnParallelLinear
from vllm.platforms.cpu import CpuPlatform
from vllm.utils.torch_utils import direct_register_custom_op

from nightschool.errors import Unavailable
from serve.vllm.lora_slots import BASE_SLOT, Grouping, MergeBudget, Pack, Product, SlottedLinear, group_tokens

log = logging.getLogger("vllm.nightschool")  # below vLLM's logger, so that it reaches the engine's log

OP: Final = "nightschool_lora_linear"
DENSE: Final = "nightschool_dense"
"""Attribute of a base layer: its weight before packing."""
NUMBER: Final = "nightschool_number"
"""Attribute of a LoRA layer: its place in the list of layers."""
WIDTH: Final = "nightschool_width"


class GroupingPunicaWrapper(PunicaWrapperCPU):  # type: ignore[misc]  # vLLM counts as untyped here
    """vLLM's holder of one step's token-to-slot mapping, which also groups the tokens."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.grouping: Grouping = group_tokens([])

    def update_metadata(
        self, mapping: LoRAMapping, lora_index_to_id: list[int | None], *args: Any, **kwargs: Any
    ) -> None:
        super().update_metadata(mapping, lora_index_to_id, *args, **kwargs)
        slots = {adapter: slot for slot, adapter in enumerate(lora_index_to_id) if adapter is not None}
        # An adapter id of 0 is base; a positive one without a slot is a fault and must not become base silently.
        self.grouping = group_tokens(
            [slots[adapter] if adapter > 0 else BASE_SLOT for adapter in mapping.index_mapping]
        )


class Layer(NamedTuple):
    linear: SlottedLinear
    wrapper: GroupingPunicaWrapper


def install(*, budget_bytes: int) -> None:
    """Patch this process. A second call changes nothing."""
    if hasattr(torch.ops.vllm, OP):
        return
    layers: list[Layer] = []
    pack = _keep_dense_weights()
    _group_tokens_each_step()
    _give_layers_slots(layers, pack, MergeBudget(budget_bytes))
    _fill_slots_at_load(layers)
    _multiply_by_slot(layers)
    _keep_compiling()


def _keep_dense_weights() -> Pack:
    """vLLM drops a linear layer's weight after packing it; merging needs it. Returns vLLM's own packing."""
    stock: Callable[[torch.nn.Module, bool], None] = layer_utils.dispatch_cpu_unquantized_gemm

    def dispatch(layer: torch.nn.Module, remove_weight: bool) -> None:
        config = get_current_vllm_config_or_none()
        weight = layer.weight
        if remove_weight and config is not None and config.lora_config is not None and weight.ndim == 2:
            setattr(layer, DENSE, weight.data)
        stock(layer, remove_weight)

    def pack(weight: Tensor) -> Product:
        carrier = torch.nn.Module()
        carrier.weight = torch.nn.Parameter(weight, requires_grad=False)
        stock(carrier, True)
        return _product_of(carrier)

    layer_utils.dispatch_cpu_unquantized_gemm = dispatch
    return pack


def _product_of(layer: torch.nn.Module) -> Product:
    multiply = cast("Callable[[Tensor, Tensor, Tensor | None], Tensor]", layer.cpu_linear)
    weight = cast("Tensor", layer.weight)  # empty where packing has dropped it, and needed where it has not

    def product(x: Tensor, bias: Tensor | None) -> Tensor:
        return multiply(x, weight, bias)

    return product


def _group_tokens_each_step() -> None:
    name = f"{GroupingPunicaWrapper.__module__}.{GroupingPunicaWrapper.__qualname__}"
    CpuPlatform.get_punica_wrapper = classmethod(lambda _: name)


def _give_layers_slots(layers: list[Layer], pack: Pack, budget: MergeBudget) -> None:
    """When vLLM has wrapped a model's layers, hang slots on each. Raises Unavailable for a layer it cannot serve."""
    stock = LoRAModelManager._create_lora_modules

    def create_lora_modules(manager: LoRAModelManager) -> None:
        stock(manager)
        for name, module in manager.modules.items():
            _check_supported(name, module)
            base = module.base_layer
            setattr(module, NUMBER, len(layers))
            setattr(module, WIDTH, getattr(base, DENSE).shape[0])
            linear = SlottedLinear(_product_of(base), getattr(base, DENSE), pack, budget)
            layers.append(Layer(linear, module.punica_wrapper))

    LoRAModelManager._create_lora_modules = create_lora_modules


def _check_supported(name: str, module: BaseLayerWithLoRA) -> None:
    """Every path by which vLLM would add a LoRA product by itself is wrong on CPU, so none may be left."""
    is_plain = isinstance(module, BaseLinearLayerWithLoRA) and type(module).apply in (
        BaseLinearLayerWithLoRA.apply,
        MergedColumnParallelLinearWithLoRA.apply,
    )
    if is_plain and type(module).apply is MergedColumnParallelLinearWithLoRA.apply:
        # Otherwise its `apply` goes round `_apply_sync`.
        is_plain = type(module.base_layer).forward is MergedColumnParallelLinear.forward
    if not is_plain or not hasattr(module.base_layer, DENSE):
        raise Unavailable(
            f"{type(module).__name__} over {type(module.base_layer).__name__} cannot serve adapters on CPU",
            subject=name,
            remedy="Name only plain, unquantized linear layers in --lora-target-modules.",
        )


def _fill_slots_at_load(layers: list[Layer]) -> None:
    """Merge when vLLM moves an adapter into a slot: in answer to load_lora_adapter, before anything is routed to it."""
    stock = LoRAModelManager.activate_adapter

    def activate_adapter(manager: LoRAModelManager, lora_id: int) -> bool:
        if not stock(manager, lora_id):
            return False
        slot = manager.lora_index_to_id.index(lora_id)
        started = time.monotonic()
        try:
            for module in manager.modules.values():
                downs = [stacked[slot, 0] for stacked in module.lora_a_stacked]
                ups = [stacked[slot, 0] for stacked in module.lora_b_stacked]
                layers[getattr(module, NUMBER)].linear.fill(slot, downs, ups)
        except BaseException:
            manager.remove_adapter(lora_id)  # or the half-filled slot would count as loaded
            raise
        log.info("adapter=%d slot=%d merged_s=%.2f", lora_id, slot, time.monotonic() - started)
        return True

    LoRAModelManager.activate_adapter = activate_adapter


def _multiply_by_slot(layers: list[Layer]) -> None:
    """Replace "base product, then LoRA product" by the products of the slots, in an op that compiling keeps whole."""

    def lora_linear(x: Tensor, bias: Tensor | None, number: int, width: int) -> Tensor:
        linear, wrapper = layers[number]
        y = linear.apply(x.reshape(-1, x.shape[-1]), bias, wrapper.grouping)
        return y.view(*x.shape[:-1], width)

    def shape_only(x: Tensor, bias: Tensor | None, number: int, width: int) -> Tensor:  # noqa: ARG001
        return x.new_empty((*x.shape[:-1], width))

    direct_register_custom_op(OP, lora_linear, fake_impl=shape_only)
    op = getattr(torch.ops.vllm, OP)

    def apply_sync(module: BaseLinearLayerWithLoRA, x: Tensor, bias: Tensor | None = None) -> Tensor:
        y: Tensor = op(x, bias, module.nightschool_number, module.nightschool_width)
        return y

    BaseLinearLayerWithLoRA._apply_sync = apply_sync


def _keep_compiling() -> None:
    """CpuPlatform switches torch.compile off where it sees a LoRA config; our op compiles, so it must not see it."""
    stock = CpuPlatform.check_and_update_config.__func__
    # Compiling needs a C++ compiler at run time. Without one, be content with what stock LoRA does.
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        log.warning("adapters are served uncompiled, about a quarter slower: no C++ compiler found")
        return

    def check_and_update_config(cls: type[CpuPlatform], vllm_config: VllmConfig) -> None:
        lora_config = vllm_config.lora_config
        vllm_config.lora_config = None
        try:
            stock(cls, vllm_config)
        finally:
            vllm_config.lora_config = lora_config

    CpuPlatform.check_and_update_config = classmethod(check_and_update_config)
