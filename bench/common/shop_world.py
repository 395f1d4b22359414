"""An invented shop and the people who write to it: what they ask, what a right answer holds, and what each would like.

Every text here was written for this project. A person's satisfaction with an answer is hidden from the chatbot and is
no metric of the gate: it asks for the topic's facts, for the tone that the person likes and for a length that suits
them. Pure; the same seed gives the same people.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from bench.common.shop_topics import EXAMINED_ITEMS, HIDDEN_ITEMS, ITEMS, TOPICS, WARM, Topic

WARM_SHARE: Final = 0.7
BRIEF_SHARE: Final = 0.65
FACTS, TONE, LENGTH = 0.6, 0.2, 0.2
"""What each weighs in a person's satisfaction."""
ASTRAY: Final = 0.5
"""What is left of the facts where an answer tells another topic's too."""
BRIEF_WORDS: Final = (24, 44)
"""Who likes brief answers likes them whole up to the first, and not at all from the second."""
FULL_WORDS: Final = (6, 16, 40, 60)
"""Who likes full ones: not at all, from here wholly, up to here wholly, not at all."""


class Taste(NamedTuple):
    is_warm: bool
    is_brief: bool


HOUSE: Final = Taste(is_warm=True, is_brief=True)
"""How the shop's operator writes."""
ARCHIVE: Final = Taste(is_warm=False, is_brief=False)
"""How the shop's old answers are written."""


@dataclass(frozen=True)
class Person:
    number: int
    taste: Taste
    is_hostile: bool


@dataclass(frozen=True)
class Question:
    text: str
    topic: Topic
    item: str
    phrase: str
    """The question without its item: those that share it are not independent of one another."""


@dataclass(frozen=True)
class Said:
    """An answer as it came."""

    text: str
    has_ended: bool
    """False where it was cut off."""


class Hidden(NamedTuple):
    """A question that no dataset ever sees, and whose it is."""

    question: Question
    taste: Taste


def people(count: int, *, hostile_share: float, seed: int) -> tuple[Person, ...]:
    """`hostile_share` of them, one at least, means ill."""
    chance = random.Random(seed)
    hostile = set(chance.sample(range(count), max(1, round(hostile_share * count))))
    return tuple(Person(number, _taste(chance), number in hostile) for number in range(count))


def write_answer(question: Question, taste: Taste) -> str:
    """A right answer in that taste."""
    topic = question.topic
    told = topic.fact if taste.is_brief else f"{topic.fact} {topic.more}"
    said = f"Gladly! {told} Just write again if I can help." if taste.is_warm else told
    return said.format(item=question.item)


def satisfaction(said: Said, question: Question, taste: Taste) -> float:
    """0..1: how content that person is with the answer."""
    text = said.text.lower()
    is_warm = any(word in text for word in WARM)
    words = len(text.split())
    length = (_brief(words) if taste.is_brief else _full(words)) if said.has_ended else 0.0
    return FACTS * _facts(text, question.topic) + TONE * (is_warm is taste.is_warm) + LENGTH * length


def asked_questions() -> tuple[Question, ...]:
    """Everything that people may ask in a chat."""
    return tuple(_question(topic, phrase, item) for topic in TOPICS for phrase in topic.asked for item in ITEMS)


def archive(*, topics: int, items: int) -> tuple[list[Question], list[Question]]:
    """What the shop has of old: of its first `topics`, to learn from, and to be examined on in other words."""
    learnt = [
        _question(topic, phrase, ITEMS[(number + turn) % len(ITEMS)])
        for topic in TOPICS[:topics]
        for number, phrase in enumerate(topic.asked[:6])
        for turn in range(items)
    ]
    examined = [
        _question(topic, phrase, EXAMINED_ITEMS[(number + 3 * turn) % len(EXAMINED_ITEMS)])
        for topic in TOPICS[:topics]
        for number, phrase in enumerate(topic.examined)
        for turn in range(items)
    ]
    return learnt, examined


def hidden_questions(*, phrases: int, items: int, seed: int) -> tuple[Hidden, ...]:
    """Of every topic, in words and about things that come nowhere else."""
    chance = random.Random(seed)
    return tuple(
        Hidden(_question(topic, phrase, HIDDEN_ITEMS[(number + turn) % len(HIDDEN_ITEMS)]), _taste(chance))
        for topic in TOPICS
        for number, phrase in enumerate(topic.hidden[:phrases])
        for turn in range(items)
    )


def by_text(questions: Sequence[Question]) -> Mapping[str, Question]:
    return {question.text: question for question in questions}


def _question(topic: Topic, phrase: str, item: str) -> Question:
    return Question(phrase.format(item=item), topic, item, phrase)


def _taste(chance: random.Random) -> Taste:
    return Taste(chance.random() < WARM_SHARE, chance.random() < BRIEF_SHARE)


def _facts(text: str, topic: Topic) -> float:
    told = sum(fact in text for fact in topic.needs) / len(topic.needs)
    others = any(all(fact in text for fact in other.needs) for other in TOPICS if other is not topic)
    return told * ASTRAY if others else told


def _brief(words: int) -> float:
    whole, none = BRIEF_WORDS
    return min(1.0, max(0.0, (none - words) / (none - whole)))


def _full(words: int) -> float:
    none, whole, until, end = FULL_WORDS
    return max(0.0, min(1.0, (words - none) / (whole - none), (end - words) / (end - until)))
