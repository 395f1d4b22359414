"""Group relative policy optimisation: of several answers to one question those that the judge likes become likelier.

Shao et al. 2024, with the loss of DAPO (Yu et al. 2025), by TRL's own GRPOTrainer. Each step the adapter answers some
questions several times; an answer is rewarded by how likely the reward model holds it to be preferred to a middling
one, and not at all where the checks refuse it (`tune.sound`), so that there is nothing to gain by a fault that the
judge likes. Questions are those that nobody answered well, as tokens of our own making, so control tokens in them stay
broken up. Held to where it began by `recipe.grpo_beta`.

Three things are done in TRL's place. Words are drawn with dice of the step's own, so that a resumed run draws what an
unbroken one would have. A checkpoint holds the adapter that learns and not the frozen copy beside it, which TRL's
resuming confuses. And there is no model card in it, for which it would look into the hub.
"""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from datasets import Dataset
from peft import PeftModel, set_peft_model_state_dict
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerBase, Trainer

from nightschool.errors import TrainingFailed
from nightschool.language import load_identifier
from nightschool.prompt import Neutraliser
from tune import model as models
from tune.encode import IGNORED, Encoded
from tune.generate import Draw, generate
from tune.lessons import Asked, Lessons
from tune.methods.course import Course, find_last, step_of
from tune.methods.memory import is_out_of_memory
from tune.methods.reward import Judge
from tune.methods.steps import peak_mb
from tune.methods.trainer import common_arguments, run_trainer
from tune.methods.trl_grpo import import_grpo
from tune.recipe import Recipe
from tune.rows import TRAIN, read_sft_rows
from tune.sound import House, Inspector
from tune.team import Team

TRL: Final = import_grpo()

Load = Callable[[Path | None], Any]
"""The base model with the adapter of a folder, or with a fresh one."""


class GrpoStage:
    """Its turn in a run."""

    def __init__(
        self, lessons: Lessons, recipe: Recipe, course: Course, *, run: Path, device: str, load: Load,
        team: Team = Team(),
    ) -> None:  # fmt: skip
        self._asked, self._recipe, self._course = lessons.asked, recipe, course
        self._run, self._device, self._load, self._team = run, device, load, team
        self._taken = course.plan.steps

    @property
    def remarks(self) -> Sequence[str]:
        """What went otherwise than ordered."""
        return self._course.describe_cut(self._taken)

    def train(self, start: Path | None) -> Path:
        """The last checkpoint; `start` holds the adapter to go on from. Raises TrainingFailed.

        Of several processes the first one alone trains.
        """
        last = self._team.by_first(lambda: self._train(start))
        self._taken = step_of(last)
        return last

    def _train(self, start: Path | None) -> Path:
        try:
            return find_last(self._run, self._course) or self._take_steps(start)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise TrainingFailed(
                "has too little memory for its answers",
                subject="the training",
                remedy="Lower recipe.made_answers or recipe.made_tokens, or leave GRPO out.",
            ) from error

    def _take_steps(self, start: Path | None) -> Path:
        model = self._load(start)
        if self._device != "cpu":
            model.enable_input_require_grads()
        trainer = _make_trainer(model, self._asked, self._recipe, self._course, run=self._run, device=self._device)
        return run_trainer(trainer, self._course, run=self._run)


class _Grpo(TRL.trainer):  # type: ignore[misc,name-defined]
    """TRL's trainer with what is done in its place."""

    def __init__(self, model: PeftModel, rewards: "Rewards", **given: Any) -> None:
        self.tokens = 0
        self.figures: Mapping[str, float] = {}
        """Of the latest step."""
        self.memory_mb = 0.0
        self._rewards = rewards
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="You are using 'rollout_func'")
            super().__init__(model, self._reward, rollout_func=self._speak, **given)

    def _speak(self, prompts: Sequence[str], _trainer: Any) -> dict[str, Any]:
        found = self._rewards.answer(self.model, prompts, step=self.state.global_step)
        self.tokens = sum(len(prompt) + len(answer) for prompt, answer in zip(*found, strict=True))
        return {"prompt_ids": found[0], "completion_ids": found[1], "logprobs": None}

    def _reward(self, prompts: Sequence[str], completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float]:
        rewards = self._rewards.of(prompts, completion_ids)
        self.figures = {"reward": sum(rewards) / len(rewards)}
        self.memory_mb = peak_mb()
        return rewards

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:  # noqa: ARG002 - its name
        self.accelerator.unwrap_model(self.model).save_pretrained(output_dir, selected_adapters=["default"])

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        Trainer._save_checkpoint(self, model, trial)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        weights = load_file(Path(resume_from_checkpoint) / models.WEIGHTS)
        set_peft_model_state_dict(model or self.model, weights, adapter_name="default")


class Rewards:
    """Answers by the numbers of their questions, and what they are worth."""

    def __init__(self, asked: Sequence[Asked], recipe: Recipe, *, run: Path, device: str) -> None:
        self._asked, self._recipe = asked, recipe
        self.tokenizer: PreTrainedTokenizerBase = models.load_tokenizer(recipe.base_model)
        self._ends = models.read_end_ids(self.tokenizer, recipe.base_model)
        house = House.of(row.messages for row in read_sft_rows(Path(recipe.dataset) / TRAIN))
        neutraliser = Neutraliser(models.read_control_tokens(self.tokenizer))
        self._inspector = Inspector(house, neutraliser, load_identifier())
        self._judge = Judge(recipe, run, device=device)

    def answer(self, model: Any, prompts: Sequence[str], *, step: int) -> tuple[list[list[int]], list[list[int]]]:
        """Prompt and answer of each."""
        rows = [self._asked[int(number)].prompt_ids for number in prompts]
        found = generate(
            model,
            rows,
            end_ids=self._ends,
            max_new_tokens=self.max_new_tokens,
            draw=Draw(self._recipe.made_temperature, seed=(self._recipe.seed * 1_000_003 + step) % 2**32, top_p=1.0),
        )
        return [list(row) for row in rows], [list(answer.ids) for answer in found]

    @property
    def max_new_tokens(self) -> int:
        longest = max(len(one.prompt_ids) for one in self._asked)
        return min(self._recipe.made_tokens, self._recipe.max_tokens - longest)

    def of(self, prompts: Sequence[str], answers: Sequence[Sequence[int]]) -> list[float]:
        """0..1 each; 0 for what must not be learnt."""
        given = list(zip([self._asked[int(number)] for number in prompts], answers, strict=True))
        sound = [at for at, (one, ids) in enumerate(given) if self._is_sound(one, ids)]
        rewards = [0.0] * len(given)
        if sound:
            scores = self._judge.score([_encode(*given[at]) for at in sound])
            for at, score in zip(sound, scores, strict=True):
                rewards[at] = 1 / (1 + math.exp(self._judge.bar - score))
        return rewards

    def _is_sound(self, one: Asked, ids: Sequence[int]) -> bool:
        text = str(self.tokenizer.decode([token for token in ids if token not in self._ends])).strip()
        is_whole = ids[-1] in self._ends
        return self._inspector.find_unsound(text, one.row.prompt, is_whole=is_whole, before=one.row.answer) is None


def _encode(one: Asked, answer: Sequence[int]) -> Encoded:
    prompt = one.prompt_ids
    return Encoded(one.row.item_id, (*prompt, *answer), (*[IGNORED] * len(prompt), *answer))


def _make_trainer(
    model: PeftModel, asked: Sequence[Asked], recipe: Recipe, course: Course, *, run: Path, device: str
) -> _Grpo:
    rewards = Rewards(asked, recipe, run=run, device=device)
    order, size = course.plan.order, course.plan.batch_size
    # TRL leaves a step out that is not full.
    full = [*order, *order[: -len(order) % size]]
    arguments = TRL.config(
        per_device_train_batch_size=recipe.made_answers,
        gradient_accumulation_steps=size,
        num_generations=recipe.made_answers,
        max_completion_length=rewards.max_new_tokens,
        temperature=recipe.made_temperature,
        beta=recipe.grpo_beta,
        shuffle_dataset=False,
        disable_dropout=True,
        **common_arguments(recipe, course, run=run, device=device),
    )
    return _Grpo(
        model,
        rewards,
        args=arguments,
        train_dataset=Dataset.from_dict({"prompt": [str(number) for number in full]}),
        processing_class=rewards.tokenizer,
    )
