"""What a foreign file's row may bring beside plain conversations: trees of answers with opinions, and later opinions.

Ids are the file's own; who brings them into a record makes names of ours from them (`collect.brought`). An answer of a
tree counts 0 unless its row says that it is to be learnt: what a machine said is not taught for having been recorded.
Does not know files, nor the record.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

from nightschool.errors import InvalidInput
from nightschool.records import Vote
from nightschool.scores import ScoreValue, check_score
from nightschool.text import clean_text

MAX_CONTENT_CHARS: Final = 100_000
MAX_NAME_CHARS: Final = 200
IMPORTER: Final = "import"
"""Whose a conversation, a vote or a ruling is where the file names nobody."""
Role = Literal["system", "user", "assistant"]


class Row(NamedTuple):
    line: int
    value: dict[str, Any]
    text: str = ""
    """As it came, where it is at hand."""


class Unfit(Exception):
    """A row that cannot be read; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Voice:
    """What one person thinks of an answer."""

    voter: str
    vote: Vote
    reasons: tuple[str, ...] = ()
    comment: str = ""
    voted_at: datetime | None = None
    """None: when it is imported."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A named score (`nightschool.scores`) that a person or a program gave."""

    voter: str
    name: str
    value: ScoreValue
    said_at: datetime | None = None
    """None: when it is imported."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person says should have been answered."""

    reviewer: str
    text: str
    tags: tuple[str, ...] = ()
    corrected_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Said:
    message_id: str
    parent_id: str | None
    role: Role
    content: str
    weight: int = 0
    said_at: datetime | None = None
    is_whole: bool = True
    """False for a turn that was no text for a person, such as a call of a tool: never imitated."""
    voices: tuple[Voice, ...] = ()
    measures: tuple[Measure, ...] = ()
    correction: Correction | None = None


@dataclass(frozen=True, slots=True)
class ParsedTree:
    line: int
    origin: str
    """The programme whose ids these are."""
    conversation_id: str
    messages: tuple[Said, ...]
    """Parents first."""
    owner: str = IMPORTER
    title: str = ""
    begun_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ParsedNote:
    """An opinion on something that another file brought."""

    line: int
    origin: str
    target_id: str
    """Of a message, or of a conversation, which means its last answer; a measure is of the whole then."""
    voice: Voice | None = None
    measure: Measure | None = None
    correction: Correction | None = None


def said_text(text: Any, *, what: str) -> str:
    """A text as it is kept. Raises Unfit, or InvalidInput for half of a surrogate pair."""
    if not isinstance(text, str):
        raise Unfit(f"{what} is no text")
    if len(text) > MAX_CONTENT_CHARS:
        raise Unfit(f"{what} has more than {MAX_CONTENT_CHARS} characters")
    return clean_text(text, subject=what)


def person(origin: str, name: Any) -> str:
    """Whom another programme knows by this name. Raises as `said_text` does."""
    return f"{origin}:{said_text(str(name), what='a name')[:MAX_NAME_CHARS]}"


def measure_of(voter: str, name: Any, value: Any, *, said_at: datetime | None = None) -> Measure:
    """Raises Unfit where it is no named score, and as `said_text` does."""
    named = said_text(name, what="name").strip()
    kept = said_text(value, what="value").strip() if isinstance(value, str) else value
    try:
        return Measure(voter, named, check_score(named, kept), said_at)
    except InvalidInput as error:
        raise Unfit(f"{error.subject} {error.problem}") from error


def path_id(parent_id: str | None, role: str, content: str) -> str:
    """The same for the same words after the same words, so that branches of one prompt share it."""
    return hashlib.sha256(json.dumps([parent_id, role, content]).encode()).hexdigest()[:32]


def chain(turns: Sequence[tuple[Role, str]], *, after: str | None = None) -> list[Said]:
    """Turns one below the other, as context."""
    said: list[Said] = []
    for role, content in turns:
        parent_id = said[-1].message_id if said else after
        said.append(Said(path_id(parent_id, role, content), parent_id, role, content))
    return said


def moment(value: Any) -> datetime | None:
    """Seconds since 1970, or ISO 8601, without a zone as UTC; None where it is neither."""
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None
