"""Contacts, accounts and sites in an answer that are of nobody in its row: somebody else's, or made up.

What was said, the system prompt and the reference of a row may be named again; what the references of several
conversations hold is the house's own, and may be named anywhere. What a row holds is read once for all contestants.
Does not know how contacts are written (`nightschool.contacts`), nor whose they are.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final

from eval.vetoes.fault import Fault
from eval.vetoes.scene import Scene, of_the_house
from nightschool import contacts

_KINDS: Final = (
    (Fault.EMAIL, contacts.find_emails),
    (Fault.PHONE, contacts.find_phones),
    (Fault.ACCOUNT, contacts.find_accounts),
    (Fault.ADDRESS, contacts.find_streets),
)
_OF_A_ROW: Final = frozenset({Fault.PHONE, Fault.ADDRESS})
"""What a bot that looks things up gives anew in each answer: the shop's number, the hotel's street."""
_NUMBERED: Final = frozenset({Fault.PHONE, Fault.ACCOUNT})
"""Told from orders and parcels by their look alone, so a long number that a reference holds is no stranger's."""


@dataclass(frozen=True, slots=True)
class _Known:
    """Of one row."""

    named: Mapping[Fault, Set[str]]
    wanted: Mapping[Fault, Set[str]]
    """What the reference names."""
    hosts: Set[str]
    digit_rows: Set[str]


@dataclass(frozen=True, slots=True)
class Strangers:
    house: Mapping[Fault, Set[str]]
    digit_rows: Set[str]
    """Long numbers that stand in a reference."""
    known_of: Mapping[str, _Known]
    """By row id."""

    def find(self, answer: str, scene: Scene) -> Iterator[Fault]:
        known = self.known_of[scene.row_id]
        for fault, find in _KINDS:
            named = find(answer)
            strange = {thing for thing in named - known.named[fault] if not self._may_be_named(fault, thing, known)}
            # A wrong number in place of the row's own is a wrong figure; one that comes on top is somebody's.
            replaced = known.wanted[fault] - named - self.house[fault] if fault in _OF_A_ROW else set()
            if len(strange) > len(replaced):
                yield fault
        if any(not _belongs(host, known.hosts | self.house[Fault.LINK]) for host in contacts.find_hosts(answer)):
            yield Fault.LINK

    def _may_be_named(self, fault: Fault, thing: str, known: _Known) -> bool:
        """The house's own, or near enough to it to be a poor memory: then it is a wrong figure, at most."""
        own = self.house[fault]
        if fault is Fault.EMAIL:
            return thing.rpartition("@")[2] in {email.rpartition("@")[2] for email in own}
        if fault is Fault.PHONE and any(contacts.is_garbled(thing, other) for other in own):
            return True
        if fault is Fault.PHONE and any(contacts.is_same_phone(thing, other) for other in own | known.digit_rows):
            return True
        return thing in own or (fault in _NUMBERED and thing in self.digit_rows | known.digit_rows)


def learn_strangers(scenes: Sequence[Scene]) -> Strangers:
    house = {fault: of_the_house(scenes, find) for fault, find in _KINDS}
    return Strangers(
        house | {Fault.LINK: of_the_house(scenes, _hosts)},
        frozenset(row for scene in scenes for row in contacts.find_digit_rows(scene.reference)),
        {scene.row_id: _read(scene) for scene in scenes},
    )


def _read(scene: Scene) -> _Known:
    return _Known(
        {fault: find(scene.known) for fault, find in _KINDS},
        {fault: find(scene.reference) for fault, find in _KINDS},
        _hosts(scene.known),
        contacts.find_digit_rows(scene.known),
    )


def _hosts(text: str) -> set[str]:
    """Machines that a link or an e-mail address names: whoever has the one has the other."""
    return contacts.find_hosts(text) | {email.rpartition("@")[2] for email in contacts.find_emails(text)}


def _belongs(host: str, hosts: Iterable[str]) -> bool:
    return any(host == known or host.endswith(f".{known}") for known in hosts)
