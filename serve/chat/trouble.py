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
    NightschoolError,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    TooManyRequests,
    Unavailable,
)
from serve.vllm.supervisor import EngineState
from serve.words.catalogue import Words

UNASKED: Final = "ns-unasked"
"""Stands in what is drawn of a question that was refused before anything was recorded of it."""
WAITING: Final = f'<span class="{UNASKED}"></span>'
"""Unseen, from the moment at which something is asked until its answer begins."""


def plain(error: Exception, words: Words) -> str:
    """The sentence for a visitor."""
    told = words.trouble
    match error:
        case TooManyRequests():
            return told.too_many.format(seconds=error.retry_after_s)
        case Busy():
            return told.busy
        case ContextTooLong():
            return told.too_long
        case InvalidInput(param="contact"):
            return told.no_address
        case InvalidInput():
            return told.refused
        case NotAllowed():
            return told.not_offered
        case NotFound():
            return told.not_here
        case EngineError():
            return told.answer_failed
        case Unavailable():
            return told.away
        case _:
            return told.unknown


def plain_at_the_gate(error: NightschoolError, words: Words) -> str:
    """The same of what came no further than the gate."""
    match error:
        case TooManyRequests():
            return plain(error, words)
        case NotAuthenticated() | InvalidInput():
            return words.trouble.reload
        case _:
            return words.trouble.own_address


def notice_of(state: EngineState, words: Words) -> str:
    """Why no answer can come now; empty where one can."""
    match state:
        case EngineState.READY:
            return ""
        case EngineState.STARTING:
            return words.page.waking_up
        case EngineState.DOWN:
            return words.page.away


def draw_trouble(sentence: str, *, is_unasked: bool = False) -> str:
    """`is_unasked`: nothing was begun, and the talk stands as it stood."""
    kind = f"ns-trouble {UNASKED}" if is_unasked else "ns-trouble"
    return f'<p class="{kind}" role="alert">{html.escape(sentence)}</p>'
