"""What chat programs say beside a question: whose it is, by which id they know the answer, or that nobody asked it.

Such programs have the model write titles, tags and what to ask next. Open WebUI tells by headers that an administrator
gives its connection (docs/clients.md); programs that send none are known by the wording they come with. Does not know
what becomes of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from nightschool.records import ChatMessage
from serve.api.faults import BadParameter

TASK: Final = "x-nightschool-task"
MESSAGE: Final = "x-nightschool-message"
USER: Final = "x-nightschool-user"
MAX_CHARS: Final = 200
WORDINGS: Final[tuple[tuple[str, str], ...]] = (
    ("### Task:\n", "<chat_history>"),
    ("### Task:\nSummarize the conversation history", "### Messages Being Compacted"),
    ("Provide a concise, 5-word-or-less title for the conversation, using title case conventions.", "Conversation:"),
    ("Analyze this conversation and provide:\n1. The detected language of the conversation", "2. A concise title"),
)
"""How Open WebUI's begin, and LibreChat's for titles, and what else they hold."""


@dataclass(frozen=True, slots=True)
class ToldByClient:
    is_task: bool
    """Nobody asked: the program wants it for itself."""
    message: str
    """The program's own id of the answer to come; empty where it gives none."""
    user: str
    """Whom the program asks for; empty where it does not say."""


def read_client(headers: Mapping[str, str], messages: Sequence[ChatMessage]) -> ToldByClient:
    """Raises BadParameter for a header that is too long or no text."""
    task, message, user = (_read(headers, name) for name in (TASK, MESSAGE, USER))
    return ToldByClient(bool(task) or _is_worded_so(messages), message, user)


def _read(headers: Mapping[str, str], name: str) -> str:
    told = headers.get(name, "").strip()
    if len(told) > MAX_CHARS or not told.isprintable():
        raise BadParameter(f"has at most {MAX_CHARS} characters that are seen", param=name, openai_code="invalid_value")
    return told


def _is_worded_so(messages: Sequence[ChatMessage]) -> bool:
    spoken = [message["content"] for message in messages if message["role"] != "system"]
    if len(spoken) != 1:
        return False
    text = spoken[0].lstrip()
    return any(text.startswith(begin) and also in text for begin, also in WORDINGS)
