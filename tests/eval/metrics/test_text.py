import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.tokenizers import DefaultTokenizer

from eval.metrics.text import rouge_l, token_f1
from nightschool.wording import repetition, words


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        # Articles, case and punctuation do not count: {cat, sat, on, mat} on both sides.
        ("The cat sat on the mat.", "a cat SAT on a mat!", 1.0),
        # 4 tokens, 7 tokens, shared {you, 30, days}: 2 * 3 / 11.
        ("You get 30 days", "You have 30 days to return it", 6 / 11),
        # Bags, not sets: 2 and 1 tokens, 1 shared.
        ("refund refund", "Refund.", 2 / 3),
        ("yes", "no", 0.0),
        ("", "no", 0.0),
        ("", "", 1.0),
        # Punctuation that is not ASCII, and one letter written in two ways.
        ("«Größe», ja…", "größe ja", 1.0),
        ("cafe\u0301", "caf\u00e9", 1.0),
        # Scripts without spaces are compared by character: 4 and 3, shared 2: 4 / 7.
        ("退款三天", "退款。五", 4 / 7),
    ],
)
def test_token_f1_by_hand(answer: str, reference: str, expected: float) -> None:
    assert token_f1(answer, reference=reference) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        # The worked example of Lin 2004, section 3.1: common subsequences of 3 and of 2 words out of 4.
        ("police kill the gunman", "police killed the gunman", 0.75),
        ("the gunman kill police", "police killed the gunman", 0.5),
        # 3 words of 3, 3 of 6: precision 1, recall 1/2, F 2/3.
        ("send it back", "please send it back to us", 2 / 3),
        ("", "no", 0.0),
        # rouge-score's own tokenizer would find no word at all in these.
        ("привет мир", "привет, мир!", 1.0),
    ],
)
def test_rouge_l_by_hand(answer: str, reference: str, expected: float) -> None:
    assert rouge_l(answer, reference=reference) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        # abcd bcda cdab dabc abcd: 4 distinct of 5.
        ("a b c d a b c d", 1 / 5),
        # seven times "no": four equal 4-grams, one distinct.
        ("No, no, no! no no no no", 3 / 4),
        ("each word only once here", 0.0),
        ("too short", 0.0),
        ("", 0.0),
    ],
)
def test_repetition_by_hand(answer: str, expected: float) -> None:
    assert repetition(answer) == pytest.approx(expected)


@given(st.text(st.characters(codec="ascii")))
def test_words_of_ascii_are_those_of_rouge_score(text: str) -> None:
    assert words(text) == DefaultTokenizer().tokenize(text)


@given(st.text(), st.text())
def test_scores_are_shares_and_do_not_depend_on_the_side(one: str, other: str) -> None:
    for metric in (token_f1, rouge_l):
        forth, back = metric(one, reference=other), metric(other, reference=one)
        assert 0 <= forth <= 1
        assert forth == pytest.approx(back)
    assert 0 <= repetition(one) < 1


def test_rouge_neither_warns_nor_talks() -> None:
    code = "from eval.metrics.text import rouge_l; assert rouge_l('a b', reference='a b') == 1"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
