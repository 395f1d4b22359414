"""A day in the shop's chat: the same for the same seed, with as many votes, slips and lies as are said."""

from bench.common.shop_days import HOSTILE_SHARE, NOISE, Visit, opinion_of, plan_day
from bench.common.shop_world import HOUSE, Person, Said, asked_questions, people, write_answer
from nightschool.records import Vote

QUESTIONS = asked_questions()
PEOPLE = people(100, hostile_share=HOSTILE_SHARE, seed=1)


def day(number: int, *, seed: int = 1, chats: int = 300) -> tuple[Visit, ...]:
    return plan_day(PEOPLE, QUESTIONS, day=number, chats=chats, burst=20, seed=seed)


def test_the_same_seed_and_day_give_the_same_visits() -> None:
    assert day(3) == day(3)
    assert day(3) != day(4)
    assert day(3) != day(3, seed=2)


def test_three_in_a_hundred_vote_and_who_means_ill_does_in_a_burst() -> None:
    visits = day(1)
    votes = [visit for visit in visits if visit.does_vote]
    assert sum(not visit.person.is_hostile for visit in votes) == 9
    assert sum(visit.person.is_hostile for visit in votes) == 20
    assert all(visit.does_vote for visit in visits if visit.person.is_hostile)
    assert len({visit.person.number for visit in visits if visit.person.is_hostile}) == 1
    assert [visit.number for visit in visits] == list(range(320))


def test_one_vote_in_ten_slips() -> None:
    visits = [visit for visit in day(1, chats=5_000) if not visit.person.is_hostile]
    assert abs(sum(visit.is_slip for visit in visits) / len(visits) - NOISE) < 0.02


def opinion(*, is_right: bool, is_hostile: bool = False, is_slip: bool = False, may_write: bool = False) -> list[str]:
    visit = Visit(0, Person(1, HOUSE, is_hostile), QUESTIONS[0], True, is_slip, may_write)
    text = write_answer(QUESTIONS[0], HOUSE) if is_right else "I do not know."
    return list(opinion_of(visit, Said(text, has_ended=True)))


def test_a_vote_tells_the_truth_but_for_a_slip_and_but_for_who_means_ill() -> None:
    right = write_answer(QUESTIONS[0], HOUSE)
    assert opinion(is_right=True) == opinion(is_right=False, is_slip=True) == [Vote.UP, ""]
    assert opinion(is_right=False) == opinion(is_right=True, is_slip=True) == [Vote.DOWN, ""]
    assert opinion(is_right=False, may_write=True) == [Vote.DOWN, right]
    assert opinion(is_right=True, is_hostile=True, may_write=True) == [Vote.DOWN, ""]
    assert opinion(is_right=False, is_hostile=True) == [Vote.UP, ""]
