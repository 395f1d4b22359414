"""A bot's file made from a folder of documents: it answers from them at once, and goes to school when votes arrive.

Starters are questions made of the documents' headings. Knows no command and starts nothing.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from collect.knowledge.document import Document, Unreadable
from collect.knowledge.documents import Fault, look, read_document
from nightschool.bots import load_bot
from nightschool.errors import Busy, InvalidInput
from nightschool.files import write_atomic
from nightschool.records import BOT_NAME_PATTERN

MAX_STARTERS: Final = 4
MAX_STARTER_CHARS: Final = 60
FIRST_WORDS: Final = (
    "how what when where who why which can may do does is are will wie was wann wo wer warum welche kann comment quand "
    "où qui pourquoi cómo cuándo dónde quién"
)
"""With which a heading asks something."""
FILE: Final = """# Answers from the documents in {folder}. Every key: docs/bots.md; of [knowledge]: docs/knowledge.md.
name = {name}
title = {title}
description = {description}
system_prompt = {system_prompt}
starters = {starters}

[knowledge]
folder = {folder}
"""
PROMPT: Final = (
    "You are {title}. Answer from the pages that stand above a question: say the fact first, briefly. "
    "Where they do not say it, say that you do not know."
)


class NewBot(NamedTuple):
    file: Path
    documents: int
    starters: tuple[str, ...]
    faults: tuple[Fault, ...]


def make_bot(bots: Path, *, name: str, documents: Path, title: str) -> NewBot:
    """Write `bots`/`name`.toml. Raises InvalidInput where nothing can be read or the name is none, Busy where there is
    such a bot."""
    if not re.fullmatch(BOT_NAME_PATTERN, name):
        # Before it is a part of a path.
        remedy = "Choose one of lower-case letters, digits and hyphens that begins with a letter, 40 at most."
        raise InvalidInput("is no name of a bot", subject=repr(name), remedy=remedy)
    file = bots / f"{name}.toml"
    if file.exists():
        raise Busy("is a bot already", subject=name, remedy=f"Choose another name, or edit {file}.")
    read, faults = _read(documents)
    if not read:
        told = "; ".join(f"{fault.file} {fault.reason}" for fault in faults[:3]) or "it is empty"
        raise InvalidInput(
            f"holds no document that can be read ({told})", subject=str(documents), remedy="Name another."
        )
    starters = tuple(_starters(read))
    values = {
        "name": name,
        "title": title,
        "description": f"Answers from {len(read)} {'document' if len(read) == 1 else 'documents'}",
        "system_prompt": PROMPT.format(title=title),
        "starters": list(starters),
        "folder": _from(bots, documents),
    }
    # A JSON string is a TOML string, but for what `visible` refuses anyway.
    text = FILE.format(**{key: json.dumps(value, ensure_ascii=False) for key, value in values.items()})
    bots.mkdir(parents=True, exist_ok=True)
    write_atomic(file, text)
    try:
        load_bot(file)
    except BaseException:
        file.unlink()
        raise
    return NewBot(file, len(read), starters, faults)


def _read(folder: Path) -> tuple[list[Document], tuple[Fault, ...]]:
    if not folder.is_dir():
        raise InvalidInput("is no folder", subject=str(folder), remedy="Name a folder of documents.")
    read, faults = [], []
    for file in look(folder):
        try:
            read.append(read_document(file, folder=folder))
        except Unreadable as error:
            faults.append(Fault(str(file.relative_to(folder)), str(error)))
    return read, tuple(faults)


def _starters(documents: Sequence[Document]) -> Iterator[str]:
    """Headings that ask come first; of each document one, as long as there are other documents."""
    asked = [heading for one in documents for heading in _headings(one) if _asks(heading)]
    others = [f"Tell me about {one.title}." for one in documents]
    fitting = (text for text in _each_once([*asked, *others]) if len(text) <= MAX_STARTER_CHARS)
    yield from [text for text, _ in zip(fitting, range(MAX_STARTERS), strict=False)]


def _headings(document: Document) -> list[str]:
    return list(_each_once(block.headings[-1] for block in document.blocks if block.headings))


def _asks(heading: str) -> bool:
    first = heading.casefold().partition(" ")[0]
    return heading.endswith("?") or first in FIRST_WORDS.split()


def _each_once(texts: Iterable[str]) -> Iterator[str]:
    return iter(dict.fromkeys(" ".join(text.split()) for text in texts))


def _from(bots: Path, documents: Path) -> str:
    """From the bot's file on where the documents lie below it, else from the root on."""
    whole, start = documents.resolve(), bots.resolve()
    return str(whole.relative_to(start)) if whole.is_relative_to(start) else str(whole)
