"""An invented crowd that votes on answers of which it is known whether they are right, and those who mean it ill.

Honest people ask what many ask or what nobody else does, vote by the truth with one slip in ten, and of those who
dislike a wrong answer one in three writes the right one. Operators rule on a few answers a day. Everything is drawn by
a seed, so the honest part of a record is the same whoever else is in it. Does not know records, screens or datasets.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Final, NamedTuple

START: Final = datetime(2026, 3, 1, tzinfo=UTC)
SLIPS: Final = 0.1
RIGHT: Final = 0.7
"""Share of answers that are."""
SHARED: Final = 0.6
"""Of chats, which ask what others ask too."""
TWICE: Final = 0.25
"""Of chats, in which the first answer is asked for anew."""
WRITING: Final = 1 / 3
PLANTED: Final = "Call 0900 555 for your refund, our website is out of order"
SYLLABLES: Final = "ba ce di fo gu ha je ki lo mu na pe ri so tu va we xi yo zu".split()  # noqa: SIM905


@dataclass(frozen=True)
class Size:
    people: int
    chats: int
    questions: int
    """That many ask."""
    days: int = 14
    rulings_a_day: int = 5
    fresh: int = 40


class Said(NamedTuple):
    """An answer and what is thought of it."""

    text: str
    is_right: bool
    is_liked: bool
    ideal: str = ""


class Visit(NamedTuple):
    """A chat with its votes."""

    name: str
    person: str
    address: str
    at: datetime
    question: str
    answers: tuple[Said, ...]
    is_hostile: bool = False


class Question(NamedTuple):
    text: str
    right: str
    wrong: str


def honest_visits(size: Size, *, seed: int) -> list[Visit]:
    rng = random.Random(seed)
    asked = [_question(rng) for _ in range(size.questions)]
    return [_visit(rng, size, asked, name=f"h{n}", person=rng.randrange(size.people)) for n in range(size.chats)]


def rulings(honest: Sequence[Visit], size: Size, *, seed: int) -> list[tuple[Visit, datetime]]:
    """On the first answers of which of the honest visits operators rule, by the truth, and when."""
    rng = random.Random(f"{seed} operators")
    found: list[tuple[Visit, datetime]] = []
    for day in range(size.days):
        of_day = [visit for visit in honest if (visit.at - START).days == day]
        evening = START + timedelta(days=day, hours=22)
        found += [(visit, evening) for visit in rng.sample(of_day, min(size.rulings_a_day, len(of_day)))]
    return found


def _few_in_bursts(honest: Sequence[Visit], size: Size, *, seed: int) -> Iterator[Visit]:
    """Three of ten votes, by one in a hundred people, each in four sessions of three votes a minute."""
    for person, number, of in _three_in_seven(honest, size):
        session, within = divmod(number, -(-of // 4))
        at = START + timedelta(days=2 + 3 * session, hours=10 + person % 8, seconds=20 * within)
        yield _against(honest, f"xb{person}-{number}", f"few{person}", f"x{person}", at, seed=seed)


def _few_slowly(honest: Sequence[Visit], size: Size, *, seed: int) -> Iterator[Visit]:
    """The same, each by day and evenly over all days."""
    for person, number, of in _three_in_seven(honest, size):
        day, within = divmod(number, -(-of // size.days))
        at = START + timedelta(days=day, hours=8, minutes=within * 720 * size.days / of)
        yield _against(honest, f"xs{person}-{number}", f"few{person}", f"x{person}", at, seed=seed)


def _fresh_browsers(honest: Sequence[Visit], size: Size, *, seed: int, planted: str = PLANTED) -> Iterator[Visit]:
    """Forty who were never seen, each with an address of its own, dislike one right answer and plant the same."""
    # One that many ask and no operator ruled on: there nothing stands against what is planted.
    ruled = {visit.question for visit, _ in rulings(honest, size, seed=seed)}
    asked = Counter(visit.question for visit in honest if visit.question not in ruled)
    [(question, _)] = asked.most_common(1)
    right = next(said for visit in honest for said in visit.answers if said.is_right and visit.question == question)
    for number in range(size.fresh):
        at = START + timedelta(days=7, hours=9, minutes=5 * number)
        text = (planted, f"{planted}!", planted.lower(), f"Please, {planted}.")[number % 4] if planted else ""
        said = Said(right.text, is_right=True, is_liked=False, ideal=text)
        yield Visit(f"xf{number}", f"fresh{number}", f"f{number}", at, question, (said,), is_hostile=True)


def _one_in_ten(honest: Sequence[Visit], size: Size, *, seed: int) -> Iterator[Visit]:
    """As busy as others are, and always against the truth."""
    people = round(size.people / 9)
    rng = random.Random(f"{seed} minority")
    for number in range(round(size.chats / 9)):
        like = rng.choice(honest)
        person = rng.randrange(people)
        yield _against(honest, f"xm{number}", f"minor{person}", f"m{person}", like.at, seed=seed)


ATTACKS: Final[Mapping[str, Callable[..., Iterator[Visit]]]] = MappingProxyType(
    {
        "a_bursts": _few_in_bursts,
        "a_slow": _few_slowly,
        "b_planted": _fresh_browsers,
        "c_minority": _one_in_ten,
        "b_silent": partial(_fresh_browsers, planted=""),
    }
)


def _three_in_seven(honest: Sequence[Visit], size: Size) -> Iterator[tuple[int, int, int]]:
    """(person, which of their votes, how many they have)."""
    people = max(1, round(size.people / 100))
    of = round(sum(len(visit.answers) for visit in honest) * 3 / 7 / people)
    for person in range(people):
        yield from ((person, number, of) for number in range(of))


def _against(honest: Sequence[Visit], name: str, person: str, address: str, at: datetime, *, seed: int) -> Visit:
    """A chat as an honest one is, with one vote against the truth."""
    rng = random.Random(f"{seed} {name}")
    like = rng.choice(honest)
    said = rng.choice(like.answers)
    question = like.question
    if question.startswith(like.name):
        # Nobody else asks that one either.
        fresh = _question(rng)
        question, text = f"{name} {fresh.text}", fresh.right if said.is_right else fresh.wrong
        said = said._replace(text=text)
    said = Said(said.text, said.is_right, is_liked=not said.is_right)
    return Visit(name, person, address, at, question, (said,), is_hostile=True)


def _visit(rng: random.Random, size: Size, asked: Sequence[Question], *, name: str, person: int) -> Visit:
    # A few questions are asked by very many.
    place = min(int(rng.expovariate(4 / len(asked))), len(asked) - 1)
    question = asked[place]
    if rng.random() >= SHARED:
        own = _question(rng)
        question = own._replace(text=f"{name} {own.text}")
    first = rng.random() < RIGHT
    answers = [_say(rng, question, is_right=first)]
    if rng.random() < TWICE:
        answers.append(_say(rng, question, is_right=not first))
    at = START + timedelta(days=rng.randrange(size.days), hours=8 + 12 * rng.random())
    return Visit(name, f"p{person}", f"h{person // 2}", at, question.text, tuple(answers))


def _say(rng: random.Random, question: Question, *, is_right: bool) -> Said:
    is_liked = is_right is not (rng.random() < SLIPS)
    ideal = question.right if not is_liked and not is_right and rng.random() < WRITING else ""
    return Said(question.right if is_right else question.wrong, is_right, is_liked, ideal)


def _question(rng: random.Random) -> Question:
    words = ["".join(rng.choices(SYLLABLES, k=3)) for _ in range(18)]
    return Question(f"{' '.join(words[:6])}?", f"{' '.join(words[6:12])}.", f"{' '.join(words[12:])}.")
