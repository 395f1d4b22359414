"""What chat programs send beside questions: their own tasks leave no trace, and their thumbs find the answer."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import httpx
import openai
import pytest

from collect import conversations
from collect.feedback import feedback_of
from nightschool.records import BotName, Vote
from serve.parts import Parts

PATH = "/v1/chat/completions"
FUNCTION = Path(__file__).parents[3] / "docs" / "examples" / "openwebui_thumbs.py"
TITLE = "### Task:\nGenerate a concise title summarizing the chat history.\n### Guidelines:\n- Keep it short: 2-4 words is best.\n### Chat History:\n<chat_history>\nUSER: How long may I return a planter?\nASSISTANT: 30 days.\n</chat_history>"  # noqa: E501
LIBRE_TITLE = "Provide a concise, 5-word-or-less title for the conversation, using title case conventions. Only return the title itself.\n\nConversation:\nUser: How long?\nAI: 30 days."  # noqa: E501
DOCUMENTS = "### Task:\nRespond to the user query using the provided context, incorporating inline citations.\n<context>\n30 days.\n</context>\n\nHow long?"  # noqa: E501
ANSWER_ID = "a8c2c6b2-0d7e-4f0b-9b3d-2f1e5f0d9a11"


def asks(text: str) -> dict[str, Any]:
    return {"model": "support", "messages": [{"role": "user", "content": text}], "stream": False}


async def owners(parts: Parts) -> list[str]:
    """Of all conversations of the bot."""
    rows = await parts.store.read(lambda cursor: cursor.execute("select owner from conversations").fetchall())
    return [row[0] for row in rows]


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        (TITLE, {}),
        (LIBRE_TITLE, {}),
        ("Name three tags for this chat.", {"X-Nightschool-Task": "tags_generation"}),
    ],
)
async def test_what_a_program_asks_for_itself_leaves_no_trace(
    client: httpx.AsyncClient, parts: Parts, text: str, headers: dict[str, str]
) -> None:
    for stream in (False, True):
        reply = await client.post(PATH, json=asks(text) | {"stream": stream, "store": True}, headers=headers)
        assert reply.status_code == 200
        assert reply.headers["x-nightschool-recorded"] == "false"
        assert "echo" in reply.text
    assert await owners(parts) == []
    assert "nightschool_answers_total{" not in (await client.get("/metrics")).text
    assert (await client.get(PATH)).json()["data"] == []


@pytest.mark.parametrize("text", [DOCUMENTS, "### Task: where is my parcel?", f"What does this mean? {TITLE}"])
async def test_a_question_of_a_person_is_recorded_however_it_is_worded(
    client: httpx.AsyncClient, parts: Parts, text: str
) -> None:
    # An empty header is how Open WebUI says that it is no task.
    reply = await client.post(PATH, json=asks(text), headers={"X-Nightschool-Task": ""})
    assert "x-nightschool-recorded" not in reply.headers
    assert await owners(parts) == ["key:reader"]


async def test_people_behind_a_program_are_told_apart(client: httpx.AsyncClient, parts: Parts) -> None:
    for user in ("anna", "ben", "anna"):
        await client.post(PATH, json=asks("hello"), headers={"X-Nightschool-User": user})
    found = await owners(parts)
    assert len(found) == 3
    assert len({owner for owner in found if owner.startswith("key:reader/user-")}) == 2


@pytest.mark.parametrize("name", ["X-Nightschool-Task", "X-Nightschool-Message", "X-Nightschool-User"])
@pytest.mark.parametrize("value", ["x" * 201, "a\x7fb"])
async def test_a_header_that_says_nothing_is_refused(client: httpx.AsyncClient, name: str, value: str) -> None:
    reply = await client.post(PATH, json=asks("hello"), headers={name: value})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, name.lower())


async def test_an_answer_is_found_by_the_programs_own_id(mine: openai.AsyncOpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "hello"}]
    made = await mine.chat.completions.create(
        model="support", messages=messages, metadata={"topic": "a"}, extra_headers={"X-Nightschool-Message": ANSWER_ID}
    )
    [found] = (await mine.chat.completions.list(metadata={"message": ANSWER_ID})).data
    assert found.id == made.id
    assert found.to_dict()["metadata"] == {"message": ANSWER_ID, "topic": "a"}


@pytest.fixture
def thumb(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Open WebUI's feedback, as its function reads it from there."""
    kept: dict[str, Any] = {}

    async def get_feedback_by_id(name: str) -> Any:
        return kept.get(name)

    module = ModuleType("open_webui.models.feedbacks")
    module.Feedbacks = SimpleNamespace(get_feedback_by_id=get_feedback_by_id)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "open_webui", ModuleType("open_webui"))
    monkeypatch.setitem(sys.modules, "open_webui.models", ModuleType("open_webui.models"))
    monkeypatch.setitem(sys.modules, module.__name__, module)

    def keep(message: str, **data: Any) -> dict[str, Any]:
        kept["f1"] = SimpleNamespace(data=data, meta={"message_id": message, "chat_id": "c1"})
        return {"event": "feedback.created", "subject": {"type": "feedback", "id": "f1"}}

    return keep


async def test_thumbs_of_open_webui_are_votes(
    mine: openai.AsyncOpenAI, url: str, user_key: str, parts: Parts, thumb: Callable[..., dict[str, Any]]
) -> None:
    spec = importlib.util.spec_from_file_location("openwebui_thumbs", FUNCTION)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function = module.Event()
    function.valves = module.Event.Valves(url=f"{url}/v1", api_key=user_key)
    messages: list[Any] = [{"role": "user", "content": "hello"}]
    made = await mine.chat.completions.create(
        model="support", messages=messages, extra_headers={"X-Nightschool-Message": ANSWER_ID}
    )

    async def vote() -> Any:
        return await parts.store.read(lambda cursor: feedback_of(cursor, message_id=made.id, voter="key:reader"))

    await function.event(thumb(ANSWER_ID, rating=1, reason="accurate_information", comment="Clear."))
    given = await vote()
    assert (given.vote, given.reasons, given.comment) == (Vote.UP, ("accurate_information",), "Clear.")
    await function.event(thumb(ANSWER_ID, rating="-1"))
    changed = await vote()
    assert (changed.vote, changed.reasons, changed.comment) == (Vote.DOWN, (), "")
    # Another server's answer, and what is no thumb.
    await function.event(thumb("unknown", rating=1))
    await function.event(thumb(ANSWER_ID, rating=1) | {"event": "chat.finished"})
    assert (await vote()).vote is Vote.DOWN
    assert await parts.store.read(
        lambda cursor: conversations.conversations_of(cursor, bot=BotName("support"), owner="key:reader")
    )
