"""How much of a page's server one browser and one address may take: events under way, events a minute, open streams.

An identity costs nothing but a request, so what a browser may take bounds nobody; its address, which costs something,
may take as much as a few browsers. What all together may take is the bound of Gradio's queue. Does not know the events.
"""

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple

from starlette.types import Scope

from nightschool.errors import TooManyRequests
from serve.pace import Pace

BROWSERS: Final = 5
"""One address may take as much as so many browsers: people behind one router, not a crowd out of one machine."""
IPV6_HOME: Final = 64
"""Length of the prefix that one household or one machine is given."""
WAIT: Final = "Wait for an answer, then try again."


class Guest(NamedTuple):
    """Who asks for something. `address` is one machine's, or one household's."""

    visitor: str
    address: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What one browser may take; an address may take `BROWSERS` times as much."""

    waiting: int = 6
    """Events that are queued or run: an answer, a look at the page and a thumb in each of two tabs."""
    a_minute: int = 480
    streams: int = 24


class Crowd:
    """Counts. `waiting` gives the guest of each event that is queued or runs."""

    def __init__(self, limits: Limits, *, waiting: Callable[[], Iterable[Guest]]) -> None:
        self._limits = limits
        self._waiting = waiting
        self._joining: Counter[str] = Counter()
        self._streams: Counter[str] = Counter()
        self._pace = Pace(limits.a_minute)
        self._pace_of_address = Pace(limits.a_minute * BROWSERS)

    def open_page(self, guest: Guest) -> None:
        """Count a page that is opened, with which an identity is given away. Raises TooManyRequests."""
        self._pace_of_address.spend(guest.address)

    @contextmanager
    def join(self, guest: Guest) -> Iterator[None]:
        """Count an event that is queued in the block. Raises TooManyRequests."""
        under_way = Counter(self._joining)
        for waiter in self._waiting():
            under_way.update(waiter)
        _check(under_way, guest, at_most=self._limits.waiting, problem="is waiting for {} answers", remedy=WAIT)
        self._pace_of_address.check(guest.address)
        self._pace.spend(guest.visitor)
        self._pace_of_address.spend(guest.address)
        with _counted(self._joining, guest):
            yield

    @contextmanager
    def stream(self, guest: Guest) -> Iterator[None]:
        """Count a stream that is open for the length of the block. Raises TooManyRequests."""
        remedy = "Close other tabs of this page."
        _check(self._streams, guest, at_most=self._limits.streams, problem="holds {} streams open", remedy=remedy)
        with _counted(self._streams, guest):
            yield


def address_of(scope: Scope) -> str:
    """Where a request comes from, an IPv6 address by what its household holds."""
    host = str((scope.get("client") or ("unknown", 0))[0])
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return host
    return str(address.ipv4_mapped or ipaddress.ip_network((address, IPV6_HOME), strict=False))


def _check(counted: Counter[str], guest: Guest, *, at_most: int, problem: str, remedy: str) -> None:
    for key, limit, subject in (
        (guest.visitor, at_most, "browser"),
        (guest.address, at_most * BROWSERS, "address"),
    ):
        if counted[key] >= limit:
            raise TooManyRequests(problem.format(limit), subject=subject, remedy=remedy, retry_after_s=5)


@contextmanager
def _counted(counter: Counter[str], guest: Guest) -> Iterator[None]:
    counter.update(guest)
    try:
        yield
    finally:
        counter.subtract(guest)
        for key in guest:
            if not counter[key]:
                del counter[key]
