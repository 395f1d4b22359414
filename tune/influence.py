"""How much of what is learnt one person or one address decides: measured in weight, and bounded.

Rows are counted by `tune.bounds`; but a row may weigh less than another, by age, topic or trust, so a tenth of the rows
may be half of the weight. Whoever has more than their share keeps all rows, each lighter. Five rows at full weight are
never too much: a share of a small set would be nothing. Does not know why a row weighs what it does.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from tune.bounds import FEW_ROWS, Bounds, persons_behind
from tune.rows import Kind, Named
from tune.snapshot import Snapshot
from tune.weigh import DIGITS
from tune.words import VoteRef

Whose = Callable[[Named], frozenset[str]]
"""Who stands behind a row; nobody behind what an operator let in."""
ROUNDS: Final = 60
"""Each makes the whole lighter, and so the share of it; few change anything."""
SLACK: Final = 1e-3


class Limited(NamedTuple):
    rows: Mapping[Kind, tuple[Named, ...]]
    influence: Mapping[str, float]
    """By `kind.person` and `kind.address`: the largest share of weight that one of them has, 0..1."""


def limit_parts(rows: Mapping[Kind, Sequence[Named]], snapshot: Snapshot, bounds: Bounds) -> Limited:
    """The training rows of each kind, bounded by person and by address."""
    owners = {name: talk.owner for name, talk in snapshot.talks.items()}
    addresses = {
        VoteRef(o.message_id, o.voter): o.address for own in snapshot.opinions.values() for o in own if o.address
    }

    def persons(named: Named) -> frozenset[str]:
        return persons_behind(named, owners)

    def from_where(named: Named) -> frozenset[str]:
        lineage = named.row.lineage
        return frozenset() if lineage.is_let_in else frozenset(addresses[v] for v in lineage.votes if v in addresses)

    limited: dict[Kind, tuple[Named, ...]] = {}
    influence: dict[str, float] = {}
    for kind, some in rows.items():
        by_address = limit_influence(some, from_where, share=bounds.address_train_share)
        limited[kind] = limit_influence(by_address, persons, share=bounds.train_share)
        influence[f"{kind}.person"] = largest_share(limited[kind], persons)
        influence[f"{kind}.address"] = largest_share(limited[kind], from_where)
    return Limited(limited, influence)


def limit_influence(rows: Sequence[Named], whose: Whose, *, share: float) -> tuple[Named, ...]:
    """`rows`, lighter where one of `whose` has more than `share` (0..1) of all their weight."""
    behind = [whose(named) for named in rows]
    weights = [named.row.weight for named in rows]
    for _ in range(ROUNDS):
        of = _sums(weights, behind)
        most = max(float(FEW_ROWS), share * math.fsum(weights))
        if all(weight <= most * (1 + SLACK) for weight in of.values()):
            break
        weights = [
            weight * min((most / of[one] for one in own if of[one] > most), default=1.0)
            for weight, own in zip(weights, behind, strict=True)
        ]
    return tuple(
        named
        if weight == named.row.weight
        else Named(named.item_id, replace(named.row, weight=max(round(weight, DIGITS), 10**-DIGITS)))
        for named, weight in zip(rows, weights, strict=True)
    )


def largest_share(rows: Sequence[Named], whose: Whose) -> float:
    """0..1: of the weight of `rows`, what the one has who has most of it."""
    weights = [named.row.weight for named in rows]
    of = _sums(weights, [whose(named) for named in rows])
    total = math.fsum(weights)
    return round(max(of.values()) / total, DIGITS) if of and total else 0.0


def _sums(weights: Sequence[float], behind: Sequence[frozenset[str]]) -> dict[str, float]:
    having: dict[str, list[float]] = defaultdict(list)
    for weight, own in zip(weights, behind, strict=True):
        for one in own:
            having[one].append(weight)
    return {one: math.fsum(some) for one, some in having.items()}
