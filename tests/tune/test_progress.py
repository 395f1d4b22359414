from pathlib import Path

import pytest

from tune.progress import (
    METRICS,
    StepFollower,
    StepLine,
    append_step,
    describe_seconds,
    forget_steps_after,
    read_steps,
)


def line(step: int, *, seconds: float = 2.0, loss: float = 1.5, phase: str = "sft", **more: float) -> StepLine:
    return StepLine(
        phase=phase, step=step, steps=100, epoch=step / 50, loss=loss, learning_rate=1e-4, tokens=1000,
        tokens_per_s=1000 / seconds, seconds=seconds, **more,
    )  # fmt: skip


def test_a_run_that_has_not_begun_has_no_progress(tmp_path: Path) -> None:
    assert StepFollower(tmp_path).progress() is None
    (tmp_path / METRICS).touch()
    assert StepFollower(tmp_path).progress() is None


def test_the_time_left_is_that_of_the_latest_steps(tmp_path: Path) -> None:
    for step in range(1, 61):
        append_step(tmp_path, line(step, seconds=9.0 if step < 40 else 2.0))
    progress = StepFollower(tmp_path).progress()
    assert progress is not None
    assert (progress.step, progress.steps, progress.loss) == (60, 100, 1.5)
    assert progress.eta_s == pytest.approx(80)
    assert progress.tokens_per_s == pytest.approx(500)


def test_a_line_that_is_still_being_written_is_not_read_yet(tmp_path: Path) -> None:
    append_step(tmp_path, line(1))
    append_step(tmp_path, line(2))
    whole = (tmp_path / METRICS).read_bytes()
    for cut in (0, *range(1, 60)):
        (tmp_path / METRICS).write_bytes(whole[: len(whole) - cut])
        progress = StepFollower(tmp_path).progress()
        assert progress is not None
        assert progress.step == (1 if cut else 2)


def test_a_resumed_run_takes_its_steps_again_once(tmp_path: Path) -> None:
    for step in range(1, 9):
        append_step(tmp_path, line(step))
    with (tmp_path / METRICS).open("a") as file:
        file.write('{"phase": "sft", "st')
    forget_steps_after(tmp_path, 5, phase="sft")
    append_step(tmp_path, line(6, loss=0.5))
    progress = StepFollower(tmp_path).progress()
    assert progress is not None
    assert (progress.step, progress.loss) == (6, 0.5)
    assert len((tmp_path / METRICS).read_text().splitlines()) == 6


@pytest.mark.parametrize("bad", [b"\0\0\0\0\n", b'{"phase": "sf\n', b"\xff\xfe\n", b"null\n", b"{}\n"])
def test_what_a_power_cut_left_amid_the_lines_is_passed_over(tmp_path: Path, bad: bytes) -> None:
    for step in (1, 2):
        append_step(tmp_path, line(step))
    whole = (tmp_path / METRICS).read_bytes().splitlines(keepends=True)
    (tmp_path / METRICS).write_bytes(bad.join(whole))
    progress = StepFollower(tmp_path).progress()
    assert progress is not None
    assert progress.step == 2
    forget_steps_after(tmp_path, 2, phase="sft")
    assert (tmp_path / METRICS).read_bytes() == b"".join(whole)


def test_a_resumed_phase_forgets_nothing_of_the_one_before(tmp_path: Path) -> None:
    for step in range(1, 9):
        append_step(tmp_path, line(step))
    for step in range(1, 5):
        append_step(tmp_path, line(step, phase="dpo", rewards_margin=0.1))
    forget_steps_after(tmp_path, 2, phase="dpo")
    steps = [(step.phase, step.step) for step in read_steps(tmp_path)]
    assert steps == [*(("sft", step) for step in range(1, 9)), ("dpo", 1), ("dpo", 2)]


def test_a_follower_reads_each_line_once_and_begins_anew_with_a_file_that_was_written_anew(tmp_path: Path) -> None:
    follower = StepFollower(tmp_path)
    assert follower.read() == []
    for step in range(1, 6):
        append_step(tmp_path, line(step))
        assert [step.step for step in follower.read()] == list(range(1, step + 1))
    # What was read is not looked at again, but for its last line.
    raw = (tmp_path / METRICS).read_bytes()
    (tmp_path / METRICS).write_bytes(b"#" + raw[1:])
    assert len(follower.read()) == 5
    (tmp_path / METRICS).write_bytes(raw)
    # A resumed run takes steps 4 and 5 again and gets further, so that the file is longer than it was.
    forget_steps_after(tmp_path, 3, phase="sft")
    for step in range(4, 9):
        append_step(tmp_path, line(step, loss=0.25))
    assert [step.loss for step in follower.read()] == [1.5] * 3 + [0.25] * 5
    (tmp_path / METRICS).unlink()
    append_step(tmp_path, line(1))
    assert len(follower.read()) == 1


def test_what_is_left_is_what_the_trainer_plans_over_all_its_phases(tmp_path: Path) -> None:
    shares = []
    planned = [("sft", 1, 38.0), ("sft", 10, 20.0), ("dpo", 1, 18.0), ("dpo", 9, 0.0)]
    for phase, step, left_s in planned:
        append_step(tmp_path, line(step, phase=phase, left_s=left_s, memory_mb=900.0))
        progress = StepFollower(tmp_path).progress()
        assert progress is not None
        assert (progress.phase, progress.eta_s, progress.memory_mb) == (phase, left_s, 900.0)
        shares.append(progress.share)
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.05, 1.0)


def test_the_latest_steps_are_those_of_the_phase(tmp_path: Path) -> None:
    append_step(tmp_path, line(100, seconds=50.0))
    append_step(tmp_path, line(1, phase="kto", seconds=1.0, rewards_margin=-0.5, rewards_accuracy=0.75))
    progress = StepFollower(tmp_path).progress()
    assert progress is not None
    assert (progress.phase, progress.tokens_per_s, progress.eta_s) == ("kto", 1000, 99)
    assert (progress.rewards_margin, progress.rewards_accuracy, progress.reward) == (-0.5, 0.75, None)
    append_step(tmp_path, line(1, phase="grpo", seconds=1.0, reward=0.5))
    progress = StepFollower(tmp_path).progress()
    assert progress is not None
    assert progress.reward == 0.5


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-3, "0 s"), (0.4, "0 s"), (59.4, "59 s"), (60, "1 min"), (130, "2 min 10 s"), (700, "11 min"), (3600, "1 h"),
     (11_100, "3 h 5 min")],
)  # fmt: skip
def test_seconds_in_words(seconds: float, words: str) -> None:
    assert describe_seconds(seconds) == words
