"""Turn lines of a conversation into the chatbot's messages, with nothing alive of what people and models wrote.

A person's text is shown letter for letter, an answer by its Markdown (`serve.markup`); below stands what of the bot's
documents it stood on, who answered, what became of the visitor's vote, and what else was said in this place. Does not
know the chatbot's events.
"""

import html
from typing import Final

from nightschool.bots import Bot
from nightschool.records import Finish, Vote
from serve.chat.two import draw_two
from serve.chat.views import Line
from serve.markup import as_block, draw_markdown, draw_text
from serve.verified import is_verified
from serve.words.catalogue import LineWords, PageWords

THUMBS: Final = {Vote.UP: "Like", Vote.DOWN: "Dislike"}
"""As the chatbot calls them, in whatever language it shows them."""


def draw_line(line: Line, words: LineWords) -> dict[str, object]:
    """The chatbot's message, in the form in which the browser gets it: nothing is left for Gradio to work out."""
    # Whose words follow is told to those who hear the page; those who see it know by place and colour.
    if line.role == "user":
        said = draw_text(line.text, css_class="ns-asked") + draw_deeds(line, words)
    elif line.beside:
        said = draw_two(line, line.beside, words) + draw_sources(line, words)
    else:
        said = draw_answer(line, words)
    drawn = _unseen(f"{words.you if line.role == 'user' else words.answer} ") + said
    content = [{"type": "text", "text": as_block(drawn, css_class="ns-said")}]
    return {"role": line.role, "metadata": {"id": line.message_id}, "content": content, "options": None}


def draw_answer(line: Line, words: LineWords) -> str:
    """The answer, and below it what it stood on, who answered, and what became of the vote."""
    text = line.text.strip()
    if not text:
        text = "…" if line.finish is None else f"*{words.no_answer}*"
    forgotten = f'<p class="ns-became">{words.forgotten}</p>' if line.has_forgotten else ""
    label = f'<p class="ns-version">{html.escape(_label(line, words))}</p>'
    below = draw_sources(line, words) + forgotten + label + draw_became(line, words) + draw_deeds(line, words)
    return draw_markdown(text, css_class="ns-answer", copy=words.copy_code) + below


def _label(line: Line, words: LineWords) -> str:
    """Who answered, and how it ended where it did not end well."""
    endings = {Finish.PARTIAL: words.stopped, Finish.LENGTH: words.cut, Finish.ERROR: words.failed}
    ending = endings.get(line.finish) if line.finish else None
    who = words.checked if is_verified(line.version) else line.version
    return f"{who} · {ending}" if ending else who


def draw_sources(line: Line, words: LineWords) -> str:
    """`Sources: Returns, Refund time`, which opens the passages; their words are shown letter for letter. What another
    person asked is not told."""
    if not line.sources:
        return ""
    sources = [(words.of_team if one.conversation_id else one.place, one.text) for one in line.sources]
    names = dict.fromkeys(place.rsplit(" > ", 1)[-1] for place, _ in sources)
    passages = "".join(
        f"<li><strong>{html.escape(place)}</strong>{draw_text(text, css_class='ns-passage')}</li>"
        for place, text in sources
    )
    summary = html.escape(words.sources.format(names=", ".join(names)))
    return f'<details class="ns-sources"><summary>{summary}</summary><ul>{passages}</ul></details>'


def draw_became(line: Line, words: LineWords) -> str:
    """For those who hear the page it says of what it tells; those who see it have the thumb beside it."""
    if line.fate is None or line.fate.adapter is None:
        return ""
    version = line.fate.adapter.version
    told = words.learnt.format(version=version) if line.fate.state == "learnt" else words.held_out
    return f'<p class="ns-became">{_unseen(f"{words.your_vote} ")}{told}</p>'


def draw_deeds(line: Line, words: LineWords) -> str:
    """What can be done with a message that is recorded. Clicks are the page's to hear (`serve.chat.scripts`)."""
    if not line.siblings:
        return ""
    if line.role == "user":
        deeds = _deed("edit", words.edit, line.message_id)
    else:
        deeds = _deed("copy", words.copy, line.message_id) + _deed("branch", words.branch, line.message_id)
        if line.fate and line.fate.state == "learnt":
            deeds += _deed("today", words.today, line.message_id)
    return f'<p class="ns-turns">{draw_turns(line, words)}{deeds}</p>'


def draw_turns(line: Line, words: LineWords) -> str:
    """Arrows to what else was said in this place: `← 2/3 →`."""
    if len(line.siblings) < 2:
        return ""
    here = line.siblings.index(line.message_id)
    before = line.siblings[here - 1] if here else ""
    after = line.siblings[here + 1] if here + 1 < len(line.siblings) else ""
    count = f"<span>{here + 1}/{len(line.siblings)}</span>"
    return f"{_arrow('←', before, words.before)}{count}{_arrow('→', after, words.next)}"


def thumbs(lines: tuple[Line, ...]) -> list[str | None]:
    """The chatbot's `feedback_value`: one entry for each answer, in order."""
    return [THUMBS.get(line.vote) for line in lines if line.role == "assistant"]


def _unseen(text: str) -> str:
    return f'<span class="ns-unseen">{text}</span>'


def _deed(kind: str, name: str, message_id: str) -> str:
    return f'<button class="ns-deed ns-{kind} ns-to-{html.escape(message_id)}">{name}</button>'


def _arrow(sign: str, to: str, name: str) -> str:
    # Gradio's sanitiser leaves a button its class and little else.
    goes = f'ns-arrow ns-to-{html.escape(to)}"' if to else 'ns-arrow" disabled'
    return f'<button class="{goes}>{sign}{_unseen(f" {name}")}</button>'


def draw_title(bot: Bot, words: PageWords) -> str:
    """And a mark for the style sheet: comments that a bot's file switches off are not asked for."""
    about = f'<p class="ns-about">{html.escape(bot.description)}</p>' if bot.description else ""
    mark = "" if bot.feedback.comments else '<span class="ns-no-comments" hidden></span>'
    masked = f'<p class="ns-about">{words.masked}</p>' if bot.privacy.mask_before_storing else ""
    return f'<h1>{html.escape(bot.title)} <span class="ns-chip">{words.assistant}</span></h1>{about}{masked}{mark}'


def greeting(bot: Bot, words: PageWords) -> str:
    return f"## {words.greeting}\n{words.is_here.format(title=html.escape(bot.title))}"
