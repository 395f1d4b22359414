"""The page's table is its JSON's, the shipped chats serve where the public data is missing, and ratios are right."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.common.methods_page import BEGIN, END, Measured, State, read_state, table, write_page
from bench.methods import ARMS, LONGEST_CHARS, QUICK, read_pupils, sized, summary

PAGE = Path(__file__).parents[2] / "docs" / "lora-vs-full.md"
BASE = Measured("base", 20.0, 0.1, 0.2, 10.0, 0.5)
LORA = replace(BASE, name="lora-16", perplexity=8.0, perplexity_general=11.0, trained=4_884_480, cpu_s=10, peak_mib=800)
STATE = State(
    rows=8,
    held_out=3,
    answered=3,
    methods=(BASE, LORA, replace(LORA, name="qlora", perplexity=9.0), replace(LORA, name="full", cpu_s=25)),
)


def test_every_figure_of_the_pages_table_is_its_jsons() -> None:
    shown = PAGE.read_text().partition(BEGIN)[2].partition(END)[0].strip()
    assert shown == table(read_state(PAGE.with_suffix(".json")))


def test_the_page_keeps_its_words_around_new_figures(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Before\n{BEGIN}\nold\n{END}\nAfter.\n")
    for _ in range(2):  # the second time changes nothing
        write_page(page, STATE)
    assert page.read_text() == f"# Before\n{BEGIN}\n{table(STATE)}\n{END}\nAfter.\n"
    assert read_state(page.with_suffix(".json")) == STATE
    assert {file.name for file in (tmp_path / "images").iterdir()} == {"methods-cost.png", "methods-quality.png"}


def test_forgetting_nothing_is_a_retention_of_one() -> None:
    unmoved = replace(STATE, methods=tuple(replace(m, perplexity_general=10.0) for m in STATE.methods))
    assert summary(unmoved)["retention_full"] == summary(unmoved)["retention_lora"] == 1
    assert summary(STATE) == pytest.approx(
        {
            "time_ratio_full_vs_lora": 2.5,
            "memory_ratio_full_vs_lora": 1,
            "perplexity_lora": 8,
            "perplexity_full": 8,
            "perplexity_qlora": 9,
            "retention_lora": 1.1,
            "retention_full": 1.1,
        }
    )


def test_shipped_chats_serve_where_there_is_no_public_data(tmp_path: Path) -> None:
    pupils = read_pupils(tmp_path / "missing.jsonl.gz", QUICK)
    assert (len(pupils.taught), len(pupils.examined)) == (QUICK.taught, QUICK.examined)
    assert all(len(e.question) + len(e.answer) <= LONGEST_CHARS for e in (*pupils.taught, *pupils.examined))
    assert not {e.question for e in pupils.taught} & {e.question for e in pupils.examined}


@pytest.mark.parametrize(("rows", "examined", "answered"), [(64, 24, 2), (1, 1, 1)])
def test_a_size_keeps_three_to_eight_held_out(rows: int, examined: int, answered: int) -> None:
    plan = sized(QUICK, rows=rows)
    assert (plan.taught, plan.examined, plan.answered) == (rows, examined, answered)


def test_every_method_of_the_quick_run_is_one_of_the_full_runs() -> None:
    assert set(QUICK.arms) <= set(ARMS)
