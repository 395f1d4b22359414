import time

import pytest

from nightschool.errors import TooManyRequests
from serve.pace import Pace


def test_an_owner_may_spend_so_much_in_a_window_and_others_are_free() -> None:
    pace = Pace(2, window_s=600)
    pace.spend("anna")
    pace.spend("anna")
    with pytest.raises(TooManyRequests, match=r"more than 2 in 10 min.*Try again in \d+ s") as refused:
        pace.spend("anna")
    assert 590 <= refused.value.retry_after_s <= 600
    pace.spend("ben")


def test_the_next_window_is_free_again() -> None:
    pace = Pace(1, window_s=1)
    pace.spend("anna")
    with pytest.raises(TooManyRequests) as refused:
        pace.spend("anna")
    time.sleep(refused.value.retry_after_s)
    pace.spend("anna")


def test_a_check_spends_nothing() -> None:
    pace = Pace(1)
    pace.check("anna")
    pace.check("anna")
    pace.spend("anna")
    with pytest.raises(TooManyRequests):
        pace.check("anna")
