"""What the chat page shows and remembers, as plain values. Knows no component, and not where the values come from."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Self

from collect.chat_settings import ChatSettings
from collect.conversations import ConversationSummary
from deploy.fates import Fate
from nightschool.bots import Bot
from nightschool.knowledge import Passage
from nightschool.records import Feedback, Finish, Vote


@dataclass(frozen=True, slots=True)
class Place:
    """What a browser remembers of where it is; nothing in it is trusted."""

    owner: str
    bot: str = ""
    conversation_id: str = ""
    shown: tuple[str, ...] = ()
    """Ids of the messages on the page, in order; empty for one that is not recorded yet."""
    address: str = ""
    """From where it asks; never kept as it is."""

    @property
    def newest(self) -> str | None:
        return next((message_id for message_id in reversed(self.shown) if message_id), None)


@dataclass(frozen=True, slots=True)
class Line:
    """One message as shown."""

    message_id: str
    role: Literal["user", "assistant"]
    text: str
    version: str = ""
    """`support@3`, on answers; `support@verified` where no version made one."""
    finish: Finish | None = None
    vote: Vote = Vote.NONE
    fate: Fate | None = None
    """What became of the vote, where a version was trained on it or is judged by it."""
    siblings: tuple[str, ...] = ()
    """Ids of all that was said in this place, this message's among them; empty while it is not recorded."""
    sources: tuple[Passage, ...] = ()
    """What of the bot's documents an answer stood on, as far as people are to see it."""
    hands_over: bool = False
    """An answer that says of a question that the team knows it, since nothing else stood on the bot's documents."""
    has_forgotten: bool = False
    """The first answer that was given without the oldest turns."""
    beside: Self | None = None
    """Another answer to the same question, for its person to say which of the two is better."""
    is_beside_left: bool = False


@dataclass(frozen=True, slots=True)
class ChatView:
    """The page's middle."""

    bot: Bot
    conversation_id: str
    lines: tuple[Line, ...]


Look = Callable[[Place], Awaitable[ChatView]]
"""The conversation as its owner sees it; an empty view for anybody else."""


@dataclass(frozen=True, slots=True)
class Lists:
    """The page's margins."""

    bots: tuple[Bot, ...]
    conversations: tuple[ConversationSummary, ...]
    settings: ChatSettings
    """Of the open one."""


@dataclass(frozen=True, slots=True)
class Rated:
    """A vote as it stands in the record."""

    lines: tuple[Line, ...]
    feedback: Feedback
