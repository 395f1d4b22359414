"""LaTeX in an answer as MathML, which browsers draw by themselves: no script runs and no font is loaded for it.

What stands between `$$`, `\\(` and `\\)`, `\\[` and `\\]`, or single dollars that are no prices. What cannot be read as
LaTeX is shown as it was written. Does not know Markdown's other parts.
"""

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from xml.etree.ElementTree import Element, tostring

from latex2mathml.converter import convert_to_element
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.texmath import texmath_plugin

MAX_CHARS: Final = 2_000
ATTRIBUTES: Final = frozenset(
    {
        "accent", "columnalign", "columnlines", "columnspacing", "depth", "display", "displaystyle", "fence", "form",
        "height", "linethickness", "lspace", "mathcolor", "mathsize", "mathvariant", "maxsize", "minsize",
        "movablelimits", "notation", "rowlines", "rowspacing", "rspace", "scriptlevel", "separator", "stretchy",
        "voffset", "width", "xmlns",
    }
)  # fmt: skip
"""What looks have; a link, a class or a style of the writer's is none."""
HARMLESS: Final = re.compile(r"[\w .,#%+-]*|http://www\.w3\.org/1998/Math/MathML")
ENDS: Final[Mapping[str, str]] = {"$": "$", "$$": "$$", "\\(": "\\)", "\\[": "\\]"}
"""By how a formula begins."""


def read_formulas(parser: MarkdownIt) -> None:
    """Have `parser` know formulas, as tokens that `draw_formula` draws."""
    dollarmath_plugin(parser, allow_space=False, allow_digits=False, allow_labels=False, double_inline=True)
    texmath_plugin(parser, delimiters="brackets")
    for kind in ("math_inline", "math_inline_double", "math_block"):
        parser.add_render_rule(kind, draw_formula)


def draw_formula(_: RendererHTML, tokens: Sequence[Token], position: int, *__: Any) -> str:
    token = tokens[position]
    is_price = token.markup == "$" and token.content[:1].isdigit()
    drawn = None if is_price else as_mathml(token.content, is_block=token.type != "math_inline")
    shown = drawn if drawn is not None else html.escape(f"{token.markup}{token.content}{ENDS[token.markup]}")
    return f"<p>{shown}</p>" if token.block else shown


def as_mathml(latex: str, *, is_block: bool) -> str | None:
    """None where it is no LaTeX, or more than anybody writes."""
    if len(latex) > MAX_CHARS:
        return None
    try:
        formula = convert_to_element(latex.strip(), display="block" if is_block else "inline")
    except Exception:  # a reader of half-written formulas that raises whatever it meets
        return None
    for element in formula.iter():
        _make_inert(element)
    return tostring(formula, encoding="unicode")


def _make_inert(element: Element) -> None:
    # Signs are named in the text (`&#x0002B;`), beside the writer's own words, which `tostring` escapes.
    element.text = html.unescape(element.text) if element.text else element.text
    element.tail = html.unescape(element.tail) if element.tail else element.tail
    for name, value in list(element.attrib.items()):
        if name not in ATTRIBUTES or not HARMLESS.fullmatch(value):
            del element.attrib[name]
