"""Why a question still wants an answer: an operator turned the one it got down, people did, or nobody said anything.

Does not know what becomes of such a question.
"""

from collections.abc import Sequence
from enum import StrEnum

from tune.words import Judged, Word


class Lack(StrEnum):
    """The most certain reason first."""

    REFUSED = "refused"
    """An operator turned its answer down and wrote none."""
    DISLIKED = "disliked"
    UNRATED = "unrated"


def find_lack(answers: Sequence[Judged]) -> Lack | None:
    """None where one of the answers is good, is not ours, or where people disagree about one."""
    if any(a.target is not None or a.is_good or a.said.source in {"client", "import", "verified"} for a in answers):
        return None
    if any(a.word is Word.REFUSED for a in answers):
        return Lack.REFUSED
    if any(a.is_good is False for a in answers):
        return Lack.DISLIKED
    return None if any(a.opinions for a in answers) else Lack.UNRATED
