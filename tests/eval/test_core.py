from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from eval.core import keep_core
from eval.suites import SuiteRow, choose_rows
from nightschool.errors import InvalidInput

TODAY = date(2026, 3, 20)


def rows(*numbers: int, age_days: int | None = None) -> list[SuiteRow]:
    day = None if age_days is None else TODAY - timedelta(days=age_days)
    return [SuiteRow(f"r{n}", f"c{n}", ({"role": "user", "content": f"q{n}"},), f"a{n}", day=day) for n in numbers]


def asked(every: list[SuiteRow], file: Path, *, night: str, max_rows: int = 20) -> tuple[SuiteRow, ...]:
    core = keep_core(file, every, max_rows=max_rows, least=5)
    return choose_rows(every, max_rows=max_rows, rotation=night, core=core)


def test_the_core_stays_while_the_record_grows(tmp_path: Path) -> None:
    file = tmp_path / "exam" / "core.json"
    first = {row.row_id for row in asked(rows(*range(30)), file, night="1") if row.is_core}
    assert len(first) == 10
    content = file.read_bytes()
    for night, size in enumerate((100, 400, 1_000)):
        chosen = asked(rows(*range(size)), file, night=str(night))
        assert {row.row_id for row in chosen if row.is_core} == first
        assert len(chosen) == 20
    assert file.read_bytes() == content


def test_a_row_that_is_erased_leaves_the_core_for_good_and_nothing_takes_its_place(tmp_path: Path) -> None:
    file = tmp_path / "core.json"
    first = {row.row_id for row in asked(rows(*range(30)), file, night="1") if row.is_core}
    gone = min(first)
    without = [row for row in rows(*range(30)) if row.row_id != gone]
    assert {row.row_id for row in asked(without, file, night="2") if row.is_core} == first - {gone}
    assert f'"{gone}"' not in file.read_text()
    again = asked(rows(*range(30)), file, night="3")
    assert {row.row_id for row in again if row.is_core} == first - {gone}
    assert len(again) == 20


def test_too_small_an_exam_freezes_nothing_and_is_as_before(tmp_path: Path) -> None:
    file = tmp_path / "core.json"
    assert keep_core(file, rows(1, 2, 3), max_rows=20, least=5) is None
    assert not file.exists()
    assert keep_core(file, [replace(row, person="ada") for row in rows(*range(9))], max_rows=20, least=5) is None


def test_a_core_that_cannot_be_read_is_named_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "core.json").write_text("{")
    with pytest.raises(InvalidInput, match="a new one is frozen"):
        keep_core(tmp_path / "core.json", rows(1), max_rows=2, least=1)


def test_a_quarter_of_the_exam_is_kept_for_what_is_fresh() -> None:
    old, new = rows(*range(400), age_days=60), rows(*range(400, 410), age_days=3)
    for night in ("1", "2", "3"):
        chosen = choose_rows(old + new, max_rows=20, rotation=night, core=frozenset({"r0", "r1"}))
        assert sum(row.is_fresh for row in chosen) >= 5
        assert len(chosen) == 20
        assert {row.row_id for row in chosen if row.is_core} == {"r0", "r1"}


@pytest.mark.parametrize(("age_days", "is_fresh"), [(0, True), (13, True), (14, False), (400, False)])
def test_fresh_is_what_was_said_within_14_days_of_the_newest_conversation(age_days: int, *, is_fresh: bool) -> None:
    chosen = choose_rows(rows(1, age_days=0) + rows(2, age_days=age_days), max_rows=9, rotation="")
    assert [row.is_fresh for row in chosen] == [True, is_fresh]


def test_where_no_day_is_known_nothing_is_fresh() -> None:
    assert not any(row.is_fresh for row in choose_rows(rows(1, 2, 3), max_rows=9, rotation=""))
