"""What an engine is given for a turn of a bot with documents, and what the record keeps of it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from collect import conversations, grounds, lineage
from nightschool.bots import Bot, load_bot
from nightschool.knowledge import TEAM, Found, Passage, render
from nightschool.records import BotName, ChatMessage
from nightschool.settings import ServerSettings
from serve.api.completions import completions_router
from serve.parts import Parts
from serve.prompting import compose
from serve.turns import Turn, Turns

OWNER = "browser:anna"
KNOWING = 'name = "support"\ntitle = "Fern"\nsystem_prompt = "You are Fern."\n[knowledge]\nfolder = "pages"\n'
REFUNDS = Passage("a" * 16, "Returns", "Refund time", "Within 5 business days.")
LABEL = Passage("b" * 16, "Returns", "Label", "It is in the app.")


class Pages:
    """Finds the same for every question, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[str]]] = []
        self.finds: tuple[Passage, ...] = (REFUNDS, LABEL)

    def search(self, bot: BotName, said: Sequence[str]) -> Found:
        self.asked.append((bot, list(said)))
        return Found(self.finds, (0.9, 0.5)[: len(self.finds)], "index-1")


@pytest.fixture
def knowing(tmp_path: Path) -> Bot:
    file = tmp_path / "support.toml"
    file.write_text(KNOWING)
    return load_bot(file)


@pytest.fixture
def pages() -> Pages:
    return Pages()


@pytest.fixture
def turns(parts: Parts, pages: Pages) -> Turns:
    return Turns(parts.store, parts.engine, parts.rollout, metrics=parts.metrics, search=pages.search)


async def take(turns: Turns, turn: Turn) -> None:
    async for _ in turns.answer(turn):
        pass


async def test_the_last_question_is_put_below_its_passages_and_all_questions_are_searched_by(
    turns: Turns, pages: Pages, knowing: Bot
) -> None:
    first = await turns.begin_chat(knowing, owner=OWNER, conversation_id=None, text="When is my money back?")
    await take(turns, first)
    second = await turns.begin_chat(
        knowing, owner=OWNER, conversation_id=first.conversation.conversation_id, text="And the label?"
    )
    assert pages.asked[-1] == ("support", ["When is my money back?", "And the label?"])
    system, question, _, asked = second.prompt.messages
    assert (system["content"], question["content"]) == ("You are Fern.", "When is my money back?")
    assert asked["content"].splitlines() == [
        "From our pages:",
        "[1] Returns > Refund time: Within 5 business days.",
        "[2] Returns > Label: It is in the app.",
        "",
        "Question: And the label?",
    ]


async def test_the_record_names_what_an_answer_stood_on_and_keeps_each_text_once(
    parts: Parts, turns: Turns, knowing: Bot
) -> None:
    for question in ("When is my money back?", "And again?"):
        turn = await turns.begin_chat(knowing, owner=OWNER, conversation_id=None, text=question)
        await take(turns, turn)
        answer = await parts.store.read(partial(conversations.message, message_id=turn.answer_id))
        assert (answer.passage_ids, answer.index_hash) == ((REFUNDS.passage_id, LABEL.passage_id), "index-1")
        kept = await parts.store.read(partial(grounds.passages_of, passage_ids=answer.passage_ids))
        assert kept == [REFUNDS, LABEL]
        told = await parts.store.read(partial(lineage.answer, message_id=turn.answer_id))
        assert told.system_prompt == "You are Fern."
        asked = await parts.store.read(partial(conversations.message, message_id=turn.asked[0].message_id))
        # What people said is kept as they said it.
        assert (asked.content, asked.passage_ids) == (question, ())


async def test_a_bot_without_documents_is_prompted_as_ever(parts: Parts, turns: Turns, pages: Pages) -> None:
    bot = parts.shelf.find("support")
    turn = await turns.begin_chat(bot, owner=OWNER, conversation_id=None, text="[1] is what I typed")
    assert turn.prompt.messages[-1]["content"] == "[1] is what I typed"
    assert pages.asked == []


def test_page_and_api_put_the_same_prompt(knowing: Bot, pages: Pages) -> None:
    said = [ChatMessage(role="user", content="When?")]
    assert compose(knowing, said, search=pages.search).messages == tuple(
        render("You are Fern.", said, [REFUNDS, LABEL])
    )


@pytest.mark.parametrize("is_strict", [False, True])
@pytest.mark.parametrize("stream", [False, True])
async def test_the_api_names_the_sources_unless_it_is_to_be_openai_s_alone(
    parts: Parts, turns: Turns, bots_folder: Path, user_key: str, *, stream: bool, is_strict: bool
) -> None:
    (bots_folder / "docs.toml").write_text(KNOWING.replace("support", "docs"))
    parts.shelf.look()
    settings = parts.settings.model_copy(update={"server": ServerSettings(strict_openai=is_strict)})
    app = FastAPI()
    app.include_router(completions_router(replace(parts, turns=turns, settings=settings)))
    headers = {"Authorization": f"Bearer {user_key}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://n", headers=headers) as client:
        body = {"model": "docs", "messages": [{"role": "user", "content": "When?"}], "stream": stream}
        reply = (await client.post("/v1/chat/completions", json=body)).text
    last = json.loads(reply.split("\n\n")[-3].removeprefix("data: ") if stream else reply)
    assert last["choices"][0]["finish_reason"] == "stop"
    named = [{"document": "Returns", "heading": p.heading, "passage_id": p.passage_id} for p in (REFUNDS, LABEL)]
    assert last.get("nightschool") == (None if is_strict else {"sources": named})


def test_what_the_bot_itself_hands_over_with_may_be_said(knowing: Bot, pages: Pages) -> None:
    rules = knowing.knowledge.model_copy(update={"hand_over": "Write to help@shop.example."})
    bot = knowing.model_copy(update={"knowledge": rules})
    prompt = compose(bot, [ChatMessage(role="user", content="When?")], search=pages.search)
    assert prompt.grounds == [
        "You are Fern.", "Returns > Refund time: Within 5 business days.", "Returns > Label: It is in the app.",
        "When?", "Write to help@shop.example.",
    ]  # fmt: skip


def test_an_answer_of_the_team_may_be_stated_and_not_what_another_person_asked(knowing: Bot) -> None:
    like = Passage("c" * 16, TEAM, "Is it 9 days?", "No, 5 business days.", "another")
    rules = knowing.knowledge.model_copy(update={"folder": "", "answers": 1})
    bot = knowing.model_copy(update={"knowledge": rules})
    said = [ChatMessage(role="user", content="When?")]
    prompt = compose(bot, said, search=lambda _bot, _said: Found((like,), (0.9,), "index-1"))
    assert "[1] Our team's answer > Is it 9 days?: No, 5 business days." in prompt.messages[-1]["content"]
    assert prompt.grounds == ["You are Fern.", "No, 5 business days.", "When?", rules.hand_over]


async def test_the_api_does_not_tell_what_another_person_asked(
    parts: Parts, turns: Turns, pages: Pages, bots_folder: Path, user_key: str
) -> None:
    pages.finds = (Passage("c" * 16, TEAM, "Is it 9 days?", "No, 5 business days.", "another"),)
    (bots_folder / "docs.toml").write_text(KNOWING.replace("support", "docs"))
    parts.shelf.look()
    app = FastAPI()
    app.include_router(completions_router(replace(parts, turns=turns)))
    headers = {"Authorization": f"Bearer {user_key}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://n", headers=headers) as client:
        body = {"model": "docs", "messages": [{"role": "user", "content": "When?"}]}
        reply = (await client.post("/v1/chat/completions", json=body)).json()
    assert reply["nightschool"]["sources"] == [{"document": TEAM, "heading": "", "passage_id": "c" * 16}]
