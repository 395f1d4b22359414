"""The morning page says what was learnt by and why, what was cut, and what the deadline did not allow."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from deploy.learnt import describe_run
from deploy.morning import morning_report
from deploy.plan import NightFolder
from nightschool.records import BotName, Cycle, CycleState, utc_now
from tune.dataset import DatasetSummary
from tune.lessons import ENCODING
from tune.pace import PACE, Bend
from tune.stages import STAGES, StageLine, write_stages


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


def test_a_run_that_never_began_says_nothing(run: Path) -> None:
    assert describe_run(run) == []
    assert describe_run(run.with_name("elsewhere")) == []


def test_each_method_says_whether_it_ran_and_why(run: Path) -> None:
    stages = [
        StageLine(method="sft", ran=True, why="96 rows with answers to imitate", rows=96, steps=12, seconds=75.4),
        StageLine(
            method="dpo", ran=False, why="60 pairs; given up: it diverges | at\nstep 9", rows=60, steps=9, seconds=8
        ),
        StageLine(method="kto", ran=False, why="3 votes; recipe.min_votes asks for 100", rows=3, steps=0, seconds=0),
    ]
    write_stages(run, stages)
    page = describe_run(run)
    assert "| sft | ran | 96 | 12 | 1 min 15 s | 96 rows with answers to imitate |" in page
    assert "| dpo | given up | 60 | 9 | 8 s | 60 pairs; given up: it diverges \\| at step 9 |" in page
    assert "| kto | left out | 3 | 0 |  | 3 votes; recipe.min_votes asks for 100 |" in page


def test_what_was_cut_is_told_kind_by_kind_and_nothing_else(run: Path) -> None:
    cut = {"rows": 90, "tokens": 9_000, "truncated_rows": 4, "too_long_rows": 0, "lost_turns": 9, "neutralised_rows": 1}
    (run / ENCODING).write_text(json.dumps(cut | {"pairs": {"equal_rows": 2, "rows": 3}, "votes": {"rows": 8}}))
    told = [line for line in describe_run(run) if line.startswith("- ")]
    assert told == [
        "- 4 rows to imitate lost passages or their oldest turns to recipe.max_tokens.",
        "- 1 rows to imitate held control tokens of the chat template, which were broken up.",
        "- 2 pairs had answers that are the same to the model and were left out.",
    ]
    (run / ENCODING).write_text(json.dumps({"rows": 90, "truncated_rows": 0}))
    assert describe_run(run) == []


def test_a_deadline_that_cut_a_method_short_is_told(run: Path) -> None:
    bends = [
        Bend(phase="sft", step=3, share=0.1, steps=30, planned=40),
        Bend(phase="sft", step=8, share=0.2, steps=40, planned=40),
        Bend(phase="dpo", step=3, share=0.5, steps=4, planned=6),
    ]  # fmt: skip
    (run / PACE).write_text("".join(bend.model_dump_json() + "\n" for bend in bends))
    assert [line for line in describe_run(run) if line] == [
        "The time until the deadline did for 4 of the 6 steps that dpo planned."
    ]


@pytest.mark.parametrize("file", [STAGES, ENCODING, PACE])
def test_a_torn_file_does_not_cost_the_page(run: Path, file: str) -> None:
    (run / file).write_bytes(b'{"rows": 9\0')
    night = Cycle("c1", BotName("support"), "schedule", None, CycleState.FAILED, "train", 0.5, utc_now())
    assert "The night failed at step train" in morning_report(NightFolder(run.parent), night)


@pytest.mark.parametrize(("slot", "called"), [(date(2026, 3, 10), "2026-03-10"), (None, "2026-03-09")])
def test_a_night_is_called_by_its_bots_own_date(tmp_path: Path, slot: date | None, called: str) -> None:
    began = datetime(2026, 3, 9, 17, 30, tzinfo=UTC)  # 02:30 of the 10th in Tokyo
    night = Cycle("c1", BotName("support"), "schedule", slot, CycleState.DONE, "finished", 1, began)
    assert morning_report(NightFolder(tmp_path), night).startswith(f"# support: the night of {called}\n")


def test_votes_that_were_stopped_are_told_with_where_they_are(tmp_path: Path) -> None:
    night, cycle = (
        NightFolder(tmp_path),
        Cycle("c1", BotName("support"), "schedule", None, CycleState.DONE, "finished", 1, utc_now()),
    )
    counts = {"train_rows": 9, "held_out_rows": 2, "held_out_conversations": 2, "pairs": 0, "votes": 9, "new_rows": 9}
    night.write_dataset(DatasetSummary(content_hash="d", **counts))
    assert "stopped" not in morning_report(night, cycle)
    night.write_dataset(DatasetSummary(content_hash="d", stopped=12, **counts))
    page = morning_report(night, cycle)
    assert "12 votes were stopped before anything was learnt from them: `nightschool quarantine --bot support`" in page


def test_what_is_gained_on_fresh_rows_stands_beside_why(tmp_path: Path) -> None:
    figures = {"held_out_rows": 38.0, "gain_mean": 0.03, "fresh_rows": 14.0, "fresh_gain_mean": 0.09}
    cycle = Cycle(
        "c1", BotName("support"), "schedule", None, CycleState.DONE, "finished", 1, utc_now(), reasons=("failed: it",),
        figures_json=json.dumps(figures),
    )  # fmt: skip
    page = morning_report(NightFolder(tmp_path), cycle)
    told = "- 14 of 38 rows are of the last 14 days: the mean gain is +0.0900 on them, -0.0050 on the others."
    assert f"## Why\n\n- failed: it\n{told}\n" in page
