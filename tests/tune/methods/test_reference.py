from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tune.encode import IGNORED, Encoded

pytestmark = pytest.mark.train


def row(number: int, *, name: str = "") -> Encoded:
    return Encoded(name or f"i{number}", (1, 2, number), (IGNORED, 2, number))


class Counting:
    """Measures rows by their last token, and counts how many it was asked for."""

    def __init__(self, *, breaks_at: int = 10_000) -> None:
        self.asked = 0
        self._breaks_at = breaks_at

    def __call__(self, rows: Sequence[Encoded]) -> Any:
        import torch

        self.asked += len(rows)
        if self.asked > self._breaks_at:
            raise KeyboardInterrupt
        return torch.tensor([row.input_ids[-1] / 3 for row in rows])


def test_each_answer_is_measured_once_and_the_very_same_numbers_come_back(tmp_path: Path) -> None:
    from tune.methods.reference import ask_reference

    rows = [row(number) for number in range(150)]
    first = Counting()
    found = ask_reference(tmp_path / "kept" / "a.jsonl", [*rows, *rows, row(3, name="another name")], first)
    again = Counting()
    kept = ask_reference(tmp_path / "kept" / "a.jsonl", rows, again)
    assert (first.asked, again.asked) == (150, 0)
    assert kept.of(rows) == found.of(rows) == pytest.approx([number / 3 for number in range(150)])


def test_what_was_broken_off_is_measured_again_as_a_whole_group(tmp_path: Path) -> None:
    from tune.methods.reference import GROUP, ask_reference

    file, rows = tmp_path / "a.jsonl", [row(number) for number in range(150)]
    with pytest.raises(KeyboardInterrupt):
        ask_reference(file, rows, Counting(breaks_at=GROUP))
    # A power cut in the second group.
    with file.open("a") as half:
        half.write('["abc", 1.0]\n["def", 2.')
    again = Counting()
    found = ask_reference(file, rows, again)
    assert again.asked == 150 - GROUP
    assert found.of(rows) == pytest.approx([number / 3 for number in range(150)])


def test_which_tokens_are_answers_is_part_of_what_is_asked() -> None:
    from tune.methods.reference import key_of

    assert key_of(Encoded("i", (1, 2, 3), (IGNORED, 2, 3))) != key_of(Encoded("i", (1, 2, 3), (IGNORED, IGNORED, 3)))
    # A chat of which only the first answer counts.
    assert key_of(Encoded("i", (1, 2, 3), (IGNORED, 2, 3))) != key_of(Encoded("i", (1, 2, 3), (IGNORED, 2, IGNORED)))


def test_a_number_that_serves_several_runs_is_that_of_the_row_alone(tmp_path: Path) -> None:
    import torch

    from tune.methods.reference import ask_reference, one_by_one

    def measure(rows: Sequence[Encoded]) -> Any:
        """Rounded otherwise in company."""
        return torch.tensor([row.input_ids[-1] + len(rows) / 1000 for row in rows])

    rows = [row(number) for number in range(5)]
    ask_reference(tmp_path / "a.jsonl", rows[:2], one_by_one(measure))
    kept = ask_reference(tmp_path / "a.jsonl", rows, one_by_one(measure))
    fresh = ask_reference(tmp_path / "b.jsonl", rows, one_by_one(measure))
    assert kept.of(rows) == fresh.of(rows) == pytest.approx([number + 0.001 for number in range(5)])


def test_a_file_that_grew_too_large_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tune.methods import reference

    monkeypatch.setattr(reference, "LIMIT_BYTES", 200)
    file = tmp_path / "a.jsonl"
    reference.ask_reference(file, [row(number) for number in range(9)], Counting())
    again = Counting()
    assert reference.ask_reference(file, [row(1)], again).of([row(1)]) == pytest.approx([1 / 3])
    assert (again.asked, file.stat().st_size < 200) == (1, True)
