"""Instructions that a program can check, as the public set IFEval names them, each as a check of the answer.

In: an instruction's id and its arguments. The ids and what they ask are those of Zhou et al. 2023,
*Instruction-Following Evaluation for Large Language Models* (arXiv 2311.07911), read strictly: the answer as it stands.
What a word and a sentence is, `nightschool.wording` says. Silence follows no instruction. Does not know who answers.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import ValidationError, validate_call

from eval.suite import checks
from eval.suite.case import Check
from nightschool.language import SURE, Identify
from nightschool.text import fold
from nightschool.wording import sentences, words

Relation = Literal["at least", "less than"]
Holds = Callable[[str], bool]
_BULLET: Final = re.compile(r"^[ \t]*[*-][ \t]+\S", re.M)
_HIGHLIGHT: Final = re.compile(r"(?<!\*)(\*{1,3})(?=[^\s*])[^*\n]*(?<=[^\s*])\1(?!\*)")
_TITLE: Final = re.compile(r"<<([^<>\n]+)>>")
_PLACEHOLDER: Final = re.compile(r"\[[^\[\]]*\]")
_DIVIDER: Final = re.compile(r"(?<!\S)\*{3}(?!\S)")
_SIX_STARS: Final = re.compile(r"\*{6,}")
_OPENING: Final = '"“„«'
_CLOSING: Final = '"”“»'
_QUOTES: Final = f"{_OPENING}{_CLOSING}'"
_CHOICES: Final = ("my answer is yes.", "my answer is no.", "my answer is maybe.")


def read_check(instruction: str, arguments: Mapping[str, Any], *, identify: Callable[[], Identify]) -> Check | None:
    """None for an instruction that is not known here. Raises ValueError where the arguments are not its own.

    `identify` is called when an answer's language is asked for, and not before.
    """
    make = _checks(identify).get(instruction)
    if make is None:
        return None
    # Some copies of the set name every argument for every instruction, and leave those of others empty.
    given = {name: value for name, value in arguments.items() if value is not None}
    try:
        holds = validate_call(make)(**given)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise ValueError(f"{instruction}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from error
    told = ", ".join(f"{name} {value!r}" for name, value in given.items())
    name = f"{instruction} ({told})" if told else instruction
    return Check(name, lambda reply: bool(reply.text.strip()) and holds(reply.text))


def _checks(identify: Callable[[], Identify]) -> Mapping[str, Callable[..., Holds]]:
    return {
        "change_case:capital_word_frequency": _capital_words,
        "change_case:english_capital": lambda: lambda text: text.isupper() and _may_be_english(text, identify()),
        "change_case:english_lowercase": lambda: lambda text: text.islower() and _may_be_english(text, identify()),
        "combination:repeat_prompt": _repeats,
        "combination:two_responses": lambda: _gives_two,
        "detectable_content:number_placeholders": _placeholders,
        "detectable_content:postscript": _postscript,
        "detectable_format:constrained_response": lambda: _chooses,
        "detectable_format:json_format": lambda: checks.is_json_text,
        "detectable_format:multiple_sections": _sections,
        "detectable_format:number_bullet_lists": _bullets,
        "detectable_format:number_highlighted_sections": _highlights,
        "detectable_format:title": lambda: lambda text: bool(_filled(_TITLE.findall(text))),
        "keywords:existence": _existence,
        "keywords:forbidden_words": _forbidden,
        "keywords:frequency": _frequency,
        "keywords:letter_frequency": _letters,
        "language:response_language": _language(identify),
        "length_constraints:nth_paragraph_first_word": _first_word,
        "length_constraints:number_paragraphs": _divided,
        "length_constraints:number_sentences": _sentences,
        "length_constraints:number_words": _words,
        "punctuation:no_comma": lambda: lambda text: "," not in text,
        "startend:end_checker": _ends,
        "startend:quotation": lambda: _is_quoted,
    }


def _is(relation: Relation, count: int, number: int) -> bool:
    return count >= number if relation == "at least" else count < number


def _existence(keywords: list[str]) -> Holds:
    """Also inside of longer words."""
    return lambda text: all(word.casefold() in text.casefold() for word in keywords)


def _forbidden(forbidden_words: list[str]) -> Holds:
    """As whole words."""
    found = [re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.I) for word in forbidden_words]
    return lambda text: not any(pattern.search(text) for pattern in found)


def _frequency(keyword: str, frequency: int, relation: Relation) -> Holds:
    return lambda text: _is(relation, text.casefold().count(keyword.casefold()), frequency)


def _letters(letter: str, let_frequency: int, let_relation: Relation) -> Holds:
    return lambda text: _is(let_relation, text.casefold().count(letter.casefold()), let_frequency)


def _capital_words(capital_frequency: int, capital_relation: Relation) -> Holds:
    def holds(text: str) -> bool:
        return _is(capital_relation, sum(word.isupper() for word in re.findall(r"[\w'-]+", text)), capital_frequency)

    return holds


def _language(identify: Callable[[], Identify]) -> Callable[..., Holds]:
    def make(language: str) -> Holds:
        return lambda text: identify()(text)[0][0] == language

    return make


def _may_be_english(text: str, identify: Identify) -> bool:
    """Unless it is surely in another language."""
    language, share = identify(text)[0]
    return language == "en" or share < SURE


def _sentences(num_sentences: int, relation: Relation) -> Holds:
    def holds(text: str) -> bool:
        # The number of an item and a line of stars are none.
        return _is(relation, sum(any(map(str.isalpha, one)) for one in sentences(text)), num_sentences)

    return holds


def _words(num_words: int, relation: Relation) -> Holds:
    return lambda text: _is(relation, len(words(text)), num_words)


def _divided(num_paragraphs: int) -> Holds:
    """By lines, or words, of three stars."""
    return lambda text: len(_filled(_DIVIDER.split(text))) == num_paragraphs


def _first_word(num_paragraphs: int, nth_paragraph: int, first_word: str) -> Holds:
    def holds(text: str) -> bool:
        paragraphs = _filled(re.split(r"\n[ \t]*\n", text))
        if len(paragraphs) != num_paragraphs or not 0 < nth_paragraph <= num_paragraphs:
            return False
        return words(paragraphs[nth_paragraph - 1])[:1] == words(first_word)[:1]

    return holds


def _placeholders(num_placeholders: int) -> Holds:
    return lambda text: len(_PLACEHOLDER.findall(text)) >= num_placeholders


def _postscript(postscript_marker: str) -> Holds:
    """The marker, and something behind it."""
    marker = re.escape(postscript_marker.rstrip(".")).replace(r"\.", r"\.\s?")
    pattern = re.compile(rf"(?<![\w.]){marker}(?!\w)\W*\w", re.I)
    return lambda text: bool(pattern.search(text))


def _bullets(num_bullets: int) -> Holds:
    return lambda text: len(_BULLET.findall(text)) == num_bullets


def _highlights(num_highlights: int) -> Holds:
    return lambda text: len(_HIGHLIGHT.findall(text)) >= num_highlights


def _sections(section_spliter: str, num_sections: int) -> Holds:
    """Sections are told apart by their number: whoever mentions one again begins no other."""
    pattern = re.compile(rf"(?<!\w){re.escape(section_spliter.strip())}\s*(\d+)")
    return lambda text: len(set(pattern.findall(text))) >= num_sections


def _repeats(prompt_to_repeat: str) -> Holds:
    return lambda text: fold(text).strip(_QUOTES).startswith(fold(prompt_to_repeat).strip(_QUOTES))


def _ends(end_phrase: str) -> Holds:
    return lambda text: fold(text).rstrip(_QUOTES).endswith(fold(end_phrase).rstrip(_QUOTES))


def _gives_two(text: str) -> bool:
    parts = _filled(_SIX_STARS.split(text))
    return len(parts) == 2 and fold(parts[0]) != fold(parts[1])


def _chooses(text: str) -> bool:
    """One of the three answers, and no other beside it."""
    return sum(choice in fold(text) for choice in _CHOICES) == 1


def _is_quoted(text: str) -> bool:
    bare = text.strip()
    return len(bare) > 2 and bare[0] in _OPENING and bare[-1] in _CLOSING


def _filled(parts: Sequence[str]) -> list[str]:
    return [part for part in parts if part.strip()]
