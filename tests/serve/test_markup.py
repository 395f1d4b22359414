"""Whatever stands in a text, what is drawn of it is our own few tags."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.markup import draw_markdown, draw_text

OURS = {
    "div", "p", "br", "hr", "a", "em", "strong", "s", "code", "pre", "ul", "ol", "li", "blockquote", "button", "span",
    "svg", "path", "table", "thead", "tbody", "tr", "th", "td", "h1", "h2", "h3", "h4", "h5", "h6",
    "math", "mrow", "mi", "mn", "mo", "mtext", "msup", "msub", "msubsup", "mfrac", "msqrt", "mroot", "mspace", "mstyle",
    "mover", "munder", "munderover", "mtable", "mtr", "mtd", "mpadded", "mphantom", "menclose", "mmultiscripts",
}  # fmt: skip
HOSTILE = [
    '\\`<div style="position:fixed;inset:0;z-index:99999">OVERLAY</div>\\`',
    '<form action="/x"><input type="password" name="p"></form>',
    "~~~mermaid\n<form>\n~~~",
    "```a\n`` ` <b>\n",
    "    <style>*{display:none}</style>\n",
    "<div>\n\n<form>\n\n</div>\n\n<!--\n\n-->\n<![CDATA[<form>]]>\n<?php <form> ?>",
    "[a](javascript:alert(1)) [b](<data:text/html,x>) [c](vbscript:x)",
    '![p](http://e.test/x.png) https://e.test/"onmouseover="x',
    '[x](https://e.test "a\n\n<form>")',
    r"\(\class{\"><script>}{x} \href{javascript:alert(1)}{y} \style{background:url(http://e.test)}{z}\)",
    r"$$\text{<img src=x onerror=alert(1)>} <form> \href{data:text/html,x}{a}$$",
    "`a\n<form>`\r\r<form>\r\n\r\n<form>\u2028\n\x0b\n<form>",
]


class Tags(HTMLParser):
    """Tags and attributes as a browser would see them, and the text between them."""

    def __init__(self, drawn: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(drawn)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def check_dead(drawn: str) -> None:
    tags = Tags(drawn).seen
    assert {tag for tag, _ in tags} <= OURS
    assert not any(name.startswith("on") or name == "src" for _, given in tags for name in given)
    assert all((given.get("style") or "text-align:").startswith("text-align:") for _, given in tags)
    links = [given["href"] or "" for tag, given in tags if tag == "a"]
    assert not any(link.lower().startswith(("javascript:", "data:", "vbscript:", "file:")) for link in links)
    # One line that begins with a block: no Markdown parser that comes after looks into it.
    assert drawn.startswith("<div")
    assert "\n" not in drawn
    assert "\r" not in drawn


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_hostile_is_alive(text: str) -> None:
    check_dead(draw_markdown(text, css_class="x"))
    check_dead(draw_text(text, css_class="x"))


@given(st.text(alphabet="ab<>/`~\\[]()!*_|-\"'= \n\r\tform:&#;$^{}"))
def test_no_text_is_alive(text: str) -> None:
    check_dead(draw_markdown(text, css_class="x"))


@given(st.text(alphabet=st.characters(exclude_characters="\r\x00", exclude_categories=["Cs"])))
def test_a_text_is_shown_letter_for_letter(text: str) -> None:
    assert Tags(draw_text(text, css_class="x")).text == text.strip("\n")


@pytest.mark.parametrize("code", ["```html\n<p>&amp;\n```", "~~~\n<p>&amp;\n~~~", "    <p>&amp;", "- ```\n  <p>&amp;"])
def test_code_is_shown_as_written(code: str) -> None:
    assert Tags(draw_markdown(code, css_class="x")).text.strip() == "<p>&amp;"


def test_markdown_keeps_its_structure() -> None:
    drawn = draw_markdown("# A\n**b** ~~c~~ `d`\ne\n\n- f\n\n| g |\n|---|\n| h |", css_class="x")
    tags = [tag for tag, _ in Tags(drawn).seen]
    assert tags[1:] == [
        "h1", "p", "strong", "s", "code", "br", "ul", "li", "table", "thead", "tr", "th", "tbody", "tr", "td",
    ]  # fmt: skip


def test_a_bare_address_is_a_link_and_a_link_is_one() -> None:
    drawn = draw_markdown("See https://a.test/b?c=1&d=2. [https://e.test](https://e.test)", css_class="x")
    links = [given["href"] for tag, given in Tags(drawn).seen if tag == "a"]
    assert links == ["https://a.test/b?c=1&d=2", "https://e.test"]
