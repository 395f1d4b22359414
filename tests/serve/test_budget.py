"""What is left out where a prompt and its answer would not fit, in which order, and what never is."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest

from collect import conversations
from nightschool.errors import EngineError
from nightschool.knowledge import Found, Passage
from nightschool.knowledge_part import KnowledgePart
from nightschool.records import ChatMessage, Sampling
from nightschool.tools import CalledFunction, Tool, ToolCall
from serve.budget import Fitted, at_most, fit
from serve.chat.markup import draw_answer
from serve.chat.views import Place
from serve.parts import Parts
from serve.prompting import Prompt
from serve.turns import Turns
from serve.words.english import ENGLISH

from .chat.test_chat_handlers import ask, handlers_of

PASSAGES = tuple(Passage(f"p{n}", "Page", f"Part {n}", "word " * 40) for n in range(3))
FOUND = Found(PASSAGES, (0.9, 0.8, 0.7), "index-1")


def talk(turns: int) -> tuple[ChatMessage, ...]:
    said: list[ChatMessage] = []
    for number in range(turns):
        said += [
            ChatMessage(role="user", content=f"question{number} " + "q " * 20),
            ChatMessage(role="assistant", content=f"answer{number} " + "a " * 20),
        ]
    return (*said, ChatMessage(role="user", content="the last one"))


def prompt_of(*, turns: int = 3, found: Found = FOUND) -> Prompt:
    return Prompt("You are Fern.", talk(turns), KnowledgePart(folder="pages"), found)


async def count_words(messages: Sequence[ChatMessage], tools: Sequence[Tool] = ()) -> int:
    return sum(len(message["content"].split()) for message in messages) + 10 * len(tools)


async def fit_into(context_tokens: int, prompt: Prompt, *, max_tokens: int = 40) -> Fitted:
    sampling = Sampling(max_tokens=max_tokens)
    return await fit(prompt, sampling, context_tokens=context_tokens, count=count_words)


async def test_what_fits_stays_as_it_is_and_is_not_even_counted() -> None:
    async def never(_messages: Sequence[ChatMessage], _tools: Sequence[Tool]) -> int:
        raise AssertionError

    prompt = prompt_of()
    sampling = Sampling(max_tokens=40)
    limit = at_most(prompt.messages) + 40
    assert await fit(prompt, sampling, context_tokens=limit, count=never) == Fitted(prompt, sampling)


async def test_the_worst_passages_go_first_and_then_the_oldest_turns() -> None:
    prompt = prompt_of()
    whole = await count_words(prompt.messages)
    kept: list[tuple[int, int]] = []
    for context_tokens in range(whole + 40, 60, -1):
        fitted = await fit_into(context_tokens, prompt)
        now = (len(fitted.prompt.found.passages), fitted.prompt.turns_left_out)
        kept += [now] if now not in kept else []
        assert await count_words(fitted.prompt.messages) + fitted.sampling.max_tokens <= context_tokens
        assert fitted.prompt.found.passages == PASSAGES[: now[0]]
        assert fitted.prompt.said == prompt.said[2 * now[1] :]
        assert fitted.prompt.messages[0]["content"] == "You are Fern."
        assert fitted.prompt.messages[-1]["content"].endswith("the last one")
    assert kept == [(3, 0), (2, 0), (1, 0), (0, 0), (0, 1), (0, 2), (0, 3)]


async def test_an_answer_is_shortened_rather_than_all_else_left_out() -> None:
    prompt = prompt_of()
    whole = await count_words(prompt.messages)
    fitted = await fit_into(2 * whole, prompt, max_tokens=100_000)
    assert (fitted.prompt, fitted.sampling.max_tokens) == (prompt, whole)


async def test_a_question_that_is_too_long_by_itself_is_left_to_the_engine() -> None:
    prompt = Prompt("You are Fern.", (ChatMessage(role="user", content="long " * 500),), KnowledgePart())
    fitted = await fit_into(300, prompt)
    assert fitted == Fitted(prompt, Sampling(max_tokens=40))


async def test_a_call_and_what_it_found_stay_together_with_their_question() -> None:
    call = ToolCall(id="c1", type="function", function=CalledFunction(name="look", arguments='{"a": 1}'))
    called: list[ChatMessage] = [
        ChatMessage(role="assistant", content="", tool_calls=(call,)),
        ChatMessage(role="tool", content="found " * 30, tool_call_id="c1"),
    ]
    old = [ChatMessage(role="user", content="old " * 30), *called, ChatMessage(role="assistant", content="told " * 30)]
    said = (*old, ChatMessage(role="user", content="new " * 30), *called)
    prompt = Prompt("You are Fern.", said, KnowledgePart(), tools=({"type": "function"},))
    for room in range(90, 260, 10):
        kept = (await fit_into(room, prompt, max_tokens=10)).prompt.said
        assert kept in (said, said[4:])
    # What a tool found, what was called and which tools there are take room, each.
    assert at_most(called) > at_most([ChatMessage(role="tool", content="found " * 30)]) + len('{"a": 1}')
    assert at_most(called, prompt.tools) > at_most(called) + len('{"type": "function"}')


async def test_an_engine_that_is_away_says_so_when_it_is_asked() -> None:
    async def fail(_messages: Sequence[ChatMessage], _tools: Sequence[Tool]) -> int:
        raise EngineError("is away", subject="engine", remedy="Wait.")

    prompt = prompt_of()
    sampling = Sampling(max_tokens=40)
    assert await fit(prompt, sampling, context_tokens=100, count=fail) == Fitted(prompt, sampling)


@pytest.mark.parametrize("text", ["Wo ist mein Paket?", "荷物はどこですか。", "🌱" * 50, "x" * 500])
def test_bytes_are_never_fewer_than_tokens(text: str) -> None:
    assert at_most([ChatMessage(role="user", content=text)]) > len(text.encode())


async def test_a_long_chat_goes_on_and_the_page_says_once_what_was_left_out(parts: Parts) -> None:
    fitted = partial(fit, context_tokens=120, count=count_words)
    turns = Turns(parts.store, parts.engine, parts.rollout, metrics=parts.metrics, fit=fitted)
    handlers = handlers_of(replace(parts, turns=turns))
    place = Place("browser:anna", "support")
    for number in range(6):
        place = await ask(handlers, place, f"number {number} " + "word " * 14)
    lines = (await handlers.open(place)).lines
    answers = [line for line in lines if line.role == "assistant"]
    assert len(answers) == 6
    told = [ENGLISH.line.forgotten in draw_answer(line, ENGLISH.line) for line in answers]
    assert told.count(True) == 1
    first = told.index(True)
    kept = await parts.store.read(partial(conversations.conversation_messages, conversation_id=place.conversation_id))
    left_out = [message.turns_left_out for message in kept if message.role == "assistant"]
    assert left_out[:first] == [0] * first
    assert left_out[first:] == list(range(1, 7 - first))
