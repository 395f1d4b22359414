"""Turn lines of a conversation into the chatbot's messages, with nothing alive of what people and models wrote.

A person's text is shown letter for letter, an answer by its Markdown (`serve.markup`); below stands what of the bot's
documents it stood on, who answered, what became of the visitor's vote, and what else was said in this place. Does not
know the chatbot's events.
"""

import html
from typing import Final

from nightschool.bots import Bot
from nightschool.records import Finish, Vote
from serve.chat.views import Line
from serve.markup import as_block, draw_markdown, draw_text
from serve.verified import is_verified

ENDINGS: Final = {Finish.PARTIAL: "stopped", Finish.LENGTH: "cut at its longest", Finish.ERROR: "failed"}
FORGOTTEN: Final = "The oldest messages were left out: this chat is longer than the assistant can look back on."
CHECKED: Final = "Checked by our team"
THUMBS: Final = {Vote.UP: "Like", Vote.DOWN: "Dislike"}


def draw_line(line: Line) -> dict[str, object]:
    """The chatbot's message, in the form in which the browser gets it: nothing is left for Gradio to work out."""
    # Whose words follow is told to those who hear the page; those who see it know by place and colour.
    if line.role == "user":
        drawn = '<span class="ns-unseen">You: </span>' + draw_text(line.text, css_class="ns-asked") + draw_deeds(line)
    else:
        drawn = '<span class="ns-unseen">Answer: </span>' + draw_answer(line)
    content = [{"type": "text", "text": as_block(drawn, css_class="ns-said")}]
    return {"role": line.role, "metadata": {"id": line.message_id}, "content": content, "options": None}


def draw_answer(line: Line) -> str:
    """The answer, and below it what it stood on, who answered, and what became of the vote."""
    text = line.text.strip()
    if not text:
        text = "…" if line.finish is None else "*No answer.*"
    ending = ENDINGS.get(line.finish) if line.finish else None
    who = CHECKED if is_verified(line.version) else line.version
    label = html.escape(who + (f" · {ending}" if ending else ""))
    forgotten = f'<p class="ns-became">{FORGOTTEN}</p>' if line.has_forgotten else ""
    below = draw_sources(line) + forgotten + f'<p class="ns-version">{label}</p>' + draw_became(line) + draw_deeds(line)
    return draw_markdown(text, css_class="ns-answer") + below


def draw_sources(line: Line) -> str:
    """`Sources: Returns, Refund time`, which opens the passages; their words are shown letter for letter."""
    if not line.sources:
        return ""
    names = dict.fromkeys(passage.place.rsplit(" > ", 1)[-1] for passage in line.sources)
    passages = "".join(
        f"<li><strong>{html.escape(passage.place)}</strong>{draw_text(passage.text, css_class='ns-passage')}</li>"
        for passage in line.sources
    )
    summary = html.escape(f"Sources: {', '.join(names)}")
    return f'<details class="ns-sources"><summary>{summary}</summary><ul>{passages}</ul></details>'


def draw_became(line: Line) -> str:
    """For those who hear the page it says of what it tells; those who see it have the thumb beside it."""
    if not line.became:
        return ""
    return f'<p class="ns-became"><span class="ns-unseen">Your vote: </span>{html.escape(line.became)}</p>'


def draw_deeds(line: Line) -> str:
    """What can be done with a message that is recorded. Clicks are the page's to hear (`serve.chat.scripts`)."""
    if not line.siblings:
        return ""
    if line.role == "user":
        deeds = _deed("edit", "Edit", line.message_id)
    else:
        deeds = _deed("copy", "Copy", line.message_id) + _deed("branch", "Branch from here", line.message_id)
    return f'<p class="ns-turns">{draw_turns(line)}{deeds}</p>'


def draw_turns(line: Line) -> str:
    """Arrows to what else was said in this place: `← 2/3 →`."""
    if len(line.siblings) < 2:
        return ""
    here = line.siblings.index(line.message_id)
    before = line.siblings[here - 1] if here else ""
    after = line.siblings[here + 1] if here + 1 < len(line.siblings) else ""
    count = f"<span>{here + 1}/{len(line.siblings)}</span>"
    return f"{_arrow('←', before, 'Before')}{count}{_arrow('→', after, 'Next')}"


def thumbs(lines: tuple[Line, ...]) -> list[str | None]:
    """The chatbot's `feedback_value`: one entry for each answer, in order."""
    return [THUMBS.get(line.vote) for line in lines if line.role == "assistant"]


def _deed(kind: str, name: str, message_id: str) -> str:
    return f'<button class="ns-deed ns-{kind} ns-to-{html.escape(message_id)}">{name}</button>'


def _arrow(sign: str, to: str, name: str) -> str:
    # Gradio's sanitiser leaves a button its class and little else.
    goes = f'ns-arrow ns-to-{html.escape(to)}"' if to else 'ns-arrow" disabled'
    return f'<button class="{goes}>{sign}<span class="ns-unseen"> {name}</span></button>'


def draw_title(bot: Bot) -> str:
    """And marks for the style sheet: what a bot's file switches off is not shown."""
    about = f'<p class="ns-about">{html.escape(bot.description)}</p>' if bot.description else ""
    switches = {"ns-no-votes": bot.feedback.votes, "ns-no-comments": bot.feedback.comments}
    off = " ".join(name for name, is_on in switches.items() if not is_on)
    marks = f'<span class="{off}" hidden></span>' if off else ""
    return f'<h1>{html.escape(bot.title)} <span class="ns-chip">AI assistant</span></h1>{about}{marks}'


def greeting(bot: Bot) -> str:
    return f"## What can I do for you?\n{html.escape(bot.title)} is here to help."
