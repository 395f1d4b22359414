"""How many people stand behind words that several wrote alike: as many as can be told apart, and not one more.

All who write from one address are one, and all newcomers are one together: a browser costs nothing, so forty fresh ones
with one sentence say it once. Does not know what was written.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

STANDING: Final = timedelta(days=1)
"""Whoever was first seen less before they wrote is a newcomer."""


class Voice(NamedTuple):
    voter: str
    address: str
    """Empty where it is not known."""
    is_known: bool


def is_known(*, since: datetime | None, at: datetime) -> bool:
    """Whether somebody who was first seen `since` is no newcomer `at`; None: never seen."""
    return since is not None and at - since >= STANDING


def count_independent(voices: Iterable[Voice]) -> int:
    known: set[str] = set()
    newcomers: set[str] = set()
    for voice in voices:
        (known if voice.is_known else newcomers).add(voice.address or voice.voter)
    return len(known) + bool(newcomers - known)
