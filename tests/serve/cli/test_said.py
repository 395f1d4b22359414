"""Whatever the docs, the README and our own remedies say to type is what the command line takes."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.core import TyperCommand, TyperGroup

from serve.cli.main import make_app

ROOT = Path(__file__).parents[3]
ROOMS = ("nightschool", "collect", "tune", "eval", "deploy", "serve")
PAGES = (ROOT / "README.md", *sorted(file for file in (ROOT / "docs").glob("*.md") if file.name != "cli.md"))
SOURCES = sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINE = re.compile(r"^(?:\$ |\.venv/bin/)?nightschool (.+)$", re.MULTILINE)
SPAN = re.compile(r"`nightschool ([^`]+)`")
FILLED_IN = re.compile(r"\{[^}]*\}|\.\.\.|…|\[|\]")
"""What a sentence leaves open, and the brackets around what may be left out."""


def shown() -> Iterator[tuple[str, str]]:
    """Whole calls, each line of the blocks of commands."""
    for page in PAGES:
        for language, block in BLOCK.findall(page.read_text(encoding="utf-8")):
            if language in {"", "sh"}:
                yield from ((page.name, line) for line in LINE.findall(block))


def mentioned() -> Iterator[tuple[str, str]]:
    """Verbs in a sentence, which need not have every option."""
    for file in (*PAGES, *SOURCES):
        for span in SPAN.findall(file.read_text(encoding="utf-8")):
            yield file.name, span


def find(words: list[str]) -> tuple[TyperCommand | TyperGroup, list[str]]:
    """The verb, and what stands behind it."""
    command: Any = typer.main.get_command(make_app())
    left = words
    while isinstance(command, TyperGroup) and left and left[0] in command.commands:
        command, left = command.commands[left[0]], left[1:]
    return command, left


@pytest.mark.parametrize(("page", "line"), sorted(set(shown())))
def test_a_command_of_the_docs_is_taken_as_it_stands(page: str, line: str) -> None:
    command, left = find(shlex.split(line, comments=True))
    assert not isinstance(command, TyperGroup) or command.invoke_without_command, f"{page}: {line}"
    command.make_context(line, left)


@pytest.mark.parametrize(("place", "span"), sorted(set(mentioned())))
def test_a_verb_in_a_sentence_is_one(place: str, span: str) -> None:
    words = FILLED_IN.sub(" ", span).split()
    command, left = find(words)
    assert command.name != "nightschool" or words[0] == "VERB" or words[0].startswith("--"), f"{place}: {span}"
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in left if word.startswith("-") and word != "-"} <= known | {"--help"}, f"{place}: {span}"


def test_commands_are_found_where_they_stand() -> None:
    assert {page for page, _ in shown()} >= {"README.md", "gate.md", "operators.md", "record.md", "trainer.md"}
    assert len({span for _, span in mentioned()}) > 50
