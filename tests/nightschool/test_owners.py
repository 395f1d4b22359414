"""A network address is told apart from others without being known."""

import pytest

from nightschool.owners import address_behind


def test_one_address_is_one_and_two_installations_share_none() -> None:
    one = address_behind("84.112.7.9", secret="s")
    assert one == address_behind("84.112.7.9", secret="s") == address_behind("::ffff:84.112.7.9", secret="s")
    assert len({one, address_behind("84.112.7.8", secret="s"), address_behind("84.112.7.9", secret="t")}) == 3
    assert len(one) == 16
    assert "84" not in one or "112" not in one


def test_a_household_has_one_prefix() -> None:
    home = address_behind("2a02:8388:1:2::1", secret="s")
    assert home == address_behind("2a02:8388:1:2:ffff:abcd:1:9", secret="s")
    assert home != address_behind("2a02:8388:1:3::1", secret="s")


@pytest.mark.parametrize(
    "host",
    ["", "testclient", "127.0.0.1", "10.2.3.4", "192.168.1.7", "::1", "fe80::1%eth0", "fd00::1", "not:an:address"],
)
def test_what_is_no_address_of_the_internet_tells_nobody_apart(host: str) -> None:
    assert address_behind(host, secret="s") == ""
