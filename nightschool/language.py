"""Which language is a text in, and is an answer, or a part of it, in another than the conversation?

Short texts decide nothing: where the library is not sure, the answer is taken to be in the right one. Scripts are
compared besides, since one word in another alphabet can be told at once. Of languages that resemble each other as
Danish and Norwegian do, either passes for the other.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

from nightschool.wording import sentences

Identify = Callable[[str], Sequence[tuple[str, float]]]
"""Text -> codes of languages and how likely each is, 0..1, the likeliest first."""
SURE: Final = 0.97
LIKELIEST: Final = 8
WHOLE_LETTERS: Final = 20
PART_LETTERS: Final = 30
FOREIGN_LETTERS: Final = 3
_KIN: Final[Sequence[frozenset[str]]] = (
    frozenset({"no", "nb", "nn", "da", "sv", "fo"}),
    frozenset({"hr", "bs", "sr", "sl"}),
    frozenset({"id", "ms", "jv", "ace"}),
    frozenset({"cs", "sk"}),
    frozenset({"pt", "gl"}),
    frozenset({"es", "ca", "gl", "an", "ext"}),
    frozenset({"it", "vec", "lij", "la"}),
    frozenset({"fr", "oc", "wa", "gcr", "gcf"}),
    frozenset({"en", "pcm"}),
    frozenset({"zh", "yue", "wuu"}),
    frozenset({"uk", "ru", "be", "bg", "mk"}),
    frozenset({"af", "nl", "fy"}),
    frozenset({"de", "lb"}),
    frozenset({"hi", "mr", "ne"}),
)
# Greek and letters of other alphabets stand in formulas and units; a word of them does not.
_SCRIPTS: Final = ("LATIN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "DEVANAGARI", "BENGALI", "TAMIL", "THAI", "HANGUL",
                   "HIRAGANA", "KATAKANA", "CJK", "GEORGIAN", "ARMENIAN", "TELUGU", "GUJARATI")  # fmt: skip


@cache
def load_identifier() -> Identify:
    """Once a process: it never changes, and reading it takes half a second."""
    # Imported here: a library that nobody needs before an exam.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415

    identify: Identify = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True).rank
    return identify


def is_foreign(
    answer: str, *, reference: str, question: str, before: str, system_prompt: str, identify: Identify
) -> bool:
    """`reference`: a text that is in the right language; `before`: all that was said in the conversation."""
    said, home = _scripts(answer), _scripts(f"{before}\n{reference}\n{system_prompt}")
    if any(count >= FOREIGN_LETTERS and not home[script] for script, count in said.items() if script != "LATIN"):
        return True
    own = _scripts(reference)
    if _kana(own) and not _kana(said) and said["CJK"] >= WHOLE_LETTERS // 2:
        return True
    # Latin letters alone where the reference has hardly any: a name would be short.
    if (
        said.total() >= WHOLE_LETTERS
        and own.total()
        and own["LATIN"] < own.total() / 4
        and said["LATIN"] > 0.8 * said.total()
    ):
        return True
    allowed = {language for text in (reference, question, before) if (language := language_of(text, identify))}
    if not allowed:
        return False
    parts = (answer, *(part for part in _parts(answer) if _letters(part) >= PART_LETTERS))
    spoken = {language for part in parts if (language := language_of(part, identify))}
    return any(not any(are_kin(language, other) for other in allowed) for language in spoken)


def _parts(answer: str) -> list[str]:
    """Sentences, short ones joined to what follows."""
    parts: list[str] = []
    for sentence in sentences(answer):
        if parts and _letters(parts[-1]) < PART_LETTERS:
            parts[-1] += " " + sentence
        else:
            parts.append(sentence)
    return parts


def language_of(text: str, identify: Identify) -> str | None:
    """Where the text tells it for sure. A language and those that resemble it count as one (`are_kin`)."""
    if _letters(text) < WHOLE_LETTERS and not _letters(text, wide=True) >= WHOLE_LETTERS // 3:
        return None
    # Digits, links and names of menus belong to no language.
    bare = re.sub(r"https?://\S+|\S+@\S+|\d+", " ", text)
    # The library also knows the dialects of a language, and divides its certainty among them.
    ranked = identify(bare)[:LIKELIEST]
    language = ranked[0][0]
    return language if math.fsum(share for other, share in ranked if are_kin(language, other)) >= SURE else None


def are_kin(one: str, other: str) -> bool:
    return one == other or any({one, other} <= kin for kin in _KIN)


def _letters(text: str, *, wide: bool = False) -> int:
    return sum(c.isalpha() and (not wide or c > "\u2e80") for c in text)


def _scripts(text: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for letter, count in Counter(text).items():
        if letter.isalpha():
            name = unicodedata.name(letter, "")
            found[next((script for script in _SCRIPTS if name.startswith(script)), "")] += count
    del found[""]
    return found


def _kana(scripts: Counter[str]) -> bool:
    return scripts["HIRAGANA"] + scripts["KATAKANA"] > 0
