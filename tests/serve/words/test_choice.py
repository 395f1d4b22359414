"""Who is spoken to in which language, whatever their browser, or a stranger's program, sends."""

import pytest

from serve.words.choice import choose_words


@pytest.mark.parametrize(
    ("accepted", "code"),
    [
        ("de", "de"),
        ("DE-at", "de"),
        ("de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7", "de"),
        ("en-GB,en;q=0.9,de;q=0.8", "en"),
        ("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", "en"),
        ("fr, de;q=0.3, en;q=0.2", "de"),
        ("en;q=0.2, de ; q=0.30", "de"),
        ("de-Latn-DE-1996", "de"),
        ("en, de", "en"),
        ("de, en", "de"),
        ("fr", "en"),
        ("den", "en"),
        ("*", "en"),
        ("fr, *;q=0.1", "en"),
        ("*, en;q=0", "de"),
        ("de;q=0", "en"),
        ("de;q=0, de-AT", "de"),
        ("en;q=0, de;q=0", "en"),
        ("", "en"),
    ],
)
def test_the_best_that_a_browser_asks_for_and_we_have(accepted: str, code: str) -> None:
    assert choose_words(accepted).code == code


@pytest.mark.parametrize(
    ("accepted", "code"),
    [
        ("de;q=1.5, en;q=0.1", "en"),
        ("de;q=nan", "en"),
        ("de;q=-1", "en"),
        ("de;q=0.1234", "en"),
        ("de;level=1, en", "en"),
        (";;;,,,q=1,=,de", "de"),
        ("\x00\xff, de", "de"),
        ("../../etc/passwd", "en"),
        ("<script>", "en"),
        ("d e", "en"),
        ("-" * 10_000, "en"),
        ("de" + "-a" * 5_000, "de"),
        ("de" * 5_000, "en"),
        ("," * 10_000 + "de", "en"),
        ("fr," * 3_000 + "de", "en"),
        ("de," + "fr;q=0.9," * 1_000, "de"),
        (" " * 10_000 + "de", "de"),
        ("de;" + " " * 10_000 + "q=1", "de"),
    ],
)
def test_what_cannot_be_read_is_passed_over(accepted: str, code: str) -> None:
    assert choose_words(accepted).code == code
