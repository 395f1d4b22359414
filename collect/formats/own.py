"""What an export of ours says beside the texts, so that an import of it teaches what the record taught, and no more.

Each line's `metadata.record` holds where its messages stand in their tree, who answered, and what people and operators
said of them. A file that claims this brings rulings and votes: import only what you trust as much as your operators.
Does not know how a record keeps it (`collect.restore`).
"""

from typing import Any, Final, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    ValidationError,
    model_validator,
)

from nightschool.errors import InvalidInput
from nightschool.records import Finish, Source, Vote
from nightschool.scores import check_score
from nightschool.text import PeoplesText

KEY: Final = "record"
SCHEMA_VERSION: Final = 1


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KeptVote(_Part):
    voter: str = Field(min_length=1)
    vote: Vote
    reasons: tuple[PeoplesText, ...] = ()
    comment: PeoplesText = ""
    ideal_answer: PeoplesText = ""
    voted_at: AwareDatetime


class KeptReview(_Part):
    reviewer: str = Field(min_length=1)
    approved: bool
    corrected_answer: PeoplesText = ""
    tags: tuple[str, ...] = ()
    reviewed_at: AwareDatetime


class KeptScore(_Part):
    """A named score (`collect.scores`)."""

    voter: str = Field(min_length=1)
    name: str
    value: StrictBool | StrictFloat | PeoplesText
    said_at: AwareDatetime

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        try:
            check_score(self.name, self.value)
        except InvalidInput as error:
            raise ValueError(f"{error.subject} {error.problem}") from error
        return self


class KeptMessage(_Part):
    """The message of the same place in the line's `messages`."""

    message_id: str = Field(min_length=1)
    source: Source
    created_at: AwareDatetime
    weight: int = Field(default=1, ge=0, le=1)
    """As an import gave it; that of `messages` says what is worth learning now."""
    version: int | None = None
    adapter_hash: str = ""
    finish: Finish | None = None
    votes: tuple[KeptVote, ...] = ()
    review: KeptReview | None = None
    scores: tuple[KeptScore, ...] = ()


class Kept(_Part):
    """One path through a conversation's tree, from its first message to an answer that none follows."""

    schema_version: Literal[1] = SCHEMA_VERSION
    bot: str
    conversation_id: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    source: Source
    title: PeoplesText
    is_held_out: bool | None = None
    side: Literal["train", "held-out"] | None = None
    """What a night decided."""
    created_at: AwareDatetime
    messages: tuple[KeptMessage, ...]
    scores: tuple[KeptScore, ...] = ()
    """Of the conversation as a whole."""


def read_kept(metadata: Any) -> Kept | None:
    """What `metadata` says of ours; None where it is somebody else's. Raises ValueError, which names the fault."""
    if not isinstance(metadata, dict) or KEY not in metadata:
        return None
    try:
        return Kept.model_validate(metadata[KEY])
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(map(str, ("metadata", KEY, *fault["loc"])))
        raise ValueError(f"{where}: {fault['msg'].lower()}") from error
