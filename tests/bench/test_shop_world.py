"""The invented shop: who likes which answer, and that questions of one kind come in no other."""

import pytest

from bench.common.shop_topics import TOPICS
from bench.common.shop_world import (
    HOUSE,
    Said,
    Taste,
    archive,
    asked_questions,
    hidden_questions,
    people,
    satisfaction,
    write_answer,
)

EVERY_TASTE = [Taste(is_warm, is_brief) for is_warm in (True, False) for is_brief in (True, False)]
QUESTIONS = asked_questions()


def test_the_same_seed_gives_the_same_people() -> None:
    crowd = people(100, hostile_share=0.01, seed=1)
    assert crowd == people(100, hostile_share=0.01, seed=1)
    assert crowd != people(100, hostile_share=0.01, seed=2)


@pytest.mark.parametrize(("count", "hostile"), [(400, 4), (100, 1), (20, 1)])
def test_one_in_a_hundred_means_ill(count: int, hostile: int) -> None:
    assert sum(person.is_hostile for person in people(count, hostile_share=0.01, seed=3)) == hostile


@pytest.mark.parametrize("taste", EVERY_TASTE)
def test_a_right_answer_in_ones_own_taste_leaves_nothing_to_wish(taste: Taste) -> None:
    for question in QUESTIONS:
        assert satisfaction(Said(write_answer(question, taste), has_ended=True), question, taste) == pytest.approx(1)


def test_another_taste_a_cut_answer_and_another_topics_fact_please_less() -> None:
    [question, other] = [next(q for q in QUESTIONS if q.topic is topic) for topic in TOPICS[:2]]
    right = write_answer(question, HOUSE)
    dry = write_answer(question, Taste(is_warm=False, is_brief=True))
    pleased = [
        satisfaction(Said(right, has_ended=True), question, HOUSE),
        satisfaction(Said(dry, has_ended=True), question, HOUSE),
        satisfaction(Said(dry, has_ended=False), question, HOUSE),
        satisfaction(Said(f"{dry} {write_answer(other, HOUSE)}", has_ended=False), question, HOUSE),
        satisfaction(Said("", has_ended=False), question, HOUSE),
    ]
    assert pleased[0] > pleased[1] > pleased[2] > pleased[4] == 0
    assert pleased[3] < pleased[0]


def test_every_fact_that_an_answer_needs_stands_in_it() -> None:
    for topic in TOPICS:
        assert all(need in topic.fact.lower() for need in topic.needs), topic.name


def test_chats_archive_and_hidden_questions_share_no_phrase() -> None:
    learnt, examined = archive(topics=len(TOPICS), items=2)
    hidden = [one.question for one in hidden_questions(phrases=3, items=2, seed=1)]
    kinds = [{question.phrase for question in kind} for kind in (QUESTIONS, examined, hidden)]
    assert {question.phrase for question in learnt} <= kinds[0]
    assert len(set.union(*kinds)) == sum(map(len, kinds))


def test_the_archive_holds_the_first_topics_only_and_no_question_twice() -> None:
    learnt, examined = archive(topics=2, items=2)
    assert {question.topic.name for question in (*learnt, *examined)} == {topic.name for topic in TOPICS[:2]}
    texts = [question.text for question in (*learnt, *examined)]
    assert len(texts) == len(set(texts)) == 36


def test_hidden_questions_ask_about_every_topic_and_are_the_same_for_the_same_seed() -> None:
    hidden = hidden_questions(phrases=1, items=1, seed=5)
    assert [one.question.topic for one in hidden] == list(TOPICS)
    assert hidden == hidden_questions(phrases=1, items=1, seed=5)
