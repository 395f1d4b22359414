"""A run that must be done by a moment takes the steps that fit, and its curve ends where it ends. No clock but ours."""

from pathlib import Path

import pytest

from tune.pace import PACE, SPARE, Pace, count_cut, fitting_steps, read_deadline, write_deadline


def walk(pace: Pace, *, seconds: float, deadline_s: float, now_s: float = 0.0, start: int = 0) -> tuple[int, float]:
    """Take steps of `seconds` until the plan is done; the last step and what the clock says then."""
    step = start
    while step < pace.steps:
        step, now_s = step + 1, now_s + seconds
        pace.see(step, seconds=seconds, left_s=deadline_s - now_s)
    return step, now_s


def test_with_time_enough_nothing_changes(tmp_path: Path) -> None:
    pace = Pace(tmp_path, phase="sft", planned=40)
    assert walk(pace, seconds=1, deadline_s=60) == (40, 40)
    assert [pace.share_at(step) for step in (0, 10, 40)] == [0, 0.25, 1]
    assert not (tmp_path / PACE).exists()
    assert count_cut(tmp_path) == 0


@pytest.mark.parametrize("seconds", [2.0, 3.3, 11.0])
def test_what_does_not_fit_is_cut_and_the_curve_ends_with_the_run(tmp_path: Path, seconds: float) -> None:
    pace = Pace(tmp_path, phase="sft", planned=100)
    last, now_s = walk(pace, seconds=seconds, deadline_s=100)
    assert now_s <= 100
    assert now_s >= 100 * (1 - 2 * SPARE) - seconds
    shares = [pace.share_at(step) for step in range(last + 1)]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    assert count_cut(tmp_path) == 100 - last


def test_a_machine_that_becomes_free_gives_the_steps_back(tmp_path: Path) -> None:
    pace = Pace(tmp_path, phase="sft", planned=50)
    for step in range(1, 6):
        pace.see(step, seconds=10, left_s=100 - 10 * step)
    assert pace.steps < 15
    last, _ = walk(pace, seconds=0.5, deadline_s=100, now_s=50, start=5)
    assert last == 50
    assert count_cut(tmp_path) == 0


def test_a_moment_that_is_past_ends_it_with_the_step_at_hand(tmp_path: Path) -> None:
    pace = Pace(tmp_path, phase="sft", planned=50)
    pace.see(1, seconds=10, left_s=-5)
    assert pace.steps == 1


def test_a_resumed_run_goes_by_the_same_curve(tmp_path: Path) -> None:
    whole = Pace(tmp_path, phase="sft", planned=100)
    for step in range(1, 21):
        whole.see(step, seconds=5, left_s=200 - 5 * step)
    resumed = Pace(tmp_path, phase="sft", planned=100, resumed_at=20)
    assert resumed.steps == whole.steps
    assert [resumed.share_at(step) for step in range(40)] == [whole.share_at(step) for step in range(40)]
    earlier = Pace(tmp_path, phase="sft", planned=100, resumed_at=2)
    assert earlier.steps == 100
    assert Pace(tmp_path, phase="dpo", planned=30).steps == 30


def test_each_phase_keeps_its_own_lines(tmp_path: Path) -> None:
    for phase in ("sft", "dpo"):
        pace = Pace(tmp_path, phase=phase, planned=10)
        for step in range(1, 4):
            pace.see(step, seconds=10, left_s=20)
    assert count_cut(tmp_path) == 2 * (10 - 4)


def test_how_many_steps_fit() -> None:
    assert fitting_steps([1, 1, 100], done=10, planned=100, left_s=20) == 28
    assert fitting_steps([1], done=10, planned=12, left_s=20) == 12
    assert fitting_steps([1], done=10, planned=12, left_s=-1) == 10


def test_the_moment_is_a_file(tmp_path: Path) -> None:
    assert read_deadline(tmp_path) is None
    write_deadline(tmp_path, 1_750_000_000.4)
    assert read_deadline(tmp_path) == 1_750_000_000
