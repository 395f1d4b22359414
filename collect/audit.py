"""Look whether the audit stands as it was written: no line changed, left out, put in or moved.

It cannot tell who did it, nor see a chain that somebody wrote anew as a whole: for that, keep the newest line's hash
outside of the record and give it as `expected`. Does not know how lines are made (`collect.events`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from collect.events import HEAD, hash_line, hash_of_before, read_event, rows_of
from collect.store import Cursor
from nightschool.records import Event

CHAIN: Final = """
select event_id, happened_at, bot, actor, action, subject, reason, number, previous_hash, line_hash
from events where number is not null order by number, event_id
"""
COUNT_BEFORE: Final = "select count(*) from events where number is null"
MAX_SOUGHT: Final = 200
"""Among so many damaged lines it is looked which of them only changed places."""


class Fault(NamedTuple):
    number: int
    """Of the line; 0 where it is about those from before the chain."""
    problem: str


@dataclass(frozen=True, slots=True)
class Verified:
    lines: int
    """In the chain."""
    before: int
    """From before there was a chain; the first line vouches for them."""
    head: str
    """Hash of the newest line; empty where there is none."""
    faults: Sequence[Fault]


class _Line(NamedTuple):
    event: Event
    number: int
    previous_hash: str
    line_hash: str

    def would_stand_at(self, number: int) -> bool:
        return hash_line(self.event, number=number, previous_hash=self.previous_hash) == self.line_hash


def verify_audit(cursor: Cursor, *, expected: str | None = None) -> Verified:
    """Read all of the audit and name each line that does not stand as written. `expected` is a hash noted earlier."""
    number, head = cursor.execute(HEAD).fetchall()[0]
    before = cursor.execute(COUNT_BEFORE).fetchall()[0][0]
    chain = _Chain(hash_of_before(cursor))
    is_known = expected is None
    for row in rows_of(cursor.execute(CHAIN)):
        line = _Line(read_event(row), *row[7:])
        chain.take(line)
        is_known = is_known or line.line_hash == expected
    chain.end(number=number, line_hash=head)
    if not is_known:
        chain.faults.append(Fault(chain.number, f"no line has the hash {expected}: the chain was written anew"))
    return Verified(chain.lines, before, chain.line_hash, sorted(chain.faults))


class _Chain:
    """What was found so far; `number` and `line_hash` are the last line's."""

    def __init__(self, before_hash: str) -> None:
        self.lines = 0
        self.number = 0
        self.line_hash = ""
        self.faults: list[Fault] = []
        self._before_hash = before_hash
        self._damaged: list[_Line] = []

    def take(self, line: _Line) -> None:
        stands = line.would_stand_at(line.number)
        if not stands:
            self._damaged.append(line)
        if line.number <= self.number:
            self.faults.append(Fault(line.number, "stands more than once"))
        elif line.number > self.number + 1:
            self._miss(self.number + 1, line.number - 1)
        elif stands:
            self._check_link(line)
        self.lines, self.number, self.line_hash = self.lines + 1, line.number, line.line_hash

    def end(self, *, number: int, line_hash: str) -> None:
        """`number` and `line_hash` are those of the head."""
        for line in self._damaged:
            others = self._damaged[:MAX_SOUGHT]
            place = next((other.number for other in others if line.would_stand_at(other.number)), None)
            moved = f"was written as line {place} and moved here"
            self.faults.append(Fault(line.number, "was changed" if place is None else moved))
        if number > self.number:
            self._miss(self.number + 1, number)
        elif number < self.number:
            self.faults += [Fault(added, "was put in behind the last") for added in range(number + 1, self.number + 1)]
        elif line_hash != self.line_hash:
            self.faults.append(Fault(number, "was replaced"))

    def _check_link(self, line: _Line) -> None:
        """A line that stands as written vouches for the one before it."""
        if line.number == 1:
            if line.previous_hash != self._before_hash:
                self.faults.append(Fault(0, "lines from before the chain were changed, removed or added"))
        elif line.previous_hash != self.line_hash:
            self.faults.append(Fault(self.number, "was replaced: the next line holds the hash of another"))

    def _miss(self, first: int, last: int) -> None:
        self.faults.append(Fault(first, "is missing" if first == last else f"and all up to {last} are missing"))
