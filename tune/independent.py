"""How many people stand behind words that several wrote alike: as many as can be told apart, and not one more.

All who write from one address are one, and all newcomers are one together: a browser costs nothing, so forty fresh ones
with one sentence say it once. A newcomer was first seen less than a day before they wrote it. Does not know what was
written.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from tune.snapshot import Opinion

STANDING: Final = timedelta(days=1)


def count_independent(voices: Iterable[Opinion], *, known_since: Mapping[str, datetime]) -> int:
    """`known_since`: when each person was first seen; who is missing there is a newcomer."""
    known: set[str] = set()
    newcomers: set[str] = set()
    for voice in voices:
        since = known_since.get(voice.voter, voice.voted_at)
        is_known = voice.is_released or voice.voted_at - since >= STANDING
        (known if is_known else newcomers).add(voice.address or voice.voter)
    return len(known) + bool(newcomers - known)
