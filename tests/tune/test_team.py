"""Several processes that train together: what each does, and that together they learn what one alone does."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from nightschool.errors import InvalidInput, TrainingFailed
from tune import progress
from tune.failure import forget_failure, note_failure, read_failure
from tune.progress import read_steps
from tune.recipe import Recipe, write_recipe
from tune.stages import read_stages
from tune.team import Seat, Team, take_seat
from tune.train import main, train

from .conftest import rounding
from .school import write_school

LAUNCH = (sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2",
          "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no",
          "--main_process_port", "0", "-m", "tune.train")  # fmt: skip


@pytest.mark.parametrize(
    ("given", "seat", "visible"),
    [
        ({}, Seat(0, 1, 0), "0"),
        ({"CUDA_VISIBLE_DEVICES": "3"}, Seat(0, 1, 0), "3"),
        ({"WORLD_SIZE": "4", "RANK": "2", "LOCAL_RANK": "2"}, Seat(2, 4, 2), "2"),
        ({"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1", "CUDA_VISIBLE_DEVICES": "5,7"}, Seat(3, 4, 1), "7"),
    ],
)
def test_a_process_knows_its_seat_and_sees_one_card(given: dict[str, str], seat: Seat, visible: str) -> None:
    environment = given | {"HOME": "h", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    assert take_seat(environment) == seat
    assert environment == {"HOME": "h", "MASTER_ADDR": "127.0.0.1", "CUDA_VISIBLE_DEVICES": visible}


def test_more_processes_than_cards_are_refused() -> None:
    with pytest.raises(InvalidInput, match="CUDA_VISIBLE_DEVICES=4: names fewer cards than there are processes, 2"):
        take_seat({"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1", "CUDA_VISIBLE_DEVICES": "4"})


@pytest.mark.parametrize("sizes", [[], [7], [5, 5, 5, 5], [90, 1, 1, 30, 31, 30], list(range(1, 40))])
@pytest.mark.parametrize("members", [1, 2, 3])
def test_each_row_is_the_work_of_one_member_and_the_work_is_even(sizes: list[int], members: int) -> None:
    shares = [Team(number, members).own_share(sizes) for number in range(members)]
    assert sorted(position for share in shares for position in share) == list(range(len(sizes)))
    loads = [sum(sizes[position] for position in share) for share in shares]
    assert max(loads) - min(loads) <= max(sizes, default=0)


class Two(Team):
    """One of two, whose other one told what it is given."""

    def __init__(self, number: int, other: Any) -> None:
        super().__init__(number, 2)
        self._other = other

    def _exchange(self, value: Any) -> list[Any]:
        return [value, self._other] if self.is_first else [self._other, value]


def test_where_one_fails_all_fail_in_the_same_words() -> None:
    failure = TrainingFailed("has too little memory", subject="it", remedy="Lower it.")

    def fail() -> None:
        raise failure

    told: list[str] = []
    for team, compute in (
        (Two(0, (1, None)), fail),
        (Two(1, (None, ("has too little memory", "it", "Lower it."))), lambda: None),
    ):
        with pytest.raises(TrainingFailed) as caught:
            team.gather(compute)
        told.append(str(caught.value))
    assert told == [str(failure)] * 2
    assert Two(1, (1, None)).gather(lambda: 2) == [1, 2]


def test_what_only_the_first_does_all_know() -> None:
    def fail() -> int:
        raise AssertionError("not the first one's work")

    assert Two(1, (7, None)).by_first(fail) == 7
    assert Two(0, (None, None)).by_first(lambda: 7) == Team().by_first(lambda: 7) == 7


ORDER: dict[str, Any] = {
    "methods": ("sft", "kto"),
    "min_votes": 8,
    "min_votes_each": 2,
    "min_examples": 1,
    "epochs": 1,
    "learning_rate": 1e-3,
    "kto_learning_rate": 1e-3,
    "rank": 4,
    "alpha": 8,
    "batch_size": 7,
    "micro_batch_size": 2,
    "checkpoint_steps": 1,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_school(tmp_path_factory.mktemp("school") / "dataset", pairs=0)


def begin(run: Path, *, base_model: Path, dataset: Path) -> Path:
    write_recipe(run, Recipe.model_validate({"base_model": str(base_model), "dataset": str(dataset)} | ORDER))
    return run


@pytest.mark.train
@pytest.mark.usefixtures("one_thread")
def test_two_processes_go_on_where_one_was_killed_and_learn_what_one_does(
    tmp_path: Path, base_model: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SFT and KTO, with steps that cannot be shared evenly."""
    from safetensors.torch import load_file
    from torch.nn.functional import cosine_similarity

    alone = begin(tmp_path / "alone", base_model=base_model, dataset=dataset)
    train(alone)
    run = begin(tmp_path / "run", base_model=base_model, dataset=dataset)
    with monkeypatch.context() as patched:
        break_off_behind_a_step(patched)
        with pytest.raises(KeyboardInterrupt):
            train(run)
    launched = subprocess.run([*LAUNCH, str(run)], capture_output=True, text=True, timeout=500, check=False)
    assert launched.returncode == 0, launched.stderr
    assert all(f"process {number} of 2" in launched.stderr for number in (1, 2))
    one, two = read_steps(alone), read_steps(run)
    assert [line.tokens for line in two] == [line.tokens for line in one]
    assert [line.loss for line in two] == pytest.approx([line.loss for line in one], rel=2e-3)
    margins = pytest.approx([line.rewards_margin for line in one], abs=rounding(2e-3, 5e-3))
    assert [line.rewards_margin for line in two] == margins
    assert [(line.method, line.ran, line.steps) for line in read_stages(run)] == [
        (line.method, line.ran, line.steps) for line in read_stages(alone)
    ]
    ours, theirs = (load_file(folder / "adapter" / "adapter_model.safetensors") for folder in (alone, run))
    assert ours.keys() == theirs.keys()
    for name, weights in ours.items():
        assert cosine_similarity(weights.flatten(), theirs[name].flatten(), dim=0) > 1 - rounding(1e-3, 1e-2)


def break_off_behind_a_step(patched: pytest.MonkeyPatch) -> None:
    """The process dies when the first step's checkpoint is whole and the second step is being taken."""
    from tune.methods import trainer

    append = progress.append_step

    def write(run: Path, line: Any) -> None:
        append(run, line)
        if line.step == 2:
            raise KeyboardInterrupt

    patched.setattr(trainer, "append_step", write)


def test_none_outlives_the_launcher_nor_comes_before_it() -> None:
    """It is killed without a chance to say goodbye; its child has a session of its own."""
    child = "from tune.team import follow_launcher; import time; follow_launcher(); print(flush=True); time.sleep(60)"
    launcher = (
        "import subprocess as s, sys; child = s.Popen([sys.executable, '-c', sys.argv[1]], stdout=s.PIPE, "
        "start_new_session=True); child.stdout.read(1); print(child.pid, flush=True); child.wait()"
    )
    command = ["nice", "-n", "7", sys.executable, "-c", launcher, child]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        autogroup = Path(f"/proc/{pid}/autogroup")
        place = autogroup.read_text().split()[-1] if autogroup.exists() else ""
        assert place in {"", str(os.getpriority(os.PRIO_PROCESS, process.pid))}
        process.kill()
    wait_until_gone(pid)


def test_the_words_of_the_first_that_failed_are_kept(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 2
    words = read_failure(tmp_path)
    assert "recipe.toml" in words
    note_failure(tmp_path, ConnectionError("the other one is gone"))
    note_failure(tmp_path / "no folder", ValueError("nothing"))
    assert read_failure(tmp_path) == words
    forget_failure(tmp_path)
    assert read_failure(tmp_path) == ""
    note_failure(tmp_path, ValueError("odd"))
    assert read_failure(tmp_path) == "ValueError: odd"


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 20
    while (stat := Path(f"/proc/{pid}/stat")).exists() and ") Z" not in stat.read_text():
        assert time.monotonic() < deadline, "it lives"
        time.sleep(0.02)
