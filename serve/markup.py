"""Turn text that nobody vouches for into HTML in which nothing is alive, for both pages.

Gradio draws Markdown in the browser by a parser of its own and lets tags through, forms and styles among them. So ours
is drawn here, by one parser that knows no tags, into a single line that begins with a block: Gradio's parser hands such
a line on as it stands, whatever it holds. Does not know what is drawn, nor where it is shown.
"""

import html
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from serve.colours import paint
from serve.formulas import read_formulas

ADDRESS: Final = re.compile(r"https?://[^\s<>\"'`]*[^\s<>\"'`.,;:!?)\]*_]")
# The chatbot listens for clicks on this class and copies what stands beside the button. Its second child is the tick.
COPY: Final = (
    '<button title="{copy}" class="copy_code_button"><span class="copy-text">'
    '<svg viewBox="0 0 15 15" width="15" height="15" aria-hidden="true" fill="none" stroke="currentColor">'
    '<path d="M4.5 4.5h8v8h-8zM2.5 10.500v-8h8"></path></svg></span><span class="check">'
    '<svg viewBox="0 0 17 17" width="17" height="17" aria-hidden="true" fill="none" stroke="currentColor">'
    '<path d="m13.800 4.800-7.400 7.400-3.200-3.200"></path></svg></span></button>'
)


def draw_markdown(markdown: str, *, css_class: str, copy: str = "copy") -> str:
    """One line of HTML: the Markdown's own structure, and every tag of its author's as the text that it is.

    `copy` is what the button beside a piece of code is called.
    """
    return as_block(_parser().render(markdown, {"copy": html.escape(copy)}), css_class=css_class)


def draw_text(text: str, *, css_class: str) -> str:
    """One line of HTML that shows `text` letter for letter, given `white-space: pre-wrap`."""
    return as_block(html.escape(text), css_class=css_class)


def without_template(inert: str) -> str:
    """Inert HTML for Gradio's HTML component, which reads `$` and `{` as a template."""
    return inert.replace("$", "&#36;").replace("{", "&#123;")


def as_block(inner: str, *, css_class: str) -> str:
    """HTML of ours as one block that no Markdown parser looks into: it would end at a blank line, and has no line."""
    line = inner.replace("\r\n", "\n").replace("\r", "\n").strip("\n").replace("\n", "&#10;")
    return f'<div class="{css_class}">{line}</div>'


@cache
def _parser() -> MarkdownIt:
    """CommonMark, tables and formulas, less tags, and less pictures, which no page may load."""
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
    parser.disable(["html_block", "html_inline", "image"])
    read_formulas(parser)
    for name, rule in (("fence", _draw_code), ("code_block", _draw_code), ("text", _draw_words)):
        parser.add_render_rule(name, rule)
    return parser


def _draw_code(_: RendererHTML, tokens: Sequence[Token], position: int, __: Any, env: Mapping[str, str]) -> str:
    button = COPY.format(copy=env["copy"])
    painted = paint(tokens[position].content, tokens[position].info)
    return f'<div class="code_wrap">{button}<pre><code>{painted}</code></pre></div>'


def _draw_words(_: RendererHTML, tokens: Sequence[Token], position: int, *__: Any) -> str:
    """Text, and a bare address in it as a link, unless it stands in one."""
    words = tokens[position].content
    if "://" not in words or _is_in_link(tokens, position):
        return html.escape(words)
    pieces: list[str] = []
    end = 0
    for found in ADDRESS.finditer(words):
        address = html.escape(found[0])
        pieces += [html.escape(words[end : found.start()]), f'<a href="{address}">{address}</a>']
        end = found.end()
    return "".join([*pieces, html.escape(words[end:])])


def _is_in_link(tokens: Sequence[Token], position: int) -> bool:
    kind = next((t.type for t in reversed(tokens[:position]) if t.type in {"link_open", "link_close"}), None)
    return kind == "link_open"
