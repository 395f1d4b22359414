from pathlib import Path

import pytest

from tune.progress import METRICS, StepLine, append_step, forget_steps_after, read_progress


def line(step: int, *, seconds: float = 2.0, loss: float = 1.5) -> StepLine:
    return StepLine(
        phase="sft", step=step, steps=100, epoch=step / 50, loss=loss, learning_rate=1e-4, tokens=1000,
        tokens_per_s=1000 / seconds, seconds=seconds,
    )  # fmt: skip


def test_a_run_that_has_not_begun_has_no_progress(tmp_path: Path) -> None:
    assert read_progress(tmp_path) is None
    (tmp_path / METRICS).touch()
    assert read_progress(tmp_path) is None


def test_the_time_left_is_that_of_the_latest_steps(tmp_path: Path) -> None:
    for step in range(1, 61):
        append_step(tmp_path, line(step, seconds=9.0 if step < 40 else 2.0))
    progress = read_progress(tmp_path)
    assert progress is not None
    assert (progress.step, progress.steps, progress.loss) == (60, 100, 1.5)
    assert progress.eta_s == pytest.approx(80)
    assert progress.tokens_per_s == pytest.approx(500)


def test_a_line_that_is_still_being_written_is_not_read_yet(tmp_path: Path) -> None:
    append_step(tmp_path, line(1))
    append_step(tmp_path, line(2))
    whole = (tmp_path / METRICS).read_bytes()
    for cut in range(1, 60):
        (tmp_path / METRICS).write_bytes(whole[:-cut])
        progress = read_progress(tmp_path)
        assert progress is not None
        assert progress.step == (1 if cut > 1 else 2)


def test_a_resumed_run_takes_its_steps_again_once(tmp_path: Path) -> None:
    for step in range(1, 9):
        append_step(tmp_path, line(step))
    with (tmp_path / METRICS).open("a") as file:
        file.write('{"phase": "sft", "st')
    forget_steps_after(tmp_path, 5)
    append_step(tmp_path, line(6, loss=0.5))
    progress = read_progress(tmp_path)
    assert progress is not None
    assert (progress.step, progress.loss) == (6, 0.5)
    assert len((tmp_path / METRICS).read_text().splitlines()) == 6


@pytest.mark.parametrize("bad", [b"\0\0\0\0\n", b'{"phase": "sf\n', b"\xff\xfe\n", b"null\n", b"{}\n"])
def test_what_a_power_cut_left_amid_the_lines_is_passed_over(tmp_path: Path, bad: bytes) -> None:
    for step in (1, 2):
        append_step(tmp_path, line(step))
    whole = (tmp_path / METRICS).read_bytes().splitlines(keepends=True)
    (tmp_path / METRICS).write_bytes(bad.join(whole))
    progress = read_progress(tmp_path)
    assert progress is not None
    assert progress.step == 2
    forget_steps_after(tmp_path, 2)
    assert (tmp_path / METRICS).read_bytes() == b"".join(whole)
