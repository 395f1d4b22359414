"""The nouns that every room shares: who said what, who voted how, which adapter exists in which stage.

Plain frozen records without behaviour beyond their own names. They do not know how they are stored (collect), trained
on (tune), scored (eval) or moved (deploy). Times are aware UTC; ids are UUID strings made by the caller, so that a
retried write is the same write.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Final, Literal, NamedTuple, NewType, NotRequired, Self
from uuid import uuid4

# Not typing's: pydantic needs this one below Python 3.12.
from typing_extensions import TypedDict

from nightschool.tools import ToolCall

BotName = NewType("BotName", str)
BOT_NAME_PATTERN: Final = r"^[a-z][a-z0-9-]{0,39}$"
BASE: Final = "base"
Role = Literal["system", "user", "assistant", "tool"]
"""Of a message; `tool` is what a caller's program found where an answer called a tool of its own."""

Figures = Mapping[str, float]


def utc_now() -> datetime:
    return datetime.now(UTC)


def new_id() -> str:
    return str(uuid4())


class ChatMessage(TypedDict):
    """OpenAI's chat message, with the calls of tools that it makes or the one that it answers.

    `weight` 0 keeps an assistant message out of the loss (OpenAI fine-tuning format).
    `origin` says in a dataset's rows by whose word an answer is learnt (`tune.words.Word`).
    """

    role: Role
    content: str
    weight: NotRequired[int]
    origin: NotRequired[str]
    tool_calls: NotRequired[tuple[ToolCall, ...]]
    tool_call_id: NotRequired[str]


class Vote(StrEnum):
    UP = "up"
    DOWN = "down"
    NONE = "none"


class VoteState(StrEnum):
    """What holds for a vote that a screen stopped once."""

    STOPPED = "stopped"
    KEPT = "kept"
    RELEASED = "released"


class Choice(StrEnum):
    """Which of two answers, as they stood, somebody found better."""

    LEFT = "left"
    RIGHT = "right"
    SAME = "same"
    BOTH_BAD = "both-bad"


class Stage(StrEnum):
    """Where an adapter stands; the legal moves between stages are `deploy.stages.MOVES`."""

    CANDIDATE = "candidate"
    SHADOW = "shadow"
    CANARY = "canary"
    PRODUCTION = "production"
    PREVIOUS = "previous"
    RETIRED = "retired"
    TAINTED = "tainted"


class Outcome(StrEnum):
    PROMOTE = "promote"
    REJECT = "reject"
    INSUFFICIENT_DATA = "insufficient-data"
    HOLD = "hold"
    """Of a night, never of a verdict: the candidate passed, and what a person did keeps it from going live."""


class Finish(StrEnum):
    """Why an answer ended. PARTIAL: stopped by the person, a closed tab or a shutdown; ERROR: the engine failed.
    TOOL_CALLS: the caller's program is to run tools and to send what they found."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    PARTIAL = "partial"
    ERROR = "error"


class Source(StrEnum):
    """How a message came to us. CLIENT: history that an API caller sent along; no engine of ours made it.
    VERIFIED: an operator's words, served as they stand; no engine made it either."""

    CHAT = "chat"
    API = "api"
    CLIENT = "client"
    VERIFIED = "verified"
    IMPORT = "import"


class AdapterName(NamedTuple):
    """`support@3`; `version` None is the bare base model, written `support@base`. The engine knows it by this name."""

    bot: BotName
    version: int | None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The name in `text`, or None where it is not one."""
        match = re.fullmatch(r"([a-z][a-z0-9-]{0,39})@(base|[1-9][0-9]{0,8})", text)
        if match is None:
            return None
        return cls(BotName(match[1]), None if match[2] == BASE else int(match[2]))

    def __str__(self) -> str:
        return f"{self.bot}@{BASE if self.version is None else self.version}"


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the engine draws words. Temperature 0 is greedy."""

    temperature: float = 0.7
    top_p: float = 0.95
    max_tokens: int = 256
    repetition_penalty: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    conversation_id: str
    bot: BotName
    owner: str
    """Whose it is: a browser's id, or `key:NAME` of an API key, or `import`."""
    source: Source
    title: str
    created_at: datetime
    is_held_out: bool | None = None
    """True or False where an import said so; None lets the night decide by hash."""


@dataclass(frozen=True, slots=True)
class Message:
    """One node of a conversation's tree; `version` and what follows are set on answers that our engine made."""

    message_id: str
    conversation_id: str
    bot: BotName
    parent_id: str | None
    role: Role
    content: str
    source: Source
    created_at: datetime
    version: int | None = None
    adapter_hash: str = ""
    """Content hash of the adapter that answered; empty for the base model and for people."""
    finish: Finish | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    first_token_s: float | None = None
    duration_s: float | None = None
    sampling_json: str = "{}"
    passage_ids: tuple[str, ...] = ()
    """Of the passages that stood in its prompt, best first."""
    index_hash: str = ""
    """Content hash of the index in which they were found; empty where none was asked."""
    system_hash: str = ""
    """Of the system prompt that it was given; empty where none is known."""
    held_json: str = ""
    """What was not said since it stood on nothing (`eval.guard.Held`), a list; empty where there is none."""
    turns_left_out: int = 0
    """The oldest of its conversation, for which its prompt had no room."""
    base_model: str = ""
    """On which it was given, by `nightschool.identity.identify_base`; empty where that is not known."""
    metadata_json: str = ""
    """What its caller noted beside the question (OpenAI's `metadata`); empty where there was none."""
    tools_json: str = ""
    """What of it is no text (`nightschool.tools`): its calls of tools, or which call it answers; empty where all is."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What one person thinks of one answer, as it stands now; the history is kept beside it."""

    message_id: str
    bot: BotName
    voter: str
    vote: Vote
    reasons: tuple[str, ...]
    comment: str
    ideal_answer: str
    voted_at: datetime


@dataclass(frozen=True, slots=True)
class Review:
    """An operator's word on an answer.

    `approved` lets `corrected_answer` into training in the answer's place. As stored, that is the answer's own text
    where it was approved as it is, and empty where it was turned down.
    """

    message_id: str
    bot: BotName
    reviewer: str
    approved: bool
    corrected_answer: str
    tags: tuple[str, ...]
    reviewed_at: datetime


@dataclass(frozen=True, slots=True)
class Adapter:
    bot: BotName
    version: int
    content_hash: str
    folder: str
    """Relative to the data folder; immutable once registered."""
    stage: Stage
    cycle_id: str
    dataset_hash: str
    created_at: datetime
    has_passing_verdict: bool = False
    live_at: datetime | None = None
    """When it last became production; None where it never was."""
    tainted_at: datetime | None = None
    """When something that it had learnt was erased; it may answer on until a clean one takes its place."""

    @property
    def name(self) -> AdapterName:
        return AdapterName(self.bot, self.version)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the audit: who did what to which thing, when and why."""

    event_id: str
    at: datetime
    bot: BotName
    actor: str
    action: str
    subject: str
    reason: str


class Moved(NamedTuple):
    """An adapter in its new stage, the stage that the mover saw it in, and the event that says so."""

    adapter: Adapter
    before: Stage
    event: Event


class CycleState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Cycle:
    """One night of one bot. `local_date` is set for scheduled nights and unique per bot."""

    cycle_id: str
    bot: BotName
    trigger: Literal["schedule", "catch-up", "operator"]
    local_date: date | None
    state: CycleState
    step: str
    progress: float
    """0..1 within `step`."""
    started_at: datetime
    finished_at: datetime | None = None
    candidate: int | None = None
    outcome: Outcome | None = None
    reasons: tuple[str, ...] = ()
    figures_json: str = "{}"
