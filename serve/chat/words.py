"""What went wrong, for the people who use the chat: one plain sentence, with no word of the machine's.

An operator reads the error itself in the log and the console; a visitor has no use for its subject and remedy.
"""

import html
from typing import Final

from nightschool.errors import (
    Busy,
    ContextTooLong,
    EngineError,
    InvalidInput,
    NotAllowed,
    NotFound,
    TooManyRequests,
    Unavailable,
)

UNKNOWN: Final = "That did not work. Try again in a moment."


def plain(error: Exception) -> str:
    """The sentence for a visitor."""
    match error:
        case TooManyRequests():
            return f"That is a lot at once. Try again in {error.retry_after_s} s."
        case Busy():
            return "The last answer is still being written. Wait for it or stop it."
        case ContextTooLong():
            return "This is more than the assistant can keep in mind. Shorten it, or start a new chat."
        case InvalidInput(param="contact"):
            return "This is no e-mail address. Write it as name@example.com, or leave it out."
        case InvalidInput():
            return "This cannot be sent as it is. Shorten it or write it in other words."
        case NotAllowed():
            return "This is not offered here."
        case NotFound():
            return "This is not here any more. Reload the page."
        case EngineError():
            return "The answer failed. Try again."
        case Unavailable():
            return "The assistant is away for a moment. Try again soon."
        case _:
            return UNKNOWN


def draw_trouble(sentence: str) -> str:
    return f'<p class="ns-trouble" role="alert">{html.escape(sentence)}</p>'
