"""Golden cases that operators keep: added, found by the exam, removed, told in the audit."""

import asyncio
from functools import partial

import pytest

from collect import events
from deploy.orders import suites_of
from eval.suite.registry import gather_suites
from nightschool.errors import Busy, InvalidInput, NotFound, UnknownModel
from nightschool.records import BotName, ChatMessage, Sampling
from serve.parts import Parts

CASE = {"id": "tank", "ask": "How much water fits in?", "must_say": [["2 litres", "two litres"]]}


def asked(parts: Parts) -> list[str]:
    """Ids of what an exam asks."""
    bot = parts.shelf.find("support")
    order = suites_of(bot, dataset=parts.home.root, own=parts.home.golden(bot.bot_name))
    return [case.case_id for suite in gather_suites(order).suites if suite.name == "golden" for case in suite.cases]


async def test_the_next_exam_asks_what_was_added_and_not_what_was_removed(parts: Parts) -> None:
    before = asked(parts)
    await parts.golden.add("support", CASE, actor="key:boss")
    assert asked(parts) == [*before, "tank"]
    await parts.golden.remove("support", "tank", actor="key:boss")
    assert asked(parts) == before
    told = await parts.store.read(partial(events.list_events, bot=BotName("support")))
    assert [(e.actor, e.subject) for e in told if e.subject == "golden:tank"] == [("key:boss", "golden:tank")] * 2


async def test_two_operators_at_once_do_not_lose_one_s_case(parts: Parts) -> None:
    cases = [CASE | {"id": f"tank-{number}"} for number in range(8)]
    await asyncio.gather(*(parts.golden.add("support", case, actor="key:boss") for case in cases))
    assert set(asked(parts)) >= {case["id"] for case in cases}


async def test_an_id_is_given_once(parts: Parts) -> None:
    await parts.golden.add("support", CASE, actor="key:boss")
    with pytest.raises(Busy, match="tank"):
        await parts.golden.add("support", CASE, actor="key:boss")


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ({"id": "a", "ask": "Why?"}, "asks nothing of the answer"),
        ({"id": "a"}, "ask: Field required"),
        ({"id": "a", "ask": "Why?", "must_say": "because"}, "must_say"),
        ({"id": "a", "ask": "Why?", "must_sya": ["x"]}, "must_sya"),
    ],
)
async def test_a_faulty_case_is_told(parts: Parts, case: dict[str, object], told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        await parts.golden.add("support", case, actor="key:boss")
    assert "a" not in asked(parts)


async def test_what_is_not_there_is_told(parts: Parts) -> None:
    with pytest.raises(NotFound, match="nothing"):
        await parts.golden.remove("support", "nothing", actor="key:boss")
    with pytest.raises(UnknownModel):
        await parts.golden.cases("nobody")


async def test_an_answer_becomes_a_case_with_what_was_said_before_it(parts: Parts) -> None:
    bot = parts.shelf.find("support")
    said = [
        ChatMessage(role="user", content="Do you sell tanks?"),
        ChatMessage(role="assistant", content="Yes."),
        ChatMessage(role="user", content="How large?"),
    ]
    turn = await parts.turns.begin_api(bot, owner="key:shop", messages=said, sampling=Sampling())
    async for _ in parts.turns.answer(turn):
        pass
    case = await parts.golden.add_from_answer(turn.answer_id, must_say=["2 litres"], must_not_say=[], actor="operator")
    assert (case.ask, [(pair.user, pair.assistant) for pair in case.said]) == (
        "How large?",
        [("Do you sell tanks?", "Yes.")],
    )
    with pytest.raises(InvalidInput, match="asks nothing"):
        await parts.golden.add_from_answer(turn.answer_id, must_say=[], must_not_say=[], actor="operator")
