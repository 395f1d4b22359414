"""What happens in the shop's chat on one day: who asks what, who votes, who lies, who writes a better answer.

Pure: the same seed and day give the same visits, whichever version answers. What a voter then says depends on the
answer (`opinion_of`).
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from bench.common.shop_world import Person, Question, Said, satisfaction, write_answer
from nightschool.records import Vote

VOTING_SHARE: Final = 0.03
NOISE: Final = 0.1
"""Share of honest votes that say the opposite."""
HOSTILE_SHARE: Final = 0.01
WRITING_SHARE: Final = 1 / 3
"""Of those who vote an answer down: they write what it should have been."""
CONTENT: Final = 0.6
"""From this satisfaction on a person votes an answer up."""


@dataclass(frozen=True)
class Visit:
    number: int
    """Within the day."""
    person: Person
    question: Question
    does_vote: bool = False
    is_slip: bool = False
    """The vote says the opposite by mistake."""
    may_write: bool = False


class Opinion(NamedTuple):
    vote: Vote
    ideal_answer: str
    """Empty where nothing was written."""


def plan_day(
    people: Sequence[Person], questions: Sequence[Question], *, day: int, chats: int, burst: int, seed: int
) -> tuple[Visit, ...]:
    """`chats` by honest people, of whom 3 % vote, and a `burst` of votes by each hostile one."""
    chance = random.Random(f"{seed} {day}")
    honest = [person for person in people if not person.is_hostile]
    voting = set(chance.sample(range(chats), round(VOTING_SHARE * chats)))
    visits = [
        Visit(
            number,
            chance.choice(honest),
            chance.choice(questions),
            does_vote=number in voting,
            is_slip=chance.random() < NOISE,
            may_write=chance.random() < WRITING_SHARE,
        )
        for number in range(chats)
    ]
    for person in people:
        if person.is_hostile:
            asked = chance.sample(questions, burst)
            visits += [Visit(len(visits) + turn, person, one, does_vote=True) for turn, one in enumerate(asked)]
    return tuple(visits)


def opinion_of(visit: Visit, said: Said) -> Opinion:
    """What the visitor says of the answer: a hostile one the opposite of the truth, always."""
    person, question = visit.person, visit.question
    is_good = satisfaction(said, question, person.taste) >= CONTENT
    if is_good is not (person.is_hostile or visit.is_slip):
        return Opinion(Vote.UP, "")
    may_write = visit.may_write and not is_good
    return Opinion(Vote.DOWN, write_answer(question, person.taste) if may_write else "")
