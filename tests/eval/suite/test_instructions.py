"""What each of IFEval's instructions takes for followed, and what not."""

import time

import pytest

from eval.suite.case import Reply
from eval.suite.instructions import read_check
from nightschool.language import load_identifier
from nightschool.records import Finish


def follows(instruction: str, arguments: dict[str, object], text: str) -> bool:
    check = read_check(instruction, arguments, identify=load_identifier)
    assert check is not None
    return check.holds(Reply(text, Finish.STOP, 1, None))


CASES: list[tuple[str, dict[str, object], list[str], list[str]]] = [
    (
        "change_case:capital_word_frequency",
        {"capital_relation": "at least", "capital_frequency": 2},
        ["A very BIG dog"],
        ["A very big dog"],
    ),
    (
        "change_case:capital_word_frequency",
        {"capital_relation": "less than", "capital_frequency": 2},
        ["one BIG dog", "none"],
        ["TWO BIG dogs"],
    ),
    ("change_case:english_capital", {}, ["THE SEA IS CALM, SAY 2 SAILORS."], ["The SEA", "123"]),
    (
        "change_case:english_lowercase",
        {},
        ["the sea is calm tonight, and so are we."],
        ["The sea", "das meer ist heute ruhig, und wir sind es auch, sagt der alte fischer am hafen."],
    ),
    (
        "combination:repeat_prompt",
        {"prompt_to_repeat": "Why is the sky  blue?"},
        ["Why is the sky blue?\n\nLight scatters.", '"Why is the sky blue?" Light scatters.'],
        ["Light scatters.", "You ask: why is the sky blue?"],
    ),
    (
        "combination:two_responses",
        {},
        ["Yes.\n******\nNo.", "******\nYes.\n******\nNo.\n******"],
        ["Yes.", "Yes.\n******\nyes.", "a\n******\nb\n******\nc", "Yes.\n***\nNo.", "Yes.\n******\n"],
    ),
    (
        "detectable_content:number_placeholders",
        {"num_placeholders": 2},
        ["Dear [name], meet me at [place].", "[a][b][c]"],
        ["Dear [name].", "[a [b"],
    ),
    (
        "detectable_content:postscript",
        {"postscript_marker": "P.S."},
        ["Bye.\n\nP.S. Call me.", "Bye. p. s.: call me"],
        ["Bye.", "P.P.S. Call me.", "Bye. P.S.", "stops. Call me"],
    ),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, ["P.P.S Call me."], ["P.S. Call me."]),
    (
        "detectable_format:constrained_response",
        {},
        ["My answer is no.", "Well. My answer is maybe. Ask again."],
        ["No.", "My answer is yes. My answer is no.", "My answer is nothing."],
    ),
    ("detectable_format:json_format", {}, ['{"a": [1]}', '```json\n{"a": 1}\n```'], ["{a: 1}", 'Here: {"a": 1}']),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "Section", "num_sections": 2},
        ["Section 1\na\nSection 2\nb", "**Section 1:** a **Section 2:** b"],
        ["Section 1\nas said in Section 1", "SECTION 1 SECTION 2", "a b"],
    ),
    (
        "detectable_format:number_bullet_lists",
        {"num_bullets": 2},
        ["Look:\n* a\n* b", "- a\n  - b"],
        ["* a", "* a\n* b\n* c", "**a**\n**b**", "-1\n-2", "1. a\n2. b"],
    ),
    (
        "detectable_format:number_highlighted_sections",
        {"num_highlights": 2},
        ["*one* and **two words**", "* an item with *one*\n* and *two*"],
        ["*one*", "* one\n* two", "2 * 3 * 4 * 5", "****"],
    ),
    ("detectable_format:title", {}, ["<<The sea>>\nIt is calm."], ["The sea", "<< >>", "<<The\nsea>>", "<The sea>"]),
    (
        "keywords:existence",
        {"keywords": ["Argentinian", "sea"]},
        ["the Seas of argentinians"],
        ["the sea", "Argentina and the sea"],
    ),
    (
        "keywords:forbidden_words",
        {"forbidden_words": ["name", "c++"]},
        ["unnamed", "names of C"],
        ["My NAME is Jo.", "I write c++ daily"],
    ),
    (
        "keywords:frequency",
        {"relation": "at least", "keyword": "grid", "frequency": 2},
        ["Grid, grids"],
        ["one grid"],
    ),
    (
        "keywords:letter_frequency",
        {"let_relation": "less than", "letter": "C", "let_frequency": 2},
        ["a cat", "dog"],
        ["a Cool cat"],
    ),
    (
        "keywords:letter_frequency",
        {"let_relation": "at least", "letter": "#", "let_frequency": 2},
        ["#a #b"],
        ["#a"],
    ),
    (
        "language:response_language",
        {"language": "sw"},
        ["Hii ni hadithi fupi kuhusu paka na mbwa waliokuwa marafiki."],
        ["This is a short story about a cat and a dog who were friends."],
    ),
    (
        "length_constraints:nth_paragraph_first_word",
        {"first_word": "it", "num_paragraphs": 2, "nth_paragraph": 2},
        ["One.\n\nIt rains.", 'One.\n \n"It" rains.\n\n'],
        ["It.\n\nOne.", "One.\nIt rains.", "One.\n\nIt rains.\n\nThree.", "One.\n\nItaly."],
    ),
    (
        "length_constraints:number_paragraphs",
        {"num_paragraphs": 2},
        ["a\n***\nb", "a *** b", "***\na\n\na\n***\nb"],
        ["a\n\nb", "a\n***\nb\n***\nc", "a ***bold*** b", "a ****** b"],
    ),
    (
        "length_constraints:number_sentences",
        {"relation": "less than", "num_sentences": 3},
        ["One. Two!"],
        ["One. Two? Three."],
    ),
    ("length_constraints:number_words", {"relation": "at least", "num_words": 3}, ["one two three"], ["one, two"]),
    ("punctuation:no_comma", {}, ["calm and blue"], ["calm, blue"]),
    (
        "startend:end_checker",
        {"end_phrase": "Is there anything else?"},
        ["Yes. is there  anything else?", 'Yes. "Is there anything else?"'],
        ["Is there anything else? Bye."],
    ),
    ("startend:quotation", {}, ['"All of it."', "  “All of it.”\n"], ["All of it.", '"One" and the rest', '"']),
]


@pytest.mark.parametrize(("instruction", "arguments", "good", "bad"), CASES)
def test_an_instruction_is_followed_or_not(
    instruction: str, arguments: dict[str, object], good: list[str], bad: list[str]
) -> None:
    assert [text for text in good if not follows(instruction, arguments, text)] == []
    assert [text for text in bad if follows(instruction, arguments, text)] == []
    assert not follows(instruction, arguments, " \n")


def test_every_instruction_of_the_set_is_known_and_no_other() -> None:
    assert len({instruction for instruction, *_ in CASES}) == 25
    assert read_check("keywords:rhymes", {"with": "sea"}, identify=load_identifier) is None


@pytest.mark.parametrize(
    "arguments",
    [{}, {"num_words": "many", "relation": "at least"}, {"num_words": 3, "relation": "around"}, {"words": 3}],
)
def test_arguments_of_another_instruction_are_told(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="length_constraints:number_words: "):
        read_check("length_constraints:number_words", arguments, identify=load_identifier)


def test_empty_arguments_of_other_instructions_do_not_count() -> None:
    assert follows("length_constraints:number_words", {"num_words": 1.0, "relation": "at least", "letter": None}, "a")


@pytest.mark.parametrize("text", ["<<" * 20_000, "<<" + "a" * 40_000, "[" * 40_000, "*a " * 20_000, "\n \t" * 15_000])
def test_no_answer_makes_a_check_slow(text: str) -> None:
    began = time.monotonic()
    for instruction, arguments, *_ in CASES:
        if not instruction.startswith(("language", "change_case:english")):
            follows(instruction, arguments, text + "a")
    assert time.monotonic() - began < 5
