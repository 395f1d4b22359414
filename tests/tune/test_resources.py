"""How much is computed at once follows from the memory there is, and a run keeps to it."""

import json
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from nightschool.learners import Learner
from tune.resources import Needs, Room, Shape, estimate, free_memory_bytes, keep_resources, plan_rows, read_shape

GB = 10**9
SMOLLM2 = Shape(
    layers=30, hidden=576, inner=1536, heads=9, vocabulary=49_152, in_blocks=106_000_000, elsewhere=28_000_000
)
LARGE = Shape(
    layers=36, hidden=4096, inner=12_288, heads=32, vocabulary=151_936, in_blocks=6_950_000_000, elsewhere=1_240_000_000
)


def needs(shape: Shape, learner: Learner = "lora", *, is_checkpointed: bool = False) -> Needs:
    return estimate(shape, learner=learner, row_tokens=512, number_bytes=2, is_checkpointed=is_checkpointed)


@pytest.mark.parametrize("shape", [SMOLLM2, LARGE])
def test_more_memory_never_computes_less_at_once(shape: Shape) -> None:
    rows = [plan_rows(Room(needs(shape), 16, int(free * GB))) for free in (0.1, 1, 2, 4, 8, 16, 64, 512)]
    assert rows == sorted(rows)
    assert (rows[0], rows[-1]) == (1, 16)


@pytest.mark.parametrize("free_gb", [3, 6, 12, 24])
def test_what_is_planned_fits(free_gb: int) -> None:
    wanted = needs(SMOLLM2)
    rows = plan_rows(Room(wanted, 16, free_gb * GB))
    assert rows == 1 or wanted.fixed_bytes + rows * wanted.row_bytes <= 0.6 * free_gb * GB


def test_what_learns_decides_what_the_weights_take() -> None:
    lora, qlora, full = (needs(LARGE, learner).fixed_bytes / GB for learner in ("lora", "qlora", "full"))
    assert lora == pytest.approx(2 * 8.19 + 0.6, abs=0.1)
    assert qlora == pytest.approx(0.55 * 6.95 + 2 * 1.24 + 0.6, abs=0.1)
    assert full == pytest.approx(18 * 8.19 + 0.6, abs=0.1)


def test_layers_that_differ_count_as_the_largest_one() -> None:
    config = SimpleNamespace(hidden_size=64, num_hidden_layers=2, intermediate_size=[96, 128], vocab_size=100)
    shape = read_shape(config, in_blocks=1, elsewhere=1)
    assert (shape.inner, shape.heads) == (128, 1)
    assert (
        read_shape(SimpleNamespace(**vars(config) | {"intermediate_size": None}), in_blocks=1, elsewhere=1).inner == 256
    )


def test_checkpointed_layers_keep_a_fraction() -> None:
    assert needs(LARGE, is_checkpointed=True).row_bytes < 0.3 * needs(LARGE).row_bytes


def test_a_run_keeps_its_number(tmp_path: Path) -> None:
    def room(free_gb: int) -> Room:
        return Room(needs(SMOLLM2), 4, free_gb * GB)

    begun = keep_resources(tmp_path, ordered=0, measure=lambda: room(64))
    assert begun.rows_at_once == 4
    assert begun.describe() == f"rows_at_once=4, since {begun.needed_mb} of 64000 free MB are thought to do"
    assert keep_resources(tmp_path, ordered=0, measure=lambda: room(1)) == begun
    assert keep_resources(tmp_path / "other", ordered=3, measure=lambda: room(1)).rows_at_once == 3


@pytest.mark.parametrize(
    ("limit", "used", "expected"), [("max", "0", 3000 * 1024), ("2000", "500", 1600), ("2000", "3000", 0)]
)
def test_the_tightest_limit_counts(tmp_path: Path, limit: str, used: str, expected: int) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable: 3000 kB\n")
    group = tmp_path / "sys" / "fs" / "cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text(limit)
    (group / "memory.current").write_text(used)
    (group / "memory.stat").write_text("anon 7\ninactive_file 100\nactive_file 50\n")
    assert free_memory_bytes(tmp_path) == expected


def test_a_cap_on_the_process_counts_too() -> None:
    script = "from tune.resources import free_memory_bytes; print(free_memory_bytes())"
    cap = 300 * 2**20
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (cap, cap)),
    )
    assert int(done.stdout) == cap


@pytest.mark.train
def test_a_model_is_measured_without_its_weights(base_model: Path) -> None:
    from tune.model import measure_room
    from tune.recipe import Recipe

    recipe = Recipe(base_model=str(base_model), dataset="d", batch_size=2)
    room = measure_room(recipe, device="cpu", row_tokens=100)
    assert room.most == 2
    assert 1e8 < room.free_bytes < 1e14
    # Two layers of 32 and 64, a vocabulary of 258.
    assert 600_000_000 < room.needs.fixed_bytes < 600_400_000
    assert 300_000 < room.needs.row_bytes < 3_000_000


@pytest.mark.train
def test_a_run_whose_recipe_leaves_it_open_says_what_it_took(base_model: Path, dataset: Path, tmp_path: Path) -> None:
    from tune.recipe import Recipe, write_recipe
    from tune.run_record import read_run_record
    from tune.train import train

    run = tmp_path / "run"
    write_recipe(run, Recipe(base_model=str(base_model), dataset=str(dataset), epochs=0.4, rank=2, device="cpu"))
    train(run)
    record = read_run_record(run)
    assert record is not None
    assert record.machine.rows_at_once in {1, 2, 4}
    assert record.machine.free_mb is not None
    assert record.machine.model_dump(include={"rows_at_once", "free_mb", "needed_mb"}) == json.loads(
        (run / "resources.json").read_text()
    )
    assert record.recipe["micro_batch_size"] == 0
