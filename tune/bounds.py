"""How much one person can move, as a bot's file bounds it: training rows, exam rows. The excess is counted.

A person is a browser, or whom an API caller names (`user`). Imports are nobody's, and an API key alone stands for an
application with many people behind it: neither is bounded here, so whoever hands one out answers for its users. A
training row of which an operator ruled on every answer counts for nobody; in the exam a person's conversations are
bounded all the same, since they decide what is asked. The oldest rows stay: more of one person displace nothing. Votes
are screened before (`tune.screens`).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from nightschool.owners import is_key
from tune.rows import Named
from tune.split import IMPORT

FEW_ROWS: Final = 5
"""So many rows of one person are never too many: a share of a small set would be none."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """As the bot's file sets them; shares are 0..1."""

    train_share: float = 0.1
    exam_share: float = 0.1
    address_train_share: float = 0.25
    votes_a_day: int = 50
    address_votes_a_day: int = 200
    burst_votes: int = 15
    weighs_persons: bool = True
    agreeing_persons: int = 0


class Bounded(NamedTuple):
    rows: tuple[Named, ...]
    left_out: tuple[Named, ...]
    largest: int
    """Rows of the person who has most of them."""


def is_person(owner: str) -> bool:
    return owner != IMPORT and not is_key(owner)


def bound_training(rows: Sequence[Named], owners: Mapping[str, str], *, share: float) -> Bounded:
    """`rows` without what is too much of one owner or voter; what an operator let in is nobody's."""
    return _bound(rows, lambda named: persons_behind(named, owners), share=share)


def persons_behind(named: Named, owners: Mapping[str, str]) -> frozenset[str]:
    """Whose conversation and votes a row is made of; nobody's where an operator ruled on all of it."""
    lineage = named.row.lineage
    if lineage.is_let_in:
        return frozenset()
    voters = (vote.voter for vote in lineage.votes)
    return frozenset(filter(is_person, (owners[named.row.conversation_id], *voters)))


def bound_exam(rows: Sequence[Named], owners: Mapping[str, str], *, share: float) -> Bounded:
    """`rows` without what is too much of one owner's conversations."""
    return _bound(rows, lambda named: frozenset(filter(is_person, [owners[named.row.conversation_id]])), share=share)


def _bound(rows: Sequence[Named], persons: Callable[[Named], frozenset[str]], *, share: float) -> Bounded:
    most = _most(Counter(person for row in rows for person in persons(row)), total=len(rows), share=share)
    taken: Counter[str] = Counter()
    kept, left_out = [], []
    for row in rows:
        of = persons(row)
        if all(taken[person] < most for person in of):
            taken.update(of)
            kept.append(row)
        else:
            left_out.append(row)
    return Bounded(tuple(kept), tuple(left_out), max(taken.values(), default=0))


def _most(rows_of: Mapping[str, int], *, total: int, share: float) -> int:
    """The largest number of rows of one person that is within `share` of the rows that are then left."""
    having = Counter(rows_of.values())
    left, over = total, 0
    for most in range(max(rows_of.values(), default=0), FEW_ROWS, -1):
        # `left`: rows, where nobody has more than `most`; `over`: how many persons have more.
        if most <= share * left:
            return most
        over += having[most]
        left -= over
    return FEW_ROWS
