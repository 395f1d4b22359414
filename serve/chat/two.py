"""Two answers to one question, drawn beside each other by letters alone: nothing tells who gave which."""

from serve.chat.views import Line
from serve.markup import draw_markdown
from serve.words.catalogue import LineWords


def draw_two(line: Line, beside: Line, words: LineWords) -> str:
    """`line` with the one beside it; once both are there, those who hear the page are told that they are asked."""
    sides = (beside, line) if line.is_beside_left else (line, beside)
    shown = "".join(
        f'<div class="ns-one"><h3>{words.one_of_two.format(name=name)}</h3>{_draw_words(side, words)}</div>'
        for name, side in zip("AB", sides, strict=True)
    )
    asked = f'<p class="ns-unseen">{words.which_is_better}</p>' if line.message_id else ""
    return f'<div class="ns-two">{shown}</div>{asked}'


def _draw_words(line: Line, words: LineWords) -> str:
    return draw_markdown(line.text.strip() or "…", css_class="ns-answer", copy=words.copy_code)
