"""What an engine is given for a turn: the bot's system prompt, what was said, and what the bot's documents say to it.

One way for the page and the API. Bots without documents and without answers of their team are prompted as ever; with
any the rendering is that of training (`nightschool.knowledge`). Does not know who asks, nor how either is searched.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from nightschool.bots import Bot
from nightschool.errors import InvalidInput
from nightschool.knowledge import Found, Passage, Search, grounds_in, render
from nightschool.knowledge_part import KnowledgePart
from nightschool.records import ChatMessage
from nightschool.tools import Tool
from serve.questions import check_question

NOTHING: Final = Found()


@dataclass(frozen=True, slots=True)
class Prompt:
    system: str
    """Empty where there is none."""
    said: tuple[ChatMessage, ...]
    """The conversation; its last message is the question, or what a tool found for it."""
    rules: KnowledgePart
    found: Found = NOTHING
    """What stands in it of the bot's documents."""
    turns_left_out: int = 0
    """The oldest, for which there was no room (`serve.budget`)."""
    tools: tuple[Tool, ...] = ()
    """Which the engine is offered beside it, since they take room."""

    @property
    def messages(self) -> tuple[ChatMessage, ...]:
        """What the engine sees."""
        return self.standing_on(self.found.passages)

    @property
    def grounds(self) -> list[str]:
        """In what an answer's fact may stand."""
        return [*grounds_in(self.messages), self.rules.hand_over]

    def standing_on(self, passages: Sequence[Passage]) -> tuple[ChatMessage, ...]:
        """The same question with other passages."""
        if self.rules.is_grounded:
            return tuple(render(self.system, self.said, passages))
        # A fine-tuned model has no prompt of its own.
        told = (ChatMessage(role="system", content=self.system),) if self.system else ()
        return (*told, *self.said)


def compose_call(bot: Bot, messages: Sequence[ChatMessage], *, search: Search) -> Prompt:
    """The prompt for what a caller sent along: system messages stand behind the bot's own prompt.

    Raises InvalidInput where the last message is no question, nor what a tool found for one.
    """
    asked = [message["content"] for message in messages if message["role"] == "user"]
    if not asked or messages[-1]["role"] not in {"user", "tool"}:
        raise InvalidInput(
            "must end with a user message", subject="messages", remedy="Put the question last.", param="messages"
        )
    check_question(asked[-1])
    extra = [message["content"] for message in messages if message["role"] == "system"]
    said = [message for message in messages if message["role"] != "system"]
    return compose(bot, said, search=search, extra=extra)


def compose(bot: Bot, said: Sequence[ChatMessage], *, search: Search, extra: Sequence[str] = ()) -> Prompt:
    """The prompt for the last of `said`, which is a question; `extra` is put behind the bot's system prompt."""
    system = "\n\n".join(filter(None, [bot.system_prompt, *extra]))
    if not bot.knowledge.is_grounded:
        return Prompt(system, tuple(said), bot.knowledge)
    found = search(bot.bot_name, [turn["content"] for turn in said if turn["role"] == "user"])
    return Prompt(system, tuple(said), bot.knowledge, found)
