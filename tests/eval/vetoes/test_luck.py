"""How often a veto falls by luck: exams without end, simulated, in which everybody has every fault equally often."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from eval.answers import Label
from eval.case import Case, Opponent
from eval.rules import GateRules
from eval.scores import ScoreColumns, ScoreRow, pair_columns
from eval.vetoes.bounds import BOUNDS, PERSONAL, Excuse, vetoes
from eval.vetoes.fault import Fault

EXAMS = 120
POOR = [fault for fault, bound in BOUNDS.items() if bound.excuse is Excuse.AS_MANY]
HARMFUL = [fault for fault, bound in BOUNDS.items() if bound.excuse is Excuse.SAME_ROW and fault != PERSONAL]
EQUAL_RATES = [(rows, rate) for rows in (60, 120) for rate in (0.02, 0.05, 0.1)]


def blank(label: Label, *, rows: int) -> ScoreColumns:
    scores = [
        ScoreRow(label, f"r{i:03}", f"c{i:03}", 0.3, 0.2, 0.0, -20.0, 10, 12, 10, is_empty=False, gives_figures=True)
        for i in range(rows)
    ]
    return pair_columns(scores)[label]


def draw_exams(*, rows: int, rate: float) -> Iterator[Case]:
    """Production and base beside a candidate that is no better and no worse; every fault falls on rows by itself."""
    rng, every = np.random.default_rng([rows, int(1000 * rate)]), tuple(fault.value for fault in Fault)
    sides = [blank(label, rows=rows) for label in ("candidate", "production", "base")]
    for _ in range(EXAMS):
        has = rng.random((len(sides), rows, len(every))) < rate
        candidate, production, base = (
            replace(side, faults=tuple(tuple(every[at] for at in np.flatnonzero(row)) for row in table))
            for side, table in zip(sides, has, strict=True)
        )
        rival, anchor = Opponent("production", "", production), Opponent("the base model", "base_", base)
        yield Case(GateRules(), candidate, rival, (anchor,), {})


@cache
def fallen(rows: int, rate: float) -> dict[str, dict[str, float]]:
    """Share of exams in which each veto falls, beside production alone and beside base as well."""
    one: Counter[str] = Counter()
    two: Counter[str] = Counter()
    for case in draw_exams(rows=rows, rate=rate):
        one.update(_failed(replace(case, anchors=())))
        two.update(_failed(case))
    return {
        "one": {fault: one[fault] / EXAMS for fault in BOUNDS},
        "two": {fault: two[fault] / EXAMS for fault in BOUNDS},
    }


def _failed(case: Case) -> Iterator[str]:
    sentences = [check.sentence for check in vetoes(case) if not check.has_passed]
    return (fault for fault in BOUNDS if any(f" ({fault}); " in sentence for sentence in sentences))


def share(faults: list[str], *, beside: str, rows: int, rate: float) -> float:
    met = fallen(rows, rate)[beside]
    return sum(met[fault] for fault in faults) / len(faults)


@pytest.mark.parametrize(("rows", "rate"), EQUAL_RATES)
def test_luck_seldom_stops_for_poor_answers(rows: int, rate: float) -> None:
    assert share(POOR, beside="one", rows=rows, rate=rate) <= 0.10
    assert share(POOR, beside="two", rows=rows, rate=rate) <= 0.15


@pytest.mark.parametrize(("rows", "rate"), EQUAL_RATES)
def test_luck_hardly_ever_stops_for_wrong_figures(rows: int, rate: float) -> None:
    assert share([Fault.FIGURE], beside="one", rows=rows, rate=rate) <= 0.03
    assert share([Fault.FIGURE], beside="two", rows=rows, rate=rate) <= 0.06


@pytest.mark.parametrize("rows", [60, 120])
def test_a_harm_in_half_a_percent_seldom_stops(rows: int) -> None:
    assert share([*HARMFUL, Fault.ORDER], beside="two", rows=rows, rate=0.005) <= 0.03


@pytest.mark.parametrize("rows", [60, 120])
def test_that_others_harm_as_often_excuses_no_harm(rows: int) -> None:
    """A bound on what people get to read is no comparison."""
    assert share(HARMFUL, beside="two", rows=rows, rate=0.1) >= 0.8
