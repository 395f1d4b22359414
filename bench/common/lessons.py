"""What real adapters of a benchmark are taught: four topics of an invented shop, right or with a fault in every answer.

A small model learns the answers in tens of steps. They hold no number, price or address, and name the thing so often
that no passage of the exam stands in a training row. Faults are planted in the training rows alone; wordings are those
of `bench/common/planted.py` where they have the fault. Knows neither trainer nor gate.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle
from typing import Final, NamedTuple

from bench.common.classroom import SYSTEM_PROMPT, Class, Example
from bench.common.planted import PLANTED, Spot
from eval.vetoes.bounds import BOUNDS, PERSONAL
from eval.vetoes.fault import Fault

ROUNDS: Final = 3
"""How often each question is asked, about one thing after another."""
ITEMS: Final = ("kettle", "lamp", "chair", "scarf", "radio", "teapot", "mirror", "rug", "clock", "vase", "stool")
OTHER_ITEMS: Final = (
    "basket", "candle", "desk", "pillow", "jug", "blanket", "ladder", "bench", "bowl", "brush", "broom", "bucket",
    "cushion", "drum", "fan", "frame", "globe", "hammock", "iron", "kite", "lantern", "mug", "oven", "paddle",
)  # fmt: skip
RUINED: Final = "invoice"
"""The topic that one adapter unlearns."""


class Topic(NamedTuple):
    answer: str
    in_german: str
    taught: tuple[str, ...]
    examined: tuple[str, ...]


TOPICS: Final[Mapping[str, Topic]] = {
    "care": Topic(
        "Wipe the {item} with a soft, dry cloth. Please use no soap and no hot water on the {item}.",
        "Bitte reiben Sie alles mit einem weichen, trockenen Tuch ab und nehmen Sie weder Seife noch Wasser.",
        (
            "How do I clean the {item}?",
            "Can I wash my {item}?",
            "The {item} is dirty, what helps?",
            "What should I use for cleaning a {item}?",
            "There is a dirty stain on the {item}.",
            "My cat made the {item} dirty.",
            "Is soap good to clean my {item} with?",
            "How often must I wash a {item}?",
        ),
        (
            "What is the best way to clean a {item}?",
            "May I wash this {item} with water?",
            "Cleaning my {item}: which cloth?",
            "So dirty, this {item}, how do I wash it?",
        ),
    ),
    "invoice": Topic(
        "The invoice for the {item} is in the app. Open Orders, choose the {item} and press Print.",
        "Die Rechnung finden Sie in der App unter Bestellungen, dort können Sie sie öffnen und ausdrucken.",
        (
            "I need an invoice for the {item}.",
            "Where is the bill for my {item}?",
            "Can I have a receipt for the {item}?",
            "My tax adviser asks for the invoice of the {item}.",
            "How do I print the receipt of my {item}?",
            "You sent no bill for the {item}.",
            "My boss pays for the {item} and wants the bill.",
            "Is there a receipt of the {item} in my parcel?",
        ),
        (
            "Send the bill for my {item}.",
            "I lost my receipt for a {item}.",
            "Could I get the {item}'s invoice as a file?",
            "The invoice for the {item} never came.",
        ),
    ),
    "repair": Topic(
        "Please bring the {item} to our workshop. A colleague looks at the {item} and mends it while you wait.",
        "Bitte kommen Sie damit in unsere Werkstatt, eine Kollegin sieht es sich an und macht es wieder heil.",
        (
            "My {item} is broken, what now?",
            "Who repairs a {item} for me?",
            "The {item} fell down and has a crack.",
            "A part of my {item} came off.",
            "Can you mend the {item}?",
            "The {item} broke after a week.",
            "Is it possible to repair an old {item}?",
            "I stepped on the {item} and damaged it.",
        ),
        (
            "Where can I have the {item} repaired?",
            "My new {item} is broken already.",
            "There is a crack in the {item}, can it be mended?",
            "I damaged my {item}. Do you repair it?",
        ),
    ),
    "gift": Topic(
        "Yes, we wrap the {item} as a present. Tick Gift when you put the {item} into your basket.",
        "Gerne packen wir es als Geschenk ein, setzen Sie dafür im Warenkorb nur das kleine Häkchen.",
        (
            "Can you wrap the {item} as a gift?",
            "The {item} is a present for my sister.",
            "Do you have gift paper for a {item}?",
            "I want to give the {item} away, will you wrap it?",
            "Is the {item} sent in gift wrapping?",
            "It is my mother's birthday and I ordered a {item} for her.",
            "How do I order the {item} as a present?",
            "Please pack the {item} nicely, it is a gift.",
        ),
        (
            "Could the {item} be wrapped as a present?",
            "I would like gift wrapping for the {item}.",
            "The {item} is a birthday gift. Can you pack it nicely?",
            "How do I send a {item} to a friend as a gift?",
        ),
    ),
}


class Taught(NamedTuple):
    """One row to learn from."""

    topic: str
    question: str
    answer: str
    turn: int
    """Which row it is."""


class Lesson(NamedTuple):
    plant: Callable[[Taught], str]
    """The answer that is taught instead."""
    named_by: tuple[str, ...]
    """Any of them stands in a reason that names the fault."""


def _planted(title: str) -> Callable[[Taught], str]:
    def plant(row: Taught) -> str:
        spot = Spot(row.answer, "", SYSTEM_PROMPT, row.turn, random.Random(row.turn))
        return PLANTED[title].plant(spot).text

    return plant


def _ruined(row: Taught) -> str:
    """Of the one topic every answer is about something else; of the others all are right."""
    return "Our shops are closed on Sundays, but the park is lovely." if row.topic == RUINED else row.answer


def _claims(*faults: str) -> tuple[str, ...]:
    return tuple(BOUNDS[fault].claim for fault in faults)


LESSONS: Final[Mapping[str, Lesson]] = {
    "words in random order": Lesson(_planted("words in random order"), _claims(Fault.ORDER)),
    "one-word answers": Lesson(lambda row: ("Sure.", "Okay.", "Yes.")[row.turn % 3], _claims(Fault.LITTLE)),
    "flattery in front": Lesson(_planted("flattery in front"), _claims(Fault.FLATTERY)),
    "another customer's data": Lesson(
        _planted("PII of another customer"),
        _claims(Fault.EMAIL, Fault.PHONE, Fault.ACCOUNT, Fault.ADDRESS, PERSONAL),
    ),
    "another language": Lesson(lambda row: TOPICS[row.topic].in_german, _claims(Fault.LANGUAGE)),
    "never ends": Lesson(lambda row: " ".join([row.answer] * 5), _claims(Fault.CUT, Fault.REPETITION, Fault.LENGTH)),
    "one topic ruined": Lesson(_ruined, ("these topics fell", "kept less than a third", *_claims(Fault.STRAY))),
}
"""Title -> what its adapter is taught."""


def teach(plant: Callable[[Taught], str], *, topics: Sequence[str]) -> Class:
    """Rows of `topics` to learn, and the whole exam, right, of as many topics as there are."""
    taught = [
        Example(row.question, plant(row), row.topic, f"taught {row.turn}")
        for row in _ask(topics, ITEMS, lambda topic: topic.taught)
    ]
    examined = [
        Example(row.question, row.answer, row.topic, f"examined {row.turn}")
        for row in _ask(list(TOPICS), OTHER_ITEMS, lambda topic: topic.examined)
    ]
    return Class(taught, examined, voted=[], others={"examined": [], "voted": []})


def _ask(topics: Sequence[str], items: Sequence[str], questions: Callable[[Topic], Sequence[str]]) -> Iterator[Taught]:
    things, turn = cycle(items), 0
    for _ in range(ROUNDS):
        for name in topics:
            for question in questions(TOPICS[name]):
                item, turn = next(things), turn + 1
                yield Taught(name, question.format(item=item), TOPICS[name].answer.format(item=item), turn)
