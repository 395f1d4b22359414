"""A reward model: which of two answers people would rather have, learnt from pairs, and how often it is right.

A score is read off an answer's last token by a linear head on the base model with a LoRA of its own; the better
answer's is to be the higher one (Bradley and Terry, as TRL's RewardTrainer). It changes no adapter that answers. In:
training pairs and held-out ones. Out: `reward/` in the run folder, whose manifest says on how many held-out pairs it
agreed with people; `Judge` is the model once it is there.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import logsigmoid
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel, set_seed

from nightschool.files import publish, read_manifest, verify
from tune import model as models
from tune.agreement import FOLDER, Agreement, read_agreement
from tune.encode import Encoded
from tune.lessons import Compared, Lessons
from tune.methods.arithmetic import Plain, Unit, pad_rows
from tune.methods.course import Course
from tune.methods.frozen import Measure, measure_frozen, measure_together
from tune.methods.memory import Appetite
from tune.methods.steps import Share, StepLoss, take_steps
from tune.recipe import Recipe
from tune.team import Team


class RewardStage:
    """The reward model's turn in a run."""

    def __init__(self, lessons: Lessons, recipe: Recipe, course: Course, *, run: Path, device: str, team: Team) -> None:
        self._lessons, self._recipe, self._course = lessons, recipe, course
        self._run, self._device, self._team = run, device, team
        self._appetite = Appetite(recipe.micro_batch_size)
        self._agreement = Agreement(0, 0)

    @property
    def remarks(self) -> Sequence[str]:
        """What went otherwise than ordered, and how good the model is."""
        return [*self._appetite.remarks, self._agreement.describe()]

    def train(self, _start: Path | None) -> None:
        """Train, measure and publish it; goes on where it was broken off. Raises TrainingFailed."""
        if self._team.of_first(read_manifest(self._run / FOLDER)) is None:
            scores = Scores(_rows([*self._lessons.compared, *self._lessons.held_out]), device=self._device)
            model = _load(self._recipe, device=self._device, filler=scores.filler)
            last = take_steps(
                model, Ranking(self._lessons.compared), self._course, arithmetic=scores, appetite=self._appetite,
                recipe=self._recipe, run=self._run, device=self._device, team=self._team,
            )  # fmt: skip
            found = measure_agreement(model, self._lessons.held_out, scores, appetite=self._appetite, team=self._team)
            if self._team.is_first:
                self._publish(last, found)
            self._team.wait()
        self._agreement = read_agreement(self._run) or Agreement(0, 0)

    def _publish(self, last: Path, found: Agreement) -> None:
        folder = self._run / FOLDER
        models.export_adapter(last, folder, base_model=self._recipe.base_model)
        about: dict[str, str | int | float | None] = {
            "base_model": Path(self._recipe.base_model).name,
            "held_out_pairs": found.pairs,
            "held_out_right": found.right,
            "bar": found.bar,
        }
        publish(folder, kind="reward", about=about)


class Judge:
    """A run's reward model, ready to score."""

    def __init__(self, recipe: Recipe, run: Path, *, device: str) -> None:
        folder = run / FOLDER
        verify(folder)
        agreement = read_agreement(run)
        assert agreement is not None, "it was verified"
        self.bar = agreement.bar
        self._device, self._rows_at_once = device, recipe.micro_batch_size
        self._model = _load(recipe, device=device, filler=0)
        set_peft_model_state_dict(self._model, load_file(folder / models.WEIGHTS))
        self._model.eval()

    def score(self, rows: Sequence[Encoded]) -> list[float]:
        """The higher the better, for answers to one question."""
        scores = Scores(rows, device=self._device)
        base: Any = self._model.get_base_model()
        base.config.pad_token_id = scores.filler
        found = measure_frozen(self._model, rows, arithmetic=scores, rows_at_once=self._rows_at_once)
        return [float(score) for score in found]


def measure_agreement(
    model: PeftModel, held_out: Sequence[Compared], scores: "Scores", *, appetite: Appetite, team: Team = Team()
) -> Agreement:
    if not held_out:
        return Agreement(0, 0)
    rows = _rows(held_out)
    model.eval()
    found = measure_together(
        model, rows, arithmetic=scores, appetite=appetite, team=team, where="the held-out pairs"
    ).view(-1, 2)
    bar = float(found.median(dim=0).values.mean())
    return Agreement(len(held_out), int((found[:, 0] > found[:, 1]).sum()), bar)


def _rows(pairs: Iterable[Compared]) -> list[Encoded]:
    return [row for pair in pairs for row in (pair.chosen, pair.rejected)]


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

    def __init__(self, rows: Iterable[Encoded], *, device: str) -> None:
        self._device, self._plain = device, Plain(device)
        ends = {row.input_ids[-1] for row in rows}
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
