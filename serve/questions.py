"""What may be asked, and by which title a conversation is listed that begins with it. Pure."""

from typing import Final

from nightschool.errors import InvalidInput
from nightschool.text import clean_text

TITLE_CHARS: Final = 60
MAX_QUESTION_CHARS: Final = 20_000


def title_of(question: str) -> str:
    return " ".join(question.split())[:TITLE_CHARS]


def check_question(text: str) -> str:
    """The question without what nobody sees. Raises InvalidInput for an empty and for an overlong one."""
    text = clean_text(text, subject="question", param="messages")
    if not text.strip():
        raise InvalidInput("is empty", subject="question", remedy="Write something.", param="messages")
    if len(text) > MAX_QUESTION_CHARS:
        raise InvalidInput(
            f"has {len(text)} characters, more than {MAX_QUESTION_CHARS}",
            subject="question",
            remedy="Shorten it.",
            param="messages",
        )
    return text
