import math
from typing import Any

import pytest

from tune.batches import plan_order
from tune.encode import IGNORED, Encoded
from tune.lessons import Voted

pytestmark = pytest.mark.train


def vote(number: int, *, good: bool, weight: float = 1.0) -> Voted:
    ids = (7, 8, 100 + number, 20 + number, 21 + number)
    return Voted(Encoded(f"i{number}", ids, (*[IGNORED] * 3, *ids[3:])), good, weight)


@pytest.mark.parametrize(
    ("up", "down"), [(1, 1), (80, 20), (20, 80), (4, 3), (3, 4), (1000, 20), (133, 100), (134, 100)]
)
def test_votes_up_weigh_as_much_as_votes_down_or_a_third_more(up: int, down: int) -> None:
    from tune.methods.kto import balance

    votes = [vote(n, good=n < up) for n in range(up + down)]
    by_kind = balance(votes)
    assert 1 - 1e-9 <= up * by_kind.up / (down * by_kind.down) <= 4 / 3 + 1e-9
    assert (up * by_kind.up + down * by_kind.down) / len(votes) == pytest.approx(1)


def test_light_votes_count_as_what_they_weigh() -> None:
    from tune.methods.kto import balance

    votes = [vote(0, good=True, weight=0.5), vote(1, good=False, weight=1.5)]
    by_kind = balance(votes)
    assert 0.5 * by_kind.up == pytest.approx(1.5 * by_kind.down)


def test_a_stranger_is_the_answer_before_cut_to_what_a_row_may_hold() -> None:
    from tune.methods.kto import mismatch

    rows = [vote(n, good=True).row for n in range(3)]
    strangers = mismatch(rows, max_tokens=512)
    assert [row.input_ids for row in strangers] == [(7, 8, 100, 22, 23), (7, 8, 101, 20, 21), (7, 8, 102, 21, 22)]
    assert [row.labels[3:] for row in strangers] == [(22, 23), (20, 21), (21, 22)]
    assert {row.input_ids[3:] for row in mismatch(rows, max_tokens=4)} == {(22,), (20,), (21,)}
    assert mismatch(rows[:1], max_tokens=512) == []


def test_the_reference_knows_every_stranger_of_every_step() -> None:
    from tune.methods.kto import all_mismatches, mismatch

    votes = [vote(n, good=n % 2 == 0) for n in range(7)]
    plan = plan_order([5] * 7, epochs=2, batch_size=3, seed=1)
    known = {row.input_ids for row in all_mismatches(votes, plan, max_tokens=512)}
    for start in range(0, len(plan.order), plan.batch_size):
        step = [votes[n].row for n in plan.order[start : start + plan.batch_size]]
        assert {row.input_ids for row in mismatch(step, max_tokens=512)} <= known


@pytest.mark.parametrize("kinds", [(True,), (False,), (True, True, True), (False, False), (True, False)])
def test_a_step_of_one_kind_or_one_row_has_a_finite_loss(kinds: tuple[bool, ...]) -> None:
    import torch

    from tune.methods.kto import Kto, mismatch
    from tune.methods.reference import Reference, key_of

    votes = [vote(n, good=good) for n, good in enumerate((*kinds, True, False))]
    some = [entry.row for entry in votes[: len(kinds)]]
    reference = Reference({key_of(row): 2.0 for row in (*some, *mismatch(some, max_tokens=512))})
    objective = Kto(votes, reference, beta=0.1, measures_drift=True, max_tokens=512)
    step_loss = objective.open_step(range(len(kinds)), lambda rows: torch.full((len(rows),), 1.5))
    found = torch.full((len(kinds), 1), 1.0, requires_grad=True)
    share = step_loss(range(len(kinds)), found)
    loss: Any = share.loss
    loss.backward()
    assert math.isfinite(share.loss.item())
    gradient: Any = found.grad
    assert gradient.isfinite().all()
    # A liked answer is to become likelier, a disliked one less.
    assert [bool(value > 0) for value in gradient[:, 0]] == list(kinds)
    assert ("rewards_margin" in share.figures) == (len(set(kinds)) == 2)
