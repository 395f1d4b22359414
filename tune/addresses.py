"""Which addresses tell people apart: those of a household do, those of a proxy or a whole firm do not.

Behind a gateway everybody shares one address, so it says nothing of who is who. It is known by many people who came to
know the bot over several days. Somebody who means ill and takes the trouble to look like that is bounded as a person
still. Does not know what an address is used for.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from tune.bounds import is_person
from tune.snapshot import Opinion, Snapshot

PERSONS: Final = 20
DAYS: Final = 5
"""On which the first of so many people came, at least."""


def forget_gateways(snapshot: Snapshot) -> Snapshot:
    """The snapshot in which only addresses stand that may be one person's."""
    gateways = _find_gateways(snapshot)
    if not gateways:
        return snapshot
    opinions = {
        name: tuple(replace(o, address="") if o.address in gateways else o for o in own)
        for name, own in snapshot.opinions.items()
    }
    return replace(snapshot, opinions=opinions)


def _find_gateways(snapshot: Snapshot) -> frozenset[str]:
    behind: dict[str, set[str]] = defaultdict(set)
    for opinion in _with_address(snapshot):
        behind[opinion.address].add(opinion.voter)
    return frozenset(address for address, persons in behind.items() if _is_gateway(persons, snapshot))


def _is_gateway(persons: set[str], snapshot: Snapshot) -> bool:
    if len(persons) < PERSONS:
        return False
    days = {snapshot.known_since[person].date() for person in persons if person in snapshot.known_since}
    return len(days) >= DAYS


def _with_address(snapshot: Snapshot) -> Iterator[Opinion]:
    for opinions in snapshot.opinions.values():
        yield from (o for o in opinions if o.address and is_person(o.voter))
