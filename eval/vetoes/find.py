"""The faults of one contestant's answers: which vetoes each answer meets.

In: the exam's rows and a contestant's answer to each. Out: for each row the names of its answer's faults. Pure: equal
rows and answers, equal faults. Does not know how many faults a contestant may have; the gate does.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from eval.answers import Answer
from eval.suites import SuiteRow
from eval.vetoes import figures, leak, manners, markup, order, polarity, shape, stray
from eval.vetoes.fault import Fault
from eval.vetoes.quantities import Key
from eval.vetoes.scene import Scene, of_the_house, scene_of
from nightschool import contacts, language
from nightschool.records import Finish
from nightschool.wording import plain

_CONTACTS = (
    (Fault.EMAIL, contacts.find_emails),
    (Fault.PHONE, contacts.find_phones),
    (Fault.ACCOUNT, contacts.find_accounts),
    (Fault.ADDRESS, contacts.find_streets),
)
_OF_A_ROW = frozenset({Fault.PHONE, Fault.ADDRESS})
"""What a bot that looks things up gives anew in each answer: the shop's number, the hotel's street."""
_NUMBERED: Final = frozenset({Fault.PHONE, Fault.ACCOUNT})
"""Told from orders and parcels by their look alone, so any long number that a reference holds is no stranger's."""


@dataclass(frozen=True, slots=True)
class Examiner:
    """What is learnt once from an exam's rows, and then asked of every contestant."""

    scenes: Sequence[Scene]
    house: Mapping[Fault, frozenset[str]]
    digit_rows: frozenset[str]
    """Long numbers that stand in a reference."""
    values: frozenset[Key]
    """What the figures of the references amount to."""
    order: order.Order
    answers: stray.Answers
    manners: manners.Manners
    identify: language.Identify
    reference_nll: Mapping[str, float]
    """By row id: nats per token that the base model finds in the reference."""

    def find_faults(self, answers: Mapping[str, Answer]) -> dict[str, tuple[Fault, ...]]:
        """Row id -> its answer's faults; `answers` holds one for every row."""
        texts = {scene.row_id: plain(answers[scene.row_id].text) for scene in self.scenes}
        formulas = stray.find_formulas(self.scenes, texts)
        found: dict[str, tuple[Fault, ...]] = {}
        for scene in self.scenes:
            given = answers[scene.row_id]
            odder_nats = given.answer_nll_base - self.reference_nll[scene.row_id]
            faults = set(self._faults(texts[scene.row_id], scene, odder_nats=odder_nats))
            if scene.row_id in formulas:
                faults.add(Fault.LITTLE)
            if given.finish is not Finish.STOP:
                faults.add(Fault.CUT)
            found[scene.row_id] = tuple(fault for fault in Fault if fault in faults)
        return found

    def _faults(self, answer: str, scene: Scene, *, odder_nats: float) -> Iterable[Fault]:
        if not answer.strip():
            return
        yield from self._contacts(answer, scene)
        if markup.find_markup(answer) - markup.find_markup(scene.known) - self.house[Fault.MARKUP]:
            yield Fault.MARKUP
        checks = {
            Fault.LEAK: leak.is_leak(answer, scene),
            Fault.LANGUAGE: language.is_foreign(
                answer,
                reference=scene.reference,
                question=scene.question,
                before=scene.before,
                system_prompt=scene.system_prompt,
                identify=self.identify,
            ),
            Fault.INSULT: manners.is_insulting(answer, scene, manners=self.manners),
            Fault.FLATTERY: manners.is_flattering(answer, scene, manners=self.manners),
            Fault.FIGURE: figures.are_wrong(answer, scene, house=self.values),
            Fault.CONTRADICTION: polarity.contradicts(answer, scene),
            Fault.ORDER: self.order.is_destroyed(answer, scene, odder_nats=odder_nats),
            Fault.REPETITION: shape.is_repetitive(answer, scene),
            Fault.LENGTH: shape.is_too_long(answer, scene),
            Fault.LITTLE: shape.says_too_little(answer, scene),
            Fault.STRAY: self.answers.is_astray(answer, scene),
        }
        yield from (fault for fault, has_it in checks.items() if has_it)

    def _contacts(self, answer: str, scene: Scene) -> Iterable[Fault]:
        for fault, find in _CONTACTS:
            named, wanted = find(answer), find(scene.reference)
            strange = {thing for thing in named - find(scene.known) if not self._is_of_the_house(fault, thing, scene)}
            # A wrong number in place of the row's own is a wrong figure; one that comes on top is somebody's.
            replaced = wanted - named - self.house[fault] if fault in _OF_A_ROW else set()
            if len(strange) > len(replaced):
                yield fault
        hosts = _hosts(scene.known) | self.house[Fault.LINK]
        if any(not _belongs(host, hosts) for host in contacts.find_hosts(answer)):
            yield Fault.LINK

    def _is_of_the_house(self, fault: Fault, thing: str, scene: Scene) -> bool:
        """Or near enough to it to be a poor memory: then it is a wrong figure, at most."""
        own = self.house[fault]
        if fault is Fault.EMAIL:
            return thing.rpartition("@")[2] in {email.rpartition("@")[2] for email in own}
        if fault is Fault.PHONE and any(contacts.is_garbled(thing, other) for other in own):
            return True
        if fault in _NUMBERED:
            known = own | self.digit_rows | contacts.find_digit_rows(scene.known)
            return any(contacts.is_same_phone(thing, other) for other in known)
        return thing in own


def learn_examiner(rows: Sequence[SuiteRow], *, base: Mapping[str, Answer]) -> Examiner:
    """`base` holds the base model's answer to every row, and with it how likely it finds the references."""
    scenes = tuple(scene_of(row) for row in rows)
    house = {fault: of_the_house(scenes, find) for fault, find in _CONTACTS}
    house[Fault.LINK] = of_the_house(scenes, _hosts)
    house[Fault.MARKUP] = of_the_house(scenes, markup.find_markup)
    return Examiner(
        scenes,
        house,
        frozenset(row for scene in scenes for row in contacts.find_digit_rows(scene.reference)),
        frozenset(value for scene in scenes for value in figures.find_values(scene.reference)),
        order.learn_order(scenes),
        stray.learn_answers(scenes),
        manners.read_manners(),
        language.load_identifier(),
        {row.row_id: -base[row.row_id].logprob_sum / base[row.row_id].reference_tokens for row in rows},
    )


def _hosts(text: str) -> set[str]:
    """Machines that a link or an e-mail address names: whoever has the one has the other."""
    return contacts.find_hosts(text) | {email.rpartition("@")[2] for email in contacts.find_emails(text)}


def _belongs(host: str, hosts: Iterable[str]) -> bool:
    return any(host == known or host.endswith(f".{known}") for known in hosts)
