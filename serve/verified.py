"""Which turns may be answered by an operator's own words, as they stand.

Only the first question of a conversation, only where nobody asked for one version, and only where the caller wants an
answer as the bot gives it. Does not know how near is near enough (`collect.verified`), nor how an answer is handed on.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from collect.stored_completions import StoredCompletion
from collect.verified.pairs import Hit
from nightschool.records import AdapterName, BotName, Message, Sampling, Source

Verify = Callable[[BotName, str], Awaitable[Hit | None]]
"""The verified answer to a question; None where none is sure enough."""
VERIFIED: Final = "verified"
"""In place of a version: who answered is no adapter."""


async def verify_nothing(_bot: BotName, _question: str) -> Hit | None:
    """For an installation that serves no verified answers."""
    return None


def may_be_verified(asked: Sequence[Message], sampling: Sampling, *, usual: Sampling) -> bool:
    """Whether a turn asks for no more than an answer to a first question: `usual` is the bot's own sampling, and a
    caller who cuts answers shorter, or stops them at a word, is given the engine's."""
    return (
        len(asked) == 1
        and asked[0].parent_id is None
        and sampling.max_tokens >= usual.max_tokens
        and sampling.stop == usual.stop
    )


def answered_by(answer: Message | StoredCompletion) -> str:
    """`support@3`, or `support@verified`."""
    if answer.source is Source.VERIFIED:
        return f"{answer.bot}@{VERIFIED}"
    return str(AdapterName(answer.bot, answer.version))


def is_verified(version: str) -> bool:
    """Whether it is what `answered_by` says of a verified answer."""
    return version.endswith(f"@{VERIFIED}")
