"""What a caller's job orders of the trainer: OpenAI's hyperparameters as a recipe of ours. Pure, but for one look at
the adapter that a job goes on from."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple

from collect.jobs import Hyperparameters, JobOrder, Method
from nightschool.methods import Method as Stage
from tune.recipe import Recipe
from tune.start import CONFIG

AUTO: Final = "auto"
Auto = Literal["auto"]
RANK: Final = 16
RATES: Final[Mapping[Method, float]] = {"supervised": 2e-4, "dpo": 5e-5, "kto": 5e-5}
"""That a multiplier of 1 stands for: those of a night."""
STAGES: Final[Mapping[Method, Stage]] = {"supervised": "sft", "dpo": "dpo", "kto": "kto"}
EPOCHS: Final[Mapping[Method, int]] = {"supervised": 3, "dpo": 1, "kto": 1}
BETA: Final = 0.1
MAX_BATCH: Final = 16
STEPS_PER_EPOCH: Final = 8
"""So many at least, where the rows allow it."""
MIN_KTO_BATCH: Final = 4
CHECKPOINTS: Final = 3
"""Of a job, the model itself being the last one."""


class Wanted(NamedTuple):
    """As a caller writes them."""

    n_epochs: int | Auto = AUTO
    batch_size: int | Auto = AUTO
    learning_rate_multiplier: float | Auto = AUTO
    beta: float | Auto = AUTO


def resolve(wanted: Wanted, *, method: Method, rows: int) -> Hyperparameters:
    """Numbers for what was left to us."""
    least = MIN_KTO_BATCH if method == "kto" else 1
    batch = max(least, min(MAX_BATCH, rows // STEPS_PER_EPOCH))
    beta = BETA if wanted.beta == AUTO else wanted.beta
    return Hyperparameters(
        n_epochs=EPOCHS[method] if wanted.n_epochs == AUTO else wanted.n_epochs,
        batch_size=batch if wanted.batch_size == AUTO else max(least, wanted.batch_size),
        learning_rate_multiplier=(1.0 if wanted.learning_rate_multiplier == AUTO else wanted.learning_rate_multiplier),
        beta=None if method == "supervised" else beta,
    )


def recipe_of_job(
    order: JobOrder, *, base_model: str, dataset: Path, start: Path | None, max_rank: int, max_tokens: int
) -> Recipe:
    """`start` is the folder of the adapter that the job goes on from, whose size it keeps."""
    given = order.hyperparameters
    stage, rate = STAGES[order.method], RATES[order.method] * given.learning_rate_multiplier
    rank, alpha = _size_of(start) if start else (min(RANK, max_rank), 2 * min(RANK, max_rank))
    learning: Mapping[Stage, Mapping[str, float | None]] = {
        "sft": {"epochs": given.n_epochs, "learning_rate": rate},
        "dpo": {"dpo_epochs": given.n_epochs, "dpo_learning_rate": rate, "dpo_beta": given.beta},
        "kto": {"kto_epochs": given.n_epochs, "kto_learning_rate": rate, "kto_beta": given.beta},
    }
    return Recipe.model_validate(
        {
            "methods": (stage,),
            "base_model": base_model,
            "dataset": str(dataset),
            "start": str(start or ""),
            "rank": rank,
            "alpha": alpha,
            "batch_size": given.batch_size,
            "max_tokens": max_tokens,
            "seed": order.seed,
            "keeps_passes": CHECKPOINTS - 1,
            "validates": order.validation_file is not None,
            "min_pairs": 1,
            "min_votes": 2,
            "min_votes_each": 1,
            **learning[stage],
        }
    )


class _Size(NamedTuple):
    rank: int
    alpha: int


def _size_of(adapter: Path) -> _Size:
    config = json.loads((adapter / CONFIG).read_text(encoding="utf-8"))
    return _Size(config["r"], config["lora_alpha"])
