"""The guard of one turn: by its bot's rules, on what its prompt stands on, with the engine for a second try.

Does not know how facts are checked (`eval.guard`), nor who reads the answer.
"""

import json
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import asdict, replace

from eval.guard import Guard, Held, Second
from nightschool.engine import ChatRequest, Engine
from nightschool.knowledge import Passage
from nightschool.records import new_id
from serve.prompting import Prompt


def guard_of(prompt: Prompt, request: ChatRequest, engine: Engine) -> Guard | None:
    """None where the bot's answers stand on nothing, or it has no guard."""
    rules = prompt.rules
    if not rules.is_grounded or rules.guard == "off":
        return None

    async def retry(passage: Passage) -> Second:
        wishes = replace(request.wishes, tool_choice="none") if request.wishes.tools else request.wishes
        again = replace(request, messages=prompt.standing_on([passage]), request_id=new_id(), wishes=wishes)
        text, last = "", None
        async with aclosing(engine.stream(again)) as deltas:
            async for last in deltas:
                text += last.text
        return Second(text, last.prompt_tokens, last.completion_tokens, last.finish) if last else Second("")

    return Guard(rules, prompt.grounds, prompt.found, retry, is_form=request.wishes.response_format is not None)


def hands_over(held: str) -> bool:
    """Whether an answer of which this was held back, as the record keeps it, points to the team instead."""
    return any(one["then"] == "hand-over" for one in json.loads(held)) if held else False


def held_json(held: Sequence[Held]) -> str:
    """As the record keeps it; empty where nothing was held back."""
    return json.dumps([asdict(one) for one in held], ensure_ascii=False) if held else ""
