"""The attacks are what they are called, and the figures count what they say."""

import pytest

from bench.common.poison_crowd import ATTACKS, Said, Size, Visit, honest_visits
from bench.poison import MEANT, Figures, Rows, by_each, by_majority, figure, summarise

SIZE = Size(people=200, chats=400, questions=20)


def votes(visits: list[Visit]) -> int:
    return sum(len(visit.answers) for visit in visits)


def test_the_honest_part_is_the_same_whoever_else_is_there() -> None:
    assert honest_visits(SIZE, seed=3) == honest_visits(SIZE, seed=3) != honest_visits(SIZE, seed=4)
    said = [said for visit in honest_visits(SIZE, seed=3) for said in visit.answers]
    assert sum(one.is_liked is not one.is_right for one in said) / len(said) == pytest.approx(0.1, abs=0.04)


@pytest.mark.parametrize(
    ("attack", "of_votes", "people"), [("a_bursts", 0.3, 2), ("a_slow", 0.3, 2), ("b_planted", 0.08, 40)]
)
def test_an_attack_is_as_large_as_it_is_called(attack: str, of_votes: float, people: int) -> None:
    honest = honest_visits(SIZE, seed=3)
    against = list(ATTACKS[attack](honest, SIZE, seed=3))
    assert votes(against) / (votes(against) + votes(honest)) == pytest.approx(of_votes, abs=0.01)
    assert len({visit.person for visit in against}) == people


@pytest.mark.parametrize("attack", ATTACKS)
def test_who_is_hostile_always_votes_against_the_truth(attack: str) -> None:
    against = list(ATTACKS[attack](honest_visits(SIZE, seed=3), SIZE, seed=3))
    assert all(said.is_liked is not said.is_right for visit in against for said in visit.answers)
    assert len({visit.name for visit in against}) == len(against)


def visit(name: str, *said: Said, is_hostile: bool = False) -> Visit:
    at = honest_visits(SIZE, seed=3)[0].at
    return Visit(name, name, name, at, "Refund?", said, is_hostile)


def test_a_row_is_as_hostile_as_the_votes_that_say_it() -> None:
    honest = [visit("a", Said("No", False, True)), visit("b", Said("No", False, False))]
    both = [*honest, visit("x", Said("No", False, True, "Scam"), is_hostile=True)]
    assert by_majority(both)[:2] == (2, 1.0)
    assert by_each(both)[:2] == (6, 3)
    assert figure(by_each(both), by_each(honest)) == Figures(0.5, 0.0)
    assert figure(by_majority(honest), by_majority(both)).honest_lost == 1
    assert figure(Rows(0, 0, frozenset()), Rows(0, 0, frozenset())) == Figures(0, 0)


def test_the_means_are_over_the_attacks_that_were_meant() -> None:
    told = {attack: {"screened": Figures(0.1, 0.2), "open": Figures(0.4, 0.0)} for attack in MEANT}
    found = summarise(told | {"none": {"screened": Figures(0.9, 0.9), "open": Figures(0.9, 0.9)}})
    assert (found["hostile_share_screened"], found["hostile_share_open"], found["honest_lost"]) == (0.1, 0.4, 0.2)
