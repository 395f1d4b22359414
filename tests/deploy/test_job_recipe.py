from pathlib import Path
from typing import Any

import pytest

from collect.jobs import Hyperparameters, JobOrder, Method
from deploy.job_recipe import Wanted, recipe_of_job, resolve
from tune.recipe import Recipe


def recipe(method: Method, wanted: Wanted = Wanted(), *, rows: int = 20, **given: Any) -> Recipe:
    order = JobOrder(
        model="base",
        training_file="file-1",
        method=method,
        hyperparameters=resolve(wanted, method=method, rows=rows),
        seed=5,
    )
    kept = {"start": None, "max_rank": 16, "max_tokens": 2048} | given
    return recipe_of_job(order, base_model="model", dataset=Path("dataset"), **kept)


@pytest.mark.parametrize(
    ("method", "rows", "expected"),
    [
        ("supervised", 1, (3, 1)),
        ("supervised", 20, (3, 2)),
        ("supervised", 10_000, (3, 16)),
        ("dpo", 20, (1, 2)),
        ("kto", 20, (1, 4)),
    ],
)
def test_auto_becomes_numbers(method: Method, rows: int, expected: tuple[int, int]) -> None:
    found = resolve(Wanted(), method=method, rows=rows)
    assert (found.n_epochs, found.batch_size, found.learning_rate_multiplier) == (*expected, 1.0)
    assert found.beta == (None if method == "supervised" else 0.1)


def test_what_was_ordered_is_trained() -> None:
    wanted = Wanted(n_epochs=7, batch_size=5, learning_rate_multiplier=0.5, beta=0.3)
    assert resolve(wanted, method="supervised", rows=9) == Hyperparameters(
        n_epochs=7, batch_size=5, learning_rate_multiplier=0.5
    )
    sft, dpo, kto = (recipe(method, wanted) for method in ("supervised", "dpo", "kto"))
    assert (sft.methods, sft.epochs, sft.learning_rate, sft.batch_size, sft.seed) == (("sft",), 7, 1e-4, 5, 5)
    assert (dpo.methods, dpo.dpo_epochs, dpo.dpo_beta, dpo.dpo_learning_rate) == (("dpo",), 7, 0.3, 2.5e-5)
    assert (kto.methods, kto.kto_epochs, kto.kto_beta) == (("kto",), 7, 0.3)
    assert (dpo.min_pairs, kto.min_votes_each) == (1, 1)


def test_the_adapter_is_one_that_can_be_served_and_gone_on_from(tmp_path: Path) -> None:
    assert (recipe("supervised", max_rank=8).rank, recipe("supervised", max_rank=64).rank) == (8, 16)
    (tmp_path / "adapter_config.json").write_text('{"r": 4, "lora_alpha": 12}')
    found = recipe("supervised", start=tmp_path)
    assert (found.rank, found.alpha, found.start) == (4, 12, str(tmp_path))
