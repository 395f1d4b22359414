"""Read HTML: its text, by headings and tables. Nothing is run, loaded or followed; what the page hides is not read."""

from pathlib import Path
from typing import Final

from bs4 import BeautifulSoup, Tag
from bs4.element import NavigableString, PreformattedString

from collect.knowledge.document import Document, Outline, row_text, title_of_file

NOT_READ: Final = [
    "script", "style", "noscript", "template", "svg", "head", "nav", "footer", "form", "button", "select",
    "textarea", "iframe", "object", "math",
]  # fmt: skip
BLOCKS: Final = frozenset({
    "p", "li", "dt", "dd", "pre", "blockquote", "figcaption", "caption", "summary", "address", "div", "section",
    "article", "main", "ul", "ol", "table", "tr", "br", "hr", "header", "aside", "h1", "h2", "h3", "h4", "h5",
    "h6",
})  # fmt: skip
HEADINGS: Final = ("h1", "h2", "h3", "h4", "h5", "h6")
HIDING: Final = ("display:none", "visibility:hidden")


def read_html(file: Path, raw: bytes) -> Document:
    page = BeautifulSoup(raw, "html.parser")
    outline = Outline(" ".join(page.title.get_text().split()) if page.title else title_of_file(file))
    for tag in page.find_all(NOT_READ):
        tag.extract()
    for tag in page.find_all(_is_hidden):
        tag.extract()
    for table in page.find_all("table"):
        if not table.find(["table", *HEADINGS]):
            _spell_out(table, page)
    words: list[str] = []
    in_heading: set[int] = set()

    def end() -> None:
        outline.add_text(" ".join("".join(words).split()))
        words.clear()

    for node in page.descendants:
        if isinstance(node, Tag):
            if node.name in BLOCKS:
                end()
            if node.name in HEADINGS:
                outline.add_heading(int(node.name[1]), node.get_text())
                in_heading = {id(inner) for inner in node.descendants}
        elif isinstance(node, NavigableString) and not isinstance(node, PreformattedString):
            if id(node) in in_heading:
                continue
            words.append(node)
    end()
    return outline.close()


def _is_hidden(tag: Tag) -> bool:
    style = str(tag.get("style") or "").replace(" ", "").lower()
    return tag.get("hidden") is not None or tag.get("aria-hidden") == "true" or any(word in style for word in HIDING)


def _spell_out(table: Tag, page: BeautifulSoup) -> None:
    """Put each row of a table as a paragraph in its place."""
    rows = [
        [" ".join(cell.get_text(" ").split()) for cell in row.find_all(["td", "th"])] for row in table.find_all("tr")
    ]
    first = table.find("tr")
    names = rows[0] if isinstance(first, Tag) and not first.find("td") and len(rows) > 1 else []
    spelt = page.new_tag("div")
    for cells in rows[1:] if names else rows:
        line = page.new_tag("p")
        line.string = row_text(names, cells)
        spelt.append(line)
    table.replace_with(spelt)
