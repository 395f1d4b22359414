import pytest

from nightschool.errors import TooManyRequests
from serve.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.s = 1_000.0

    def __call__(self) -> float:
        return self.s


def test_an_owner_may_spend_so_much_in_a_window_and_others_are_free() -> None:
    clock = Clock()
    pace = Pace(2, window_s=600, now=clock)
    pace.spend("anna")
    clock.s += 10
    pace.spend("anna")
    with pytest.raises(TooManyRequests, match=r"more than 2 in 10 min.*Try again in 590 s") as refused:
        pace.spend("anna")
    assert refused.value.retry_after_s == 590
    pace.spend("ben")


def test_the_window_moves() -> None:
    clock = Clock()
    pace = Pace(2, window_s=60, now=clock)
    for _ in range(2):
        pace.spend("anna")
        clock.s += 30
    # The first is forgotten, the second is not.
    pace.spend("anna")
    with pytest.raises(TooManyRequests) as refused:
        pace.spend("anna")
    clock.s += refused.value.retry_after_s
    pace.spend("anna")


def test_a_check_spends_nothing() -> None:
    pace = Pace(1)
    pace.check("anna")
    pace.check("anna")
    pace.spend("anna")
    with pytest.raises(TooManyRequests):
        pace.check("anna")


def test_what_did_not_count_is_given_back() -> None:
    pace = Pace(1)
    pace.spend("anna")
    pace.give_back("anna")
    pace.give_back("anna")
    pace.give_back("ben")
    pace.spend("anna")
    # What is given back twice is given back once.
    with pytest.raises(TooManyRequests):
        pace.spend("anna")


def test_owners_whose_window_has_passed_are_forgotten() -> None:
    clock = Clock()
    pace = Pace(2, window_s=60, now=clock)
    for number in range(1_000):
        pace.spend(f"owner {number}")
    clock.s += 30
    pace.spend("owner 0")
    clock.s += 31
    pace.check("nobody")
    assert len(pace) == 1
    clock.s += 60
    pace.spend("anna")
    assert len(pace) == 1
