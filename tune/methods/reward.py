"""A reward model: which of two answers people would rather have, learnt from pairs, and how often it is right.

A score is read off an answer's last token by a linear head on the base model with a LoRA of its own; the better
answer's is to be the higher one (Bradley and Terry, as TRL's RewardTrainer). It changes no adapter that answers. In:
training pairs and held-out ones. Out: `reward/` in the run folder, whose manifest says on how many held-out pairs it
agreed with people.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor
from torch.nn.functional import logsigmoid
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel, set_seed

from nightschool.files import publish, read_manifest
from tune import model as models
from tune.encode import Encoded
from tune.lessons import Compared, Lessons
from tune.methods.arithmetic import Plain, Unit, pad_rows
from tune.methods.course import Course
from tune.methods.memory import Appetite
from tune.methods.steps import Measure, Share, StepLoss, measure_frozen, take_steps
from tune.recipe import Recipe

FOLDER: Final = "reward"
Z: Final = 1.96
"""Of a 95 % interval."""


class Agreement(NamedTuple):
    """On held-out pairs."""

    pairs: int
    right: int

    @property
    def share(self) -> float:
        return self.right / self.pairs

    @property
    def bounds(self) -> tuple[float, float]:
        """Wilson's 95 % interval."""
        n, p = self.pairs, self.share
        middle, spread = p + Z**2 / (2 * n), Z * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
        return (middle - spread) / (1 + Z**2 / n), (middle + spread) / (1 + Z**2 / n)

    def describe(self) -> str:
        if not self.pairs:
            return "no held-out pair says how good it is"
        low, high = self.bounds
        return f"ranks {self.share:.0%} ({low:.0%} to {high:.0%}) of {self.pairs} held-out pairs as people did"


class RewardStage:
    """The reward model's turn in a run."""

    def __init__(self, lessons: Lessons, recipe: Recipe, course: Course, *, run: Path, device: str) -> None:
        self._lessons, self._recipe, self._course = lessons, recipe, course
        self._run, self._device = run, device
        self._appetite = Appetite(recipe.micro_batch_size)
        self._agreement = Agreement(0, 0)

    @property
    def remarks(self) -> Sequence[str]:
        """What went otherwise than ordered, and how good the model is."""
        return [*self._appetite.remarks, self._agreement.describe()]

    def train(self, _start: Path | None) -> None:
        """Train, measure and publish it; goes on where it was broken off. Raises TrainingFailed."""
        folder = self._run / FOLDER
        published = read_manifest(folder)
        if published is None:
            scores = Scores([*self._lessons.compared, *self._lessons.held_out], device=self._device)
            model = _load(self._recipe, device=self._device, filler=scores.filler)
            last = take_steps(
                model, Ranking(self._lessons.compared), self._course, arithmetic=scores, appetite=self._appetite,
                recipe=self._recipe, run=self._run, device=self._device,
            )  # fmt: skip
            found = measure_agreement(model, self._lessons.held_out, scores, appetite=self._appetite)
            models.export_adapter(last, folder, base_model=self._recipe.base_model)
            about: dict[str, str | int | float | None] = {
                "base_model": Path(self._recipe.base_model).name,
                "held_out_pairs": found.pairs,
                "held_out_right": found.right,
            }
            published = publish(folder, kind="reward", about=about)
        self._agreement = Agreement(*(int(published.about[f"held_out_{name}"] or 0) for name in ("pairs", "right")))


def measure_agreement(
    model: PeftModel, held_out: Sequence[Compared], scores: "Scores", *, appetite: Appetite
) -> Agreement:
    if not held_out:
        return Agreement(0, 0)
    rows = [row for pair in held_out for row in (pair.chosen, pair.rejected)]
    model.eval()
    found = appetite.feed(
        lambda at_once: measure_frozen(model, rows, arithmetic=scores, rows_at_once=at_once), where="the held-out pairs"
    ).view(-1, 2)
    return Agreement(len(held_out), int((found[:, 0] > found[:, 1]).sum()))


class Ranking:
    """The objective: -log of the probability that the better answer wins."""

    def __init__(self, pairs: Sequence[Compared]) -> None:
        self._pairs = pairs

    def units(self, rows: Sequence[int]) -> list[Unit]:
        return [(self._pairs[number].chosen, self._pairs[number].rejected) for number in rows]

    def open_step(self, rows: Sequence[int], _measure: Measure) -> StepLoss:
        weights = [self._pairs[number].weight for number in rows]

        def share(at: Sequence[int], found: Tensor) -> Share:
            margins = found[:, 0] - found[:, 1]  # (k,)
            losses = -logsigmoid(margins) * found.new_tensor([weights[number] for number in at])
            figures = {
                "rewards_margin": float(margins.detach().sum()) / len(weights),
                "rewards_accuracy": float((margins > 0).sum()) / len(weights),
            }
            return Share(losses.sum() / len(weights), figures)

        return share


class Scores:
    """What a reward model gives for rows, in place of log-likelihoods."""

    def __init__(self, pairs: Sequence[Compared], *, device: str) -> None:
        self._device, self._plain = device, Plain(device)
        ends = {row.input_ids[-1] for pair in pairs for row in (pair.chosen, pair.rejected)}
        # The score is read at the last token that is no filler, so no row may end with that.
        self.filler = next(number for number in range(len(ends) + 1) if number not in ends)

    def cut(self, units: Sequence[Unit], *, rows_at_once: int) -> Iterator[list[int]]:
        return self._plain.cut(units, rows_at_once=rows_at_once)

    def measure(self, model: Any, rows: Sequence[Encoded]) -> Tensor:
        batch = pad_rows(rows, device=self._device, filler=self.filler)
        scores: Tensor = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False).logits
        return scores[:, 0].float()


def _load(recipe: Recipe, *, device: str, filler: int) -> PeftModel:
    set_seed(recipe.seed)  # of the head's first weights
    dtype = models.choose_dtype(device)
    # The head starts at random and learns, so it stays as it is.
    more = {"quantization_config": models.four_bits(dtype, skip=["score"])} if recipe.adapter == "qlora" else {}
    base = cast(
        PreTrainedModel,
        AutoModelForSequenceClassification.from_pretrained(
            recipe.base_model,
            num_labels=1,
            dtype=dtype,
            attn_implementation=models.choose_attention(AutoConfig.from_pretrained(recipe.base_model)),
            device_map={"": device},
            **more,
        ),
    )
    base.config.pad_token_id = filler
    layers = models.find_layers(base)
    models.check_layers(layers, recipe.base_model)
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=0.0,
        target_modules=list(layers.adapted),
        modules_to_save=["score"],
        task_type="SEQ_CLS",
        bias="none",
    )
    model = get_peft_model(base, config)
    head: Any = model.get_submodule("base_model.model.score")
    # Small steps are lost in bf16.
    head.float()
    head.register_forward_pre_hook(lambda _, given: (given[0].float(), *given[1:]))
    return cast(PeftModel, model)
