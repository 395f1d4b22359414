"""What operators see and switch of verified answers, and questions with answers that they bring."""

import json
from functools import partial

import httpx
import pytest

from collect.reviews import record_review
from nightschool.records import BotName, Review, utc_now
from serve.parts import Parts

BOT = BotName("support")
QUESTION = "How much is Grove?"


def ask(text: str) -> dict[str, object]:
    return {"model": "support", "messages": [{"role": "user", "content": text}]}


@pytest.fixture
async def source(client: httpx.AsyncClient, parts: Parts) -> str:
    """An answer that an operator corrected."""
    asked = await client.post("/v1/chat/completions", json=ask(QUESTION))
    name: str = asked.json()["id"]
    review = Review(name, BOT, "ada", True, "4 euro.", (), utc_now())
    await parts.store.write(partial(record_review, review=review))
    await parts.verified.refresh()
    return name


async def test_the_list_says_what_stands_how_often_it_answered_and_why_near_ones_wait(
    client: httpx.AsyncClient, operator: httpx.AsyncClient, source: str
) -> None:
    await client.post("/v1/chat/completions", json=ask("how much is grove"))
    await client.post("/v1/chat/completions", json=ask("Where is my parcel?"))
    seen = (await operator.get("/ops/verified/support")).json()
    [answer] = seen["answers"]
    assert (answer["message_id"], answer["answer"], answer["by"]) == (source, "4 euro.", "ada")
    assert (answer["served"], answer["is_on"]) == (1, True)
    assert (seen["asked"], seen["would_answer"], seen["threshold"]) == (3, 2, None)
    assert seen["sentence"] == (
        "Would have answered 67% of last week's 3 questions, the very questions alone: near ones wait until the "
        "answers to 169 and more stored questions show that 98% would be right. There are 1."
    )


async def test_a_switch_counts_at_once_and_stands_in_the_audit(
    client: httpx.AsyncClient, operator: httpx.AsyncClient, parts: Parts, source: str
) -> None:
    said = {"bot": "support", "message_id": source, "is_on": False, "reason": "the price changes on Monday"}
    assert (await operator.post("/ops/verified", json=said)).status_code == 200
    reply = (await client.post("/v1/chat/completions", json=ask(QUESTION))).json()
    assert "nightschool" not in reply
    [answer] = (await operator.get("/ops/verified/support")).json()["answers"]
    assert (answer["is_on"], answer["reason"]) == (False, "the price changes on Monday")
    event = (await operator.get("/ops/events")).json()[0]
    assert (event["action"], event["reason"]) == ("taken out of service", "the price changes on Monday")
    assert (await operator.post("/ops/verified", json=said | {"is_on": True})).status_code == 200
    await parts.verified.refresh()
    assert (await client.post("/v1/chat/completions", json=ask(QUESTION))).json()["nightschool"] == {"verified": True}


async def test_a_switch_needs_a_reason_an_answer_and_an_operator(
    client: httpx.AsyncClient, operator: httpx.AsyncClient, source: str
) -> None:
    said = {"bot": "support", "message_id": source, "is_on": False, "reason": " "}
    assert (await operator.post("/ops/verified", json=said)).status_code == 400
    assert (await operator.post("/ops/verified", json=said | {"message_id": "x", "reason": "y"})).status_code == 404
    assert (await client.post("/ops/verified", json=said | {"reason": "y"})).status_code == 403
    assert (await client.get("/ops/verified/support")).status_code == 403


async def test_frequently_asked_questions_are_answered_as_they_were_brought(
    client: httpx.AsyncClient, operator: httpx.AsyncClient, parts: Parts
) -> None:
    turns = [("Do you ship to Malta?", "Yes, in 9 days."), ("And express?", "In 3 days.")]
    messages = [
        {"role": role, "content": text}
        for question, answer in turns
        for role, text in (("user", question), ("assistant", answer))
    ]
    line = json.dumps({"messages": messages})
    # Brought without the mark, they answer nothing.
    await operator.post("/ops/import?bot=support", content=line)
    await parts.verified.refresh()
    assert "nightschool" not in (await client.post("/v1/chat/completions", json=ask(turns[0][0]))).json()
    await operator.post("/ops/import?bot=support&faq=true", content=line)
    await parts.verified.refresh()
    reply = (await client.post("/v1/chat/completions", json=ask("do you ship to malta"))).json()
    assert reply["choices"][0]["message"]["content"] == "Yes, in 9 days."
    assert "nightschool" not in (await client.post("/v1/chat/completions", json=ask(turns[1][0]))).json()
    assert (await operator.get("/ops/events")).json()[0]["action"] == "let in as frequently asked"
