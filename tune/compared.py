"""Which comparisons of two answers make a pair, and what speaks against one.

A comparison teaches which of two answers to prefer, and never to imitate one. Does not know whose are screened
(`tune.screens`), nor how a pair is made.
"""

from collections.abc import Iterable

from tune.snapshot import Preferred
from tune.words import BORROWED, WHOLE, Judged, Word


def by_conversation(preferences: Iterable[Preferred]) -> dict[str, list[Preferred]]:
    found: dict[str, list[Preferred]] = {}
    for preferred in preferences:
        found.setdefault(preferred.conversation_id, []).append(preferred)
    return found


def may_be_compared(better: Judged, worse: Judged) -> bool:
    """Whether both are whole answers of ours to one question, and neither operators nor votes say otherwise."""
    return (
        better.said.parent_id == worse.said.parent_id
        and all(one.said.content.strip() and one.said.finish in WHOLE for one in (better, worse))
        and not BORROWED & {better.said.source, worse.said.source}
        and better.is_good is not False
        and better.word is not Word.REFUSED
        and not (worse.word.is_operators and worse.is_good)
    )
