import pytest
from hypothesis import given
from hypothesis import strategies as st

from tune.batches import cut_by_length, pass_ends, plan_order

LENGTHS = st.lists(st.integers(1, 500), min_size=1, max_size=80)


@given(LENGTHS, st.integers(1, 4), st.integers(1, 20))
def test_every_row_is_seen_once_an_epoch_and_never_twice_in_a_step(
    lengths: list[int], epochs: int, batch_size: int
) -> None:
    plan = plan_order(lengths, epochs=epochs, batch_size=batch_size, seed=1)
    rows = list(range(len(lengths)))
    passes = [plan.order[at : at + len(rows)] for at in range(0, len(plan.order), len(rows))]
    assert [sorted(epoch) for epoch in passes] == [rows] * epochs
    steps = [plan.order[at : at + plan.batch_size] for at in range(0, len(plan.order), plan.batch_size)]
    assert all(len(set(step)) == len(step) for step in steps)
    assert plan.batch_size == min(batch_size, len(rows))
    assert plan.steps == len(steps)


def test_a_new_bots_few_rows_are_as_well_mixed_as_many() -> None:
    # Sorted by length across the border of two epochs, half of these places were twins in one step.
    order = plan_order([10 + row for row in range(50)], epochs=2, batch_size=16, seed=1).order
    assert [len(set(order[at : at + 16])) for at in range(0, 100, 16)] == [16] * 6 + [4]
    assert len(set(order[:50])) == 50


def test_half_an_epoch_sees_half_of_the_rows() -> None:
    plan = plan_order([10] * 40, epochs=0.5, batch_size=8, seed=1)
    assert len(plan.order) == len(set(plan.order)) == 20
    assert plan.steps == 3


def test_the_order_is_the_seeds_and_nothing_elses() -> None:
    lengths = list(range(1, 60))
    plans = [plan_order(lengths, epochs=3, batch_size=4, seed=seed) for seed in (1, 1, 2)]
    assert plans[0] == plans[1]
    assert plans[0].order != plans[2].order


def test_a_steps_rows_are_of_like_length() -> None:
    lengths = [10, 400] * 64
    order = plan_order(lengths, epochs=1, batch_size=16, seed=1).order
    steps = [order[at : at + 16] for at in range(0, 128, 16)]
    assert sum(len({lengths[row] for row in step}) == 1 for step in steps) >= 7


@given(LENGTHS, st.integers(1, 9), st.integers(1, 2000))
def test_a_cut_holds_every_row_once_within_its_bounds(lengths: list[int], rows_at_once: int, tokens: int) -> None:
    parts = list(cut_by_length(lengths, rows_at_once=rows_at_once, tokens_at_once=tokens))
    assert sorted(row for part in parts for row in part) == list(range(len(lengths)))
    assert all(len(part) <= rows_at_once for part in parts)
    assert all(len(part) == 1 or len(part) * max(lengths[row] for row in part) <= tokens for part in parts)


def test_what_rows_share_counts_once() -> None:
    assert len(list(cut_by_length([100] * 8, rows_at_once=8, tokens_at_once=400))) == 2
    assert len(list(cut_by_length([100] * 8, rows_at_once=8, tokens_at_once=400, shared_tokens=80))) == 1


@pytest.mark.parametrize(
    ("rows", "epochs", "batch", "ends"),
    [(20, 3, 4, {5, 10, 15}), (10, 2, 4, {3, 5}), (3, 2, 16, {1, 2}), (10, 0.5, 4, {2}), (10, 2.5, 4, {3, 5, 7})],
)
def test_a_pass_ends_with_the_step_that_has_its_last_row(rows: int, epochs: float, batch: int, ends: set[int]) -> None:
    assert pass_ends(plan_order([5] * rows, epochs=epochs, batch_size=batch, seed=1)) == ends
