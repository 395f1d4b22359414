"""Formulas are drawn, prices are not taken for them, and what cannot be read stands as it was written."""

import pytest

from serve.markup import draw_markdown
from tests.serve.test_markup import Tags


def drawn(text: str) -> Tags:
    return Tags(draw_markdown(text, css_class="x"))


def formulas(text: str) -> int:
    return sum(tag == "math" for tag, _ in drawn(text).seen)


@pytest.mark.parametrize("text", [r"\(x^2\)", r"$x^2$", r"$$x^2$$", "$$\nx^2\n$$", "\\[\nx^2\n\\]", r"\[ x^2 \]"])
def test_a_formula_is_drawn_between_any_of_its_marks(text: str) -> None:
    seen = drawn(f"See\n\n{text}\n\nabove.")
    assert [tag for tag, _ in seen.seen].count("msup") == 1
    assert "$" not in seen.text
    assert "\\" not in seen.text


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5 and $6.",
        "From $5/month to $9/month",
        "($5) or ($6)",
        "$5 or 5$",
        "US$5-US$9",
        "`$x$`",
        "$PATH or $HOME",
    ],
)
def test_prices_and_code_are_no_formulas(text: str) -> None:
    assert formulas(text) == 0
    assert drawn(text).text == text.strip("`")


@pytest.mark.parametrize("text", [r"\(\frac{\)", r"\(\left(\)", rf"\({'{' * 3000}\)", rf"\({'x' * 2001}\)"])
def test_what_is_no_latex_stands_as_it_was_written(text: str) -> None:
    assert formulas(text) == 0
    assert drawn(text).text == text


def test_signs_and_words_of_the_writer_are_text() -> None:
    seen = drawn(r"\(a < b + \text{<b>&amp;</b>}\)")
    assert "<" in seen.text
    assert "<b>" in seen.text
    assert "+" in seen.text
    assert "b" not in {tag for tag, _ in seen.seen}


def test_of_a_formula_only_looks_are_taken() -> None:
    """A link, a class or a style is the writer's wish, and LaTeX has ways to say each."""
    seen = drawn(r"\(\color{red}{x} \class{ns-answer}{y} \href{https://e.test}{z} \style{position:fixed}{u}\)")
    given = {name for tag, attributes in seen.seen[2:] for name in attributes}
    assert given == {"xmlns", "display", "mathcolor"}
