"""Turn what people and models wrote into the Markdown that the chatbot draws, with nothing of it alive.

A person's text is shown letter for letter. An answer keeps its Markdown, but a tag outside code is shown as text: the
chatbot's sanitiser would drop it silently, and a reader would miss what was said. Does not know the chatbot's events.
"""

import html
import re
from typing import Final

from nightschool.records import Finish, Vote
from serve.chat.handlers import Line

MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]()#+\-.!|~$:/@=^\"'>])")
CODE: Final = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]+`)", re.DOTALL)
LEADING_SPACES: Final = re.compile(r"^[ \t]+", re.MULTILINE)
NO_BREAK_SPACE: Final = "\u00a0"
ENDINGS: Final = {Finish.PARTIAL: "stopped", Finish.LENGTH: "cut at its longest", Finish.ERROR: "failed"}
THUMBS: Final = {Vote.UP: "Like", Vote.DOWN: "Dislike"}


def draw_line(line: Line) -> dict[str, object]:
    """The chatbot's message."""
    text = draw_question(line.text) if line.role == "user" else draw_answer(line)
    return {"role": line.role, "content": text, "metadata": {"id": line.message_id}}


def draw_question(text: str) -> str:
    """`text` so that Markdown shows exactly what was typed."""
    escaped = MARKDOWN.sub(r"\\\1", text).replace("&", "&amp;").replace("<", "&lt;")
    return LEADING_SPACES.sub(lambda match: NO_BREAK_SPACE * len(match[0].expandtabs(4)), escaped)


def draw_answer(line: Line) -> str:
    """The answer's Markdown, and below it who answered."""
    text = without_tags(line.text).strip()
    if not text:
        text = "…" if line.finish is None else "*No answer.*"
    ending = ENDINGS.get(line.finish) if line.finish else None
    label = html.escape(line.version + (f" · {ending}" if ending else ""))
    fence = "\n```" if text.count("```") % 2 else ""
    return f'{text}{fence}\n\n<span class="ns-version">{label}</span>'


def without_tags(markdown: str) -> str:
    """`markdown` with every `<` outside code written as an entity."""
    pieces = CODE.split(markdown)
    return "".join(piece if index % 2 else piece.replace("<", "&lt;") for index, piece in enumerate(pieces))


def thumbs(lines: tuple[Line, ...]) -> list[str | None]:
    """The chatbot's `feedback_value`: one entry for each answer, in order."""
    return [THUMBS.get(line.vote) for line in lines if line.role == "assistant"]
