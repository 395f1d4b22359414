"""Supervised fine-tuning with TRL: from encoded rows to a last checkpoint, killable and resumable at any step.

The order of rows is fixed beforehand from the seed, for all epochs at once, so a resumed run sees what an uninterrupted
one would have seen. A step's rows are computed in micro-batches of like lengths; their losses are sums over the
step's answer tokens, so the cut changes nothing but rounding. Does not know where rows come from, nor what for.
"""

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import torch
from datasets import Dataset
from peft import PeftModel
from torch import Tensor
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
)
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from nightschool.errors import InvalidInput, TrainingFailed
from nightschool.files import publish, verify
from tune.batches import Plan, cut_by_length, plan_order
from tune.encode import Encoded
from tune.methods.fused import fuse_adapter, has_plain_head
from tune.methods.prefix import Packed, can_share, common_prefix, pack, packed_loss, share_prefix
from tune.progress import StepLine, append_step, forget_steps_after
from tune.recipe import Recipe

log = logging.getLogger(__name__)

PHASE: Final = "sft"
CHECKPOINTS: Final = "checkpoints"
TOKENS_AT_ONCE: Final = 1024
"""Padded tokens of a micro-batch on a CPU: more costs memory and gains nothing."""


def train_sft(
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Encoded],
    *,
    recipe: Recipe,
    run: Path,
    device: str,
) -> Path:
    """Train and return the folder of the last checkpoint; goes on from the newest sound one where there is any.

    Each step appends a line to metrics.jsonl. Raises TrainingFailed at a loss or gradient that is no number.
    """
    plan = plan_order(
        [len(row.input_ids) for row in rows], epochs=recipe.epochs, batch_size=recipe.batch_size, seed=recipe.seed
    )
    checkpoints = run / CHECKPOINTS
    found = _newest_checkpoint(checkpoints)
    done = _step_of(found) if found else 0
    forget_steps_after(run, done, phase=PHASE)
    last = checkpoints / f"checkpoint-{plan.steps}"
    if found == last:
        return last
    log.info("phase=%s steps=%d resumed_at=%d rows=%d", PHASE, plan.steps, done, len(rows))
    trainer = _Trainer(
        model=model,
        args=_arguments(checkpoints, recipe, batch_size=plan.batch_size, device=device),
        train_dataset=Dataset.from_dict(
            {
                "input_ids": [list(rows[at].input_ids) for at in plan.order],
                "labels": [list(rows[at].labels) for at in plan.order],
            }
        ),
        processing_class=tokenizer,
    )
    trainer.rows_at_once = recipe.micro_batch_size
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(_Watch(trainer, run=run, plan=plan))
    trainer.train(resume_from_checkpoint=str(found) if found else None)
    return last


class _Trainer(SFTTrainer):
    """TRL's trainer, but a step's rows are cut into micro-batches by length, and a CPU gets leaner arithmetic."""

    rows_at_once = 1
    step_tokens = 0

    def __init__(self, model: PeftModel, **kwargs: Any) -> None:
        super().__init__(model, **kwargs)
        self._adapted = model
        base = cast(PreTrainedModel, model.get_base_model())
        self._is_lean = self.args.use_cpu and has_plain_head(base) and can_share(base)
        if self._is_lean:
            fuse_adapter(model)
            share_prefix(base)

    def training_step(self, model: Any, inputs: dict[str, Tensor], num_items_in_batch: Any = None) -> Tensor:
        lengths = [int(length) for length in inputs["attention_mask"].sum(dim=1)]
        self.step_tokens = sum(lengths)
        parts = self._lean_parts(inputs, lengths) if self._is_lean else self._padded_parts(inputs, lengths)
        take = super().training_step
        losses = [take(model, part, num_items_in_batch) for part in parts]  # type: ignore[no-untyped-call]
        return torch.stack(losses).sum()

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        if not self._is_lean:
            return super().compute_loss(  # type: ignore[no-untyped-call]
                model, inputs, return_outputs, num_items_in_batch
            )
        return packed_loss(self._adapted, Packed(**inputs)) / num_items_in_batch

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """None: it would name paths of this machine."""

    def _padded_parts(self, inputs: Mapping[str, Tensor], lengths: Sequence[int]) -> Iterator[dict[str, Any]]:
        for rows in cut_by_length(lengths, rows_at_once=self.rows_at_once, tokens_at_once=None):
            yield {name: tensor[rows, : max(lengths[row] for row in rows)] for name, tensor in inputs.items()}

    def _lean_parts(self, inputs: Mapping[str, Tensor], lengths: Sequence[int]) -> Iterator[dict[str, Any]]:
        ids = [row[:n] for row, n in zip(inputs["input_ids"].tolist(), lengths, strict=True)]
        labels = [row[:n] for row, n in zip(inputs["labels"].tolist(), lengths, strict=True)]
        prefix = common_prefix(ids, labels)
        for rows in cut_by_length(
            lengths, rows_at_once=self.rows_at_once, tokens_at_once=TOKENS_AT_ONCE, shared_tokens=prefix
        ):
            yield pack([ids[row] for row in rows], [labels[row] for row in rows], prefix_tokens=prefix)._asdict()


class _Watch(TrainerCallback):
    """Writes a line for each step, stops at nonsense, and seals checkpoints by a manifest once they are whole."""

    def __init__(self, trainer: _Trainer, *, run: Path, plan: Plan) -> None:
        self._trainer, self._run, self._plan = trainer, run, plan
        self._began = 0.0

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._began = time.monotonic()

    def on_log(self, *_: Any, **given: Any) -> None:
        logs: Mapping[str, float] = given["logs"]
        if "loss" not in logs:  # the summary at the end
            return
        step = self._trainer.state.global_step
        if not (math.isfinite(logs["loss"]) and math.isfinite(logs.get("grad_norm", 0.0))):
            raise TrainingFailed(
                f"loss {logs['loss']} and gradient {logs.get('grad_norm')} at step {step}",
                subject=self._run.name,
                remedy="Lower the learning rate, or look for broken rows in the dataset.",
            )
        seconds = time.monotonic() - self._began
        rows = min(step * self._plan.batch_size, len(self._plan.order))
        line = StepLine(
            phase=PHASE,
            step=step,
            steps=self._plan.steps,
            epoch=rows / self._plan.rows_per_epoch,
            loss=logs["loss"],
            learning_rate=logs["learning_rate"],
            tokens=self._trainer.step_tokens,
            tokens_per_s=self._trainer.step_tokens / max(seconds, 1e-9),
            seconds=seconds,
        )
        append_step(self._run, line)

    def on_save(self, *_: Any, **__: Any) -> None:
        step = self._trainer.state.global_step
        publish(self._run / CHECKPOINTS / f"checkpoint-{step}", kind="checkpoint", about={"step": step})


def _arguments(checkpoints: Path, recipe: Recipe, *, batch_size: int, device: str) -> SFTConfig:
    return SFTConfig(
        output_dir=str(checkpoints),
        use_cpu=device == "cpu",
        # The base model is loaded in the type it computes in; autocast would cast at every layer.
        bf16=False,
        gradient_checkpointing=device != "cpu",
        per_device_train_batch_size=batch_size,
        gradient_accumulation_steps=1,
        num_train_epochs=1,  # the order holds every epoch
        train_sampling_strategy="sequential",
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        weight_decay=0.0,
        max_grad_norm=1.0,
        router_aux_loss_coef=0.0,  # balances a router that learns; ours is frozen
        optim="adamw_torch",
        seed=recipe.seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=recipe.checkpoint_steps,
        save_total_limit=2,
        report_to="none",
        disable_tqdm=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=device != "cpu",
    )


def _newest_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint whose files are those of its manifest; a broken one is passed over."""
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=_step_of, reverse=True):
        try:
            verify(checkpoint)
        except InvalidInput as error:
            log.warning("checkpoint passed over: %s", error)
            continue
        return checkpoint
    return None


def _step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])
