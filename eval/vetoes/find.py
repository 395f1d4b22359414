"""The faults of one contestant's answers: which vetoes each answer meets.

In: the exam's rows and a contestant's answer to each. Out: for each row the names of its answer's faults. Pure: equal
rows and answers, equal faults. Does not know how many faults a contestant may have; the gate does.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from eval.answers import Answer
from eval.suites import SuiteRow
from eval.vetoes import figures, leak, manners, markup, order, polarity, shape, strangers, stray
from eval.vetoes.fault import Fault
from eval.vetoes.quantities import Key
from eval.vetoes.scene import Scene, of_the_house, scene_of
from nightschool import language
from nightschool.records import Finish
from nightschool.wording import plain


@dataclass(frozen=True, slots=True)
class Examiner:
    """What is learnt once from an exam's rows, and then asked of every contestant."""

    scenes: Sequence[Scene]
    strangers: strangers.Strangers
    marks_of_the_house: frozenset[str]
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
            nats = math.nan if given.answer_nll_base is None else given.answer_nll_base
            odder_nats = nats - self.reference_nll[scene.row_id]
            faults = set(self._faults(texts[scene.row_id], scene, odder_nats=odder_nats))
            if scene.row_id in formulas:
                faults.add(Fault.LITTLE)
            if given.finish is not Finish.STOP:
                faults.add(Fault.CUT)
            found[scene.row_id] = tuple(fault for fault in Fault if fault in faults)
        return found

    def find_doubtful(self, answers: Mapping[str, Answer]) -> list[str]:
        """Ids of the rows whose answers base must be asked of, before faults are looked for."""
        return [
            scene.row_id for scene in self.scenes if self.order.hangs_on_base(plain(answers[scene.row_id].text), scene)
        ]

    def _faults(self, answer: str, scene: Scene, *, odder_nats: float) -> Iterable[Fault]:
        if not answer.strip():
            return
        yield from self.strangers.find(answer, scene)
        if markup.find_markup(answer) - markup.find_markup(scene.known) - self.marks_of_the_house:
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
            Fault.PLEASANTRY: manners.is_pleasantry(answer, scene, manners=self.manners),
            Fault.FIGURE: figures.are_wrong(answer, scene, house=self.values),
            Fault.CONTRADICTION: polarity.contradicts(answer, scene),
            Fault.ORDER: self.order.is_destroyed(answer, scene, odder_nats=odder_nats),
            Fault.REPETITION: shape.is_repetitive(answer, scene),
            Fault.LENGTH: shape.is_too_long(answer, scene),
            Fault.LITTLE: shape.says_too_little(answer, scene),
            Fault.STRAY: self.answers.is_astray(answer, scene),
        }
        yield from (fault for fault, has_it in checks.items() if has_it)


def learn_examiner(rows: Sequence[SuiteRow], *, base: Mapping[str, Answer]) -> Examiner:
    """`base` holds the base model's answer to every row, and with it how likely it finds the references."""
    scenes = tuple(scene_of(row) for row in rows)
    return Examiner(
        scenes,
        strangers.learn_strangers(scenes),
        of_the_house(scenes, markup.find_markup),
        frozenset(value for scene in scenes for value in figures.find_values(scene.reference)),
        order.learn_order(scenes),
        stray.learn_answers(scenes),
        manners.read_manners(),
        language.load_identifier(),
        {row.row_id: -base[row.row_id].logprob_sum / base[row.row_id].reference_tokens for row in rows},
    )
