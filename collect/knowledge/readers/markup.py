"""Read plain text and Markdown. Nothing in them is run, loaded or followed."""

import re
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from collect.knowledge.document import Document, Outline, Unreadable, row_text, title_of_file

FRONT_MATTER: Final = re.compile(r"\A---\r?\n.*?\r?\n---\r?\n", re.DOTALL)
TAG: Final = re.compile(r"<[^<>]{0,2000}>|<!--.*?-->", re.DOTALL)


def decode(raw: bytes) -> str:
    """Raises Unreadable for another encoding than UTF-8, or UTF-16 that says so."""
    try:
        if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            return raw.decode("utf-16")
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable("is not UTF-8; save it as UTF-8") from error
    if "\0" in text:
        raise Unreadable("is no text")
    return text


def read_text(file: Path, raw: bytes) -> Document:
    outline = Outline(title_of_file(file))
    for paragraph in re.split(r"\n\s*\n", decode(raw).replace("\r\n", "\n")):
        outline.add_text(paragraph)
    return outline.close()


def read_markdown(file: Path, raw: bytes) -> Document:  # noqa: PLR0912  # a case for each kind of token
    outline = Outline(title_of_file(file))
    names: list[str] = []
    cells: list[str] = []
    level = 0
    is_cell = False
    for token in MarkdownIt("commonmark").enable("table").parse(FRONT_MATTER.sub("", decode(raw))):
        match token.type:
            case "heading_open":
                level = int(token.tag[1])
            case "heading_close":
                level = 0
            case "th_open" | "td_open":
                is_cell = True
            case "th_close" | "td_close":
                is_cell = False
            case "tr_open":
                cells = []
            case "thead_close":
                names = cells
            case "tbody_close":
                names = []
            case "tr_close" if names:
                outline.add_text(row_text(names, cells))
            case "inline" if level:
                outline.add_heading(level, _plain(token))
            case "inline" if is_cell:
                cells.append(_plain(token))
            case "inline":
                outline.add_text(_plain(token))
            case "fence" | "code_block":
                outline.add_text(token.content)
            case "html_block":
                outline.add_text(TAG.sub(" ", token.content))
            case _:
                pass
    return outline.close()


def _plain(token: Token) -> str:
    said = []
    for child in token.children or []:
        if child.type in {"softbreak", "hardbreak"}:
            said.append(" ")
        elif child.type == "image":
            said.append(_plain(child))
        elif child.type in {"text", "code_inline"}:
            said.append(child.content)
    return "".join(said).strip()
