"""The larger model that grades for callers: the one of a bot's `[judge]`, where the settings name that bot.

Looked up anew for each question, so that a changed file counts at once. What it is asked leaves the machine. Does not
know what that is.
"""

import threading
from collections.abc import Sequence
from typing import Final

from eval.graders.judged import Ask
from nightschool.bots import BotShelf
from nightschool.endpoint import Endpoint, NoAnswer, Said
from nightschool.judge_part import JudgePart
from nightschool.records import ChatMessage

MAX_TOKENS: Final = 2048
"""Of a reply of one word: some models think aloud before it."""


def find_judge(shelf: BotShelf, bot: str) -> JudgePart | None:
    """None where no bot is named, or the one that is has no judge. Raises NotFound where there is no such bot."""
    part = shelf.find(bot).judge if bot else None
    return part if part and part.url else None


def ask_by(shelf: BotShelf, bot: str, *, ended: threading.Event) -> Ask:
    """Once `ended` is set no busy endpoint is waited for."""

    def pause(pause_s: float) -> None:
        if ended.wait(pause_s):
            raise NoAnswer("the server is stopping")

    def ask(model: str, messages: Sequence[ChatMessage]) -> Said:
        part = find_judge(shelf, bot)
        if part is None or part.model != model:
            raise NoAnswer(f"{model} does not grade here any more")
        endpoint = Endpoint(
            url=part.url, model=model, key_variable=part.key_variable, timeout_s=part.timeout_s,
            max_tokens=MAX_TOKENS, pause=pause,
        )  # fmt: skip
        try:
            return endpoint.answer(messages)
        finally:
            endpoint.close()

    return ask
