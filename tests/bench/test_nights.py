"""A run of nights goes on where it was killed, and says what it came to."""

from pathlib import Path

import pytest

from bench.common.clock import MovableClock
from bench.common.journal import Journal
from bench.common.night_lines import NightLine, draw_nights, read_lines, row_of, summarise
from bench.common.shop_nights import begun_at
from bench.common.truth import Ruling
from bench.nights import ARMS, FIRST_DAY, FULL, QUICK, check_plan, missing, morning_of
from tune.words import VoteRef


def line(bot: str, day: int, *, ruling: Ruling | None = Ruling.RIGHT, live: float = 0.7) -> NightLine:
    gain = None if ruling is None else (0.1, 0.2, 0.3)
    return NightLine(
        bot=bot, day=day, verdict="promote", reasons=("passed: all",), went_live=True, base=0.3, production=0.5,
        candidate=None if ruling is None else live, live=live, gain=gain, ruling=ruling, retention_loss=0.05,
        hostile_votes=4, hostile_learnt=3, hostile_examined=1, seconds=60,
    )  # fmt: skip


def test_nights_that_are_written_down_are_not_lived_again() -> None:
    assert [(day, len(arms)) for day, arms in missing([], QUICK)] == [(0, 3), (1, 1)]
    had = [line("ours", 0), line("no-gate", 0)]
    assert [(day, [arm.bot for arm in arms]) for day, arms in missing(had, QUICK)] == [
        (0, ["no-screens"]),
        (1, ["ours"]),
    ]
    assert list(missing([line(arm.bot, day) for arm in ARMS for day in range(7)], FULL)) == []


def test_what_a_kill_left_half_written_counts_for_nothing(tmp_path: Path) -> None:
    nights, whole = tmp_path / "nights.jsonl", line("ours", 0)
    assert read_lines(nights) == []
    nights.write_text(whole.model_dump_json() + "\n" + whole.model_dump_json()[:40])
    assert read_lines(nights) == [whole]


def test_a_journal_goes_on_behind_its_last_whole_line(tmp_path: Path) -> None:
    file = tmp_path / "ours.jsonl"
    journal = Journal(file)
    journal.note(day=0, visit=1, message_id="a", voter="browser:1", is_hostile=True)
    journal.note(day=1, visit=1, message_id="b", voter="browser:1", is_hostile=True)
    file.write_text(file.read_text() + '{"day": 1, "vis')
    again = Journal(file)
    again.note(day=1, visit=2)
    assert Journal(file).of_day(1, "visit") == [1, 2]
    assert again.hostile_votes(until=0) == [VoteRef("a", "browser:1")]
    assert len(again.hostile_votes(until=1)) == 2
    again.note(day=1, reviewed="b")
    assert (again.ruled(until=0), again.ruled(until=1)) == (set(), {"b"})


def test_a_folder_holds_a_run_of_one_size(tmp_path: Path) -> None:
    check_plan(tmp_path, QUICK)
    check_plan(tmp_path, QUICK)
    with pytest.raises(SystemExit, match="another size"):
        check_plan(tmp_path, FULL)


def test_a_night_is_due_at_three_on_the_morning_behind_its_day() -> None:
    night = begun_at(1, first=FIRST_DAY)
    assert morning_of(1) < night < morning_of(2)
    assert (night.hour, night.date()) == (3, morning_of(2).date())


def test_a_clock_goes_on_from_where_it_was_set() -> None:
    seconds = iter([100.0, 107.0, 200.0, 203.0])
    clock = MovableClock(FIRST_DAY, seconds=lambda: next(seconds))
    assert (clock() - FIRST_DAY).total_seconds() == 7
    clock.move_to(morning_of(3))
    assert (clock() - morning_of(3)).total_seconds() == 3


def test_each_bot_has_its_figures_and_open_nights_are_no_mistakes() -> None:
    nights = [
        line("ours", 1, ruling=Ruling.OPEN, live=0.8),
        line("ours", 0, ruling=Ruling.WRONG_HOLD),
        line("no-gate", 0, ruling=Ruling.WRONG_PROMOTION),
    ]
    figures = summarise(nights, suffixes={"ours": "", "no-gate": "_no_gate"})
    assert (figures["satisfaction_base"], figures["satisfaction_last"]) == (0.3, 0.8)
    assert (figures["wrong_holds"], figures["wrong_promotions"], figures["open_nights"]) == (1, 0, 1)
    assert (figures["wrong_promotions_no_gate"], figures["retention_loss_no_gate"]) == (1, 0.05)


def test_a_row_tells_the_verdict_the_truth_and_what_hostile_votes_reached() -> None:
    row = row_of(line("ours", 0))
    assert "| ours | 1 | 0.300 | 0.500 | 0.700 | +0.200 (+0.100 to +0.300) | promote | 0.700 | right |" in row
    assert "3 + 1 of 4" in row
    assert row.count("|") == row_of(line("ours", 0, ruling=None)).count("|")


def test_the_picture_has_a_panel_for_each_bot(tmp_path: Path) -> None:
    file = tmp_path / "nights.png"
    draw_nights(file, [line(arm.bot, 0) for arm in ARMS], bots=[arm.bot for arm in ARMS])
    assert file.read_bytes().startswith(b"\x89PNG")
