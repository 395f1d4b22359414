"""Supervised fine-tuning with TRL: from encoded rows to a last checkpoint, killable and resumable at any step.

The order of rows is fixed beforehand from the seed, for all epochs at once, so a resumed run sees what the uninterrupted
one would have seen. A step's rows are computed in micro-batches of like lengths; their losses are sums over the step's
answer tokens, so the cut changes nothing but rounding. Does not know where rows come from, nor what an adapter is for.
"""

import logging
import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from datasets import Dataset
from peft import PeftModel
from torch import Tensor
from transformers import (
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from trl import SFTConfig, SFTTrainer

from nightschool.errors import InvalidInput, TrainingFailed
from nightschool.files import publish, verify
from tune.encode import Encoded
from tune.methods.fused import answer_loss, fuse_adapter, has_plain_head
from tune.progress import StepLine, append_step, forget_steps_after
from tune.recipe import Recipe

log = logging.getLogger(__name__)

PHASE: Final = "sft"
WINDOW_STEPS: Final = 8
"""Rows are sorted by length within windows of so many steps: like lengths share a batch, epochs stay mixed."""
CPU_TOKENS_AT_ONCE: Final = 1024
"""Padded tokens of a micro-batch on a CPU: more costs memory and gains nothing."""
WARMUP_SHARE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Plan:
    """The rows of every step, by position, in order."""

    order: tuple[int, ...]
    steps: int
    rows_per_epoch: int


def plan_order(lengths: Sequence[int], *, epochs: float, batch_size: int, seed: int) -> Plan:
    """Every row once an epoch, shuffled; sorted by length within windows, whose batches are shuffled again."""
    dice = random.Random(seed)
    wanted = max(1, round(len(lengths) * epochs))
    stream: list[int] = []
    while len(stream) < wanted:
        stream += dice.sample(range(len(lengths)), len(lengths))
    order: list[int] = []
    window = batch_size * WINDOW_STEPS
    for start in range(0, wanted, window):
        rows = sorted(stream[start : min(start + window, wanted)], key=lambda row: lengths[row])
        batches = [rows[at : at + batch_size] for at in range(0, len(rows), batch_size)]
        # A last batch that is not full must stay last, or every later step would be cut elsewhere.
        ending = batches.pop() if len(batches[-1]) < batch_size else []
        dice.shuffle(batches)
        order += [row for batch in [*batches, ending] for row in batch]
    return Plan(tuple(order), math.ceil(wanted / batch_size), len(lengths))


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
    checkpoints = run / "checkpoints"
    found = _newest_checkpoint(checkpoints)
    done = _step_of(found) if found else 0
    forget_steps_after(run, done)
    last = checkpoints / f"checkpoint-{plan.steps}"
    if found == last:
        return last
    log.info("phase=%s steps=%d resumed_at=%d rows=%d", PHASE, plan.steps, done, len(rows))
    trainer = _Trainer(
        model=model,
        args=_arguments(checkpoints, recipe, device=device),
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
    trainer.add_callback(_Watch(trainer, run=run, plan=plan, recipe=recipe))
    trainer.train(resume_from_checkpoint=str(found) if found else None)
    return last


class _Trainer(SFTTrainer):  # type: ignore[misc]  # TRL has no types
    """TRL's trainer, but a step's rows are cut into micro-batches by length, and a CPU gets the fused arithmetic."""

    rows_at_once = 1
    step_tokens = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_fused = self.args.use_cpu and has_plain_head(self.model.get_base_model())
        if self._is_fused:
            fuse_adapter(self.model)

    def training_step(self, model: Any, inputs: dict[str, Tensor], num_items_in_batch: Any = None) -> Tensor:
        lengths = inputs["attention_mask"].sum(dim=1).tolist()
        self.step_tokens = sum(lengths)
        budget = CPU_TOKENS_AT_ONCE if self.args.use_cpu else None
        losses = [
            super(_Trainer, self).training_step(
                model,
                {name: tensor[rows, : max(lengths[row] for row in rows)] for name, tensor in inputs.items()},
                num_items_in_batch,
            )
            for rows in cut_by_length(lengths, rows_at_once=self.rows_at_once, tokens_at_once=budget)
        ]
        return torch.stack(losses).sum()

    def compute_loss(
        self, model: Any, inputs: dict[str, Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        if not self._is_fused or return_outputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        return answer_loss(model, **inputs) / num_items_in_batch

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """None: it would name paths of this machine."""


def cut_by_length(lengths: Sequence[int], *, rows_at_once: int, tokens_at_once: int | None) -> Iterator[list[int]]:
    """Positions of the rows in micro-batches, the shortest rows first; a row longer than the budget stands alone."""
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: (lengths[row], row)):
        is_full = len(batch) == rows_at_once
        is_heavy = tokens_at_once is not None and lengths[row] * (len(batch) + 1) > tokens_at_once
        if batch and (is_full or is_heavy):
            yield batch
            batch = []
        batch.append(row)
    yield batch


class _Watch(TrainerCallback):
    """Writes a line for each step, stops at nonsense, and seals checkpoints by a manifest once they are whole."""

    def __init__(self, trainer: _Trainer, *, run: Path, plan: Plan, recipe: Recipe) -> None:
        self._trainer, self._run, self._plan, self._recipe = trainer, run, plan, recipe
        self._began = 0.0

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._began = time.monotonic()

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **_: Any
    ) -> None:
        if not logs or "loss" not in logs:
            return
        if not (math.isfinite(logs["loss"]) and math.isfinite(logs.get("grad_norm", 0.0))):
            raise TrainingFailed(
                f"loss {logs['loss']} and gradient {logs.get('grad_norm')} at step {state.global_step}",
                subject=self._run.name,
                remedy="Lower the learning rate, or look for broken rows in the dataset.",
            )
        seconds = time.monotonic() - self._began
        rows = min(state.global_step * self._recipe.batch_size, len(self._plan.order))
        line = StepLine(
            phase=PHASE,
            step=state.global_step,
            steps=self._plan.steps,
            epoch=rows / self._plan.rows_per_epoch,
            loss=logs["loss"],
            learning_rate=logs["learning_rate"],
            tokens=self._trainer.step_tokens,
            tokens_per_s=self._trainer.step_tokens / max(seconds, 1e-9),
            seconds=seconds,
        )
        append_step(self._run, line)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        publish(
            Path(str(args.output_dir)) / f"checkpoint-{state.global_step}",
            kind="checkpoint",
            about={"step": state.global_step},
        )


def _arguments(checkpoints: Path, recipe: Recipe, *, device: str) -> SFTConfig:
    return SFTConfig(
        output_dir=str(checkpoints),
        use_cpu=device == "cpu",
        # The base model is loaded in the type it computes in; autocast would cast at every layer.
        bf16=False,
        gradient_checkpointing=device != "cpu",
        per_device_train_batch_size=recipe.batch_size,
        gradient_accumulation_steps=1,
        num_train_epochs=1,  # the order holds every epoch
        train_sampling_strategy="sequential",
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=WARMUP_SHARE,
        weight_decay=0.0,
        max_grad_norm=1.0,
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
