"""Code in the colours of its language: spans whose classes `style.css` paints for light and dark.

By the name that stands at a fence; code without one, or in a language that nobody knows, is shown as it is. Not a
letter is changed. Does not know Markdown.
"""

import html
from functools import lru_cache
from typing import Final

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES
from pygments.util import ClassNotFound

PREFIX: Final = "hl-"
MAX_CHARS: Final = 20_000
"""Beyond it colours cost more time than they help."""
KEPT_LANGUAGES: Final = 100
"""What stands at a fence is a model's to invent."""


def paint(code: str, language: str) -> str:
    """HTML for within `<code>`; `language` as it stands at the fence, such as `python` or `js title="x"`."""
    lexer = _lexer(language.split(maxsplit=1)[0].casefold()) if language.strip() else None
    if lexer is None or len(code) > MAX_CHARS:
        return html.escape(code)
    # Not through its formatter, which ends what does not with a line of its own.
    return "".join(_span(STANDARD_TYPES.get(kind), text) for _, kind, text in lexer.get_tokens_unprocessed(code))


def _span(name: str | None, text: str) -> str:
    return f'<span class="{PREFIX}{name}">{html.escape(text)}</span>' if name else html.escape(text)


@lru_cache(KEPT_LANGUAGES)
def _lexer(name: str) -> Lexer | None:
    try:
        return get_lexer_by_name(name)
    except ClassNotFound:
        return None
