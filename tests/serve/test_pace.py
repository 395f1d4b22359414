import pytest

from nightschool.errors import TooManyRequests
from serve.pace import Pace


def test_an_owner_may_spend_so_much_in_a_window_and_again_in_the_next() -> None:
    now = [0.0]
    pace = Pace(2, window_s=60, clock=lambda: now[0])
    pace.spend("anna")
    now[0] = 30
    pace.spend("anna")
    with pytest.raises(TooManyRequests, match="Try again in 30 s") as refused:
        pace.spend("anna")
    assert refused.value.retry_after_s == 30
    pace.spend("ben")
    now[0] = 61
    pace.spend("anna")


def test_a_check_spends_nothing() -> None:
    pace = Pace(1)
    pace.check("anna")
    pace.check("anna")
    pace.spend("anna")
    with pytest.raises(TooManyRequests):
        pace.check("anna")
