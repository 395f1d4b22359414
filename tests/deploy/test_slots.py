"""How many places an engine needs, and what it means where it has fewer."""

import pytest

from deploy.slots import slots_shortage


@pytest.mark.parametrize(
    ("bots", "max_adapters", "expected"),
    [(1, 4, None), (2, 6, None), (2, 4, "rolling back then takes as long as a load"), (5, 4, "nights wait in vain")],
)
def test_too_few_places_are_told_with_what_they_mean(bots: int, max_adapters: int, expected: str | None) -> None:
    said = slots_shortage(bots, max_adapters=max_adapters)
    assert said is None if expected is None else expected in str(said)
