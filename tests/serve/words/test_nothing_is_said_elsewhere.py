"""What the chat page says stands in the catalogue: a text in its code would be English to everybody."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from nightschool import errors

CHAT = Path(__file__).parents[3] / "serve" / "chat"
FILES = sorted(CHAT.glob("*.py"))
ERRORS = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
"""What these say is told in other words (`serve.chat.trouble`)."""
OF_MACHINES = {"elem_id", "elem_classes", "css_class", "reason"}
"""What nobody reads on the page, by the name of the argument."""
NO_WORDS_OF_OURS = {
    "Nightschool", "☾ Nightschool", "Like", "Dislike", "Liked", "Disliked", "chatbot conversation", "Loading response",
    "Error", "Info", "Connection errored out.", "Scroll down",
    "Connection to the server was lost. Attempting reconnection...",
    "This application is currently busy. Please try again.",
    "whose it was", "too long",
}  # fmt: skip
"""A name, Gradio's own labels, whom the audit names, and a reason as the record keeps it."""
WORDS = re.compile(r"\b[A-Z][a-z]+|[A-Za-z]{2,} [a-z]{2,}")
IN_SCRIPT = re.compile(r"'([A-Z][a-z]+(?: [^']*)?)'")
KEYS = {"Escape"}


def texts_in(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Texts below a node, less what stands for itself (docstrings) and what only machines read."""
    match node:
        case ast.Expr(value=ast.Constant()):
            return
        case ast.Call(func=ast.Name(id=name)) if name in ERRORS:
            return
        case ast.Call(func=ast.Attribute(value=ast.Name(id="log"))):
            return
        case ast.keyword(arg=name) if name in OF_MACHINES:
            return
        case ast.Constant(value=str(text)):
            yield node.lineno, text
        case ast.JoinedStr(values=parts):
            whole = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)
            yield node.lineno, whole
            for part in parts:
                if isinstance(part, ast.FormattedValue):
                    yield from texts_in(part.value)
        case _:
            for child in ast.iter_child_nodes(node):
                yield from texts_in(child)


def said_in(source: str) -> list[str]:
    found: list[str] = []
    for line, text in texts_in(ast.parse(source)):
        bare = re.sub(r"<[^>]*>|\bns-\S+", "", text).strip()
        if "=>" in text or "document." in text:
            found += [f"{line}: {said}" for said in IN_SCRIPT.findall(text) if said not in KEYS]
        elif bare not in NO_WORDS_OF_OURS and WORDS.search(bare):
            found.append(f"{line}: {text}")
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_chat_page_says_nothing_that_is_not_in_the_catalogue(file: Path) -> None:
    assert said_in(file.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        'gr.Button("Send")',
        'gr.Textbox(label="your name")',
        "gr.HTML(f'<p class=\"a\">What is {x}?</p>')",
        "f'{_deed(\"Copy\")}'",
        "SCRIPT = \"() => { button.textContent = 'Copied'; }\"",
        "SAID = {True: 'Solved.'}",
    ],
)
def test_what_a_person_would_read_is_found(source: str) -> None:
    assert said_in(source)


@pytest.mark.parametrize(
    "source",
    [
        '"""A docstring. Another sentence."""',
        'raise NotFound("is not here", subject="answer", remedy="Ask something first.")',
        'gr.Button(words.send, elem_classes="ns-one ns-two")',
        "f'<p class=\"ns-fine ns-centre\">{words.told}</p>'",
        "SCRIPT = \"(event) => event.key === 'Escape'\"",
    ],
)
def test_what_nobody_reads_is_passed_over(source: str) -> None:
    assert said_in(source) == []
