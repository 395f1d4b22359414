"""What the exam shows of an answer is what a chat would show."""

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest

from eval.answers import Answer, Contestant
from eval.shown import GuardOrder, Shown, show_answers
from eval.suites import SuiteRow
from nightschool.echo import EchoEngine
from nightschool.engine import ChatRequest, Delta
from nightschool.knowledge import TEAM, Found, Passage, with_passages
from nightschool.knowledge_part import KnowledgePart
from nightschool.records import BASE, ChatMessage, Finish, Sampling

PLANS = Passage("a" * 16, "Plans", "Grove", "Grove costs 4 euro a month.")
HAND_OVER = "A person knows."
WHO = Contestant("candidate", BASE, "hash")
SAMPLING = Sampling(seed=1)


class Second(EchoEngine):
    """Says `again` to whatever it is asked, and notes it."""

    def __init__(self, again: str = "") -> None:
        super().__init__()
        self.again = again
        self.asked: list[str] = []

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        self.asked.append(request.messages[-1]["content"])
        yield Delta(self.again)
        yield Delta("", Finish.STOP, 1, 1)


def row_of(question: str, *passages: Passage) -> SuiteRow:
    asked = ChatMessage(role="user", content=with_passages(question, passages))
    return SuiteRow("r", "c", (ChatMessage(role="system", content="Be kind."), asked), "Grove costs 4 euro.")


async def show(
    engine: EchoEngine, said: str, cache: Path, *, score: float = 0.4, passages: Sequence[Passage] = (PLANS,)
) -> Shown:
    searched: list[list[str]] = []

    def find(questions: Sequence[str]) -> Found:
        searched.append(list(questions))
        return Found(tuple(passages), (score,) * len(passages))

    answer = Answer("r", said, Finish.STOP, 9, -1.0, 3, 1.0)
    order = GuardOrder(KnowledgePart(hand_over=HAND_OVER, quote_score=0.6), find)
    rows = [row_of("What does Grove cost?", *passages)]
    shown = await show_answers(
        engine, rows, {"r": answer}, order=order, contestant=WHO, sampling=SAMPLING, cache=cache, in_flight=2
    )
    assert searched == [["What does Grove cost?"]]
    return shown["r"]


async def test_what_stands_somewhere_is_shown_as_it_stands_and_costs_nothing(tmp_path: Path) -> None:
    engine = Second()
    assert await show(engine, "Grove costs 4 euro a month. Enjoy!", tmp_path) == Shown(
        "Grove costs 4 euro a month. Enjoy!", is_held=False
    )
    assert engine.asked == []


@pytest.mark.parametrize(
    ("again", "told"),
    [
        ("It is 4 euro.", "It is 4 euro."),
        ("It is 9 euro.", "From our page on Plans: Grove costs 4 euro a month."),
    ],
)
async def test_what_stands_nowhere_is_asked_again_of_the_best_passage_once(
    tmp_path: Path, again: str, told: str
) -> None:
    engine = Second(again)
    for _ in range(2):
        assert await show(engine, "Grove costs 7 euro a month.", tmp_path) == Shown(told, is_held=True)
    assert engine.asked == [with_passages("What does Grove cost?", [PLANS])]
    # Another answer, or another passage, is another question.
    await show(engine, "Grove costs 8 euro a month.", tmp_path)
    await show(engine, "Grove costs 7 euro a month.", tmp_path, score=0.5)
    assert len(engine.asked) == 3


async def test_without_passages_the_bot_hands_over(tmp_path: Path) -> None:
    assert await show(Second(), "It costs 7 euro.", tmp_path, passages=()) == Shown(HAND_OVER, is_held=True)


async def test_what_another_person_asked_the_team_is_no_ground_as_in_a_chat(tmp_path: Path) -> None:
    like = Passage("b" * 16, TEAM, "Price: is it 7 euro?", "No, it costs 4 euro.", "another")
    shown = await show(Second(), "It costs 7 euro.", tmp_path, passages=[like])
    assert shown == Shown("Our team answered a like question: No, it costs 4 euro.", is_held=True)
    assert not (await show(Second(), "It costs 4 euro.", tmp_path, passages=[like])).is_held


async def test_a_passage_that_is_very_near_is_quoted_where_nothing_of_it_was_said(tmp_path: Path) -> None:
    shown = await show(Second(), "Good question!", tmp_path, score=0.9)
    assert shown == Shown("Good question!\n\nFrom our page on Plans: Grove costs 4 euro a month.", is_held=False)
