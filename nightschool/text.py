"""The one rule for characters that are no text, asked at every door, and what it means that two texts say the same.

What people write is kept without what nobody sees: control characters other than tab and line break, the marks that
embed, override or isolate a direction of writing, and byte order marks are taken out; every kind of line break becomes
a line feed. Half of a surrogate pair is refused, since it cannot be written and nobody knows what was meant. Names and
bots' files, which operators write, are refused where they hold any of it: a name that is quietly another one helps
nobody. Does not know who asks, nor what a model's control tokens look like.
"""

import re
import unicodedata
from typing import Annotated, Final

from pydantic import AfterValidator

from nightschool.errors import InvalidInput

LINE_BREAKS: Final = re.compile("\r\n?|\x85")
INVISIBLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
HALVES: Final = re.compile("[\ud800-\udfff]")
UNSPACED: Final = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
"""Of a regular expression: scripts that write no blanks (Thai, Lao, Burmese, Khmer, Japanese, Chinese), of which each
character counts as a word."""
LONG_WORD: Final = 6
"""Letters; shorter words change their meaning with one of them."""
DOUBLED: Final = re.compile(r"(.)\1")
FILLERS: Final = frozenset(
    (
        *("a", "an", "the", "please", "kindly", "just", "simply", "hi", "hello", "thanks"),
        *("bitte", "der", "das", "ein", "eine", "einen", "einem", "einer", "hallo", "danke"),
        *("le", "la", "les", "un", "une", "merci", "el", "los", "las", "una", "gracias", "il", "uma", "het", "een"),
    )
)
"""Words of some languages that say nothing about the matter."""
NO_NAME: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode's categories of what cannot be seen, or not told apart, in a name."""
EDGES: Final = ".,;:!?¿¡。、，！？：；…\"'“”„‘’«»()[]"  # noqa: RUF001


def clean_text(text: str, *, subject: str, param: str | None = None) -> str:
    """What was written, without what nobody sees. Raises InvalidInput for half of a surrogate pair."""
    if HALVES.search(text):
        raise InvalidInput(
            "holds half of a surrogate pair, which is no character",
            subject=subject,
            remedy="Send it anew.",
            param=param,
        )
    return INVISIBLE.sub("", LINE_BREAKS.sub("\n", text))


def check_name(name: str, *, subject: str, param: str | None = None) -> str:
    """The name. Raises InvalidInput where it holds a character that is not seen, or has blanks around it."""
    odd = next((character for character in name if unicodedata.category(character) in NO_NAME), None)
    if odd is not None:
        raise InvalidInput(
            f"holds U+{ord(odd):04X}, which is not seen", subject=subject, remedy="Leave it out.", param=param
        )
    if name != name.strip():
        raise InvalidInput("has blanks around it", subject=subject, remedy="Leave them out.", param=param)
    return name


def visible(text: str) -> str:
    """What an operator wrote, with line feeds. Raises ValueError where it holds what nobody sees."""
    odd = HALVES.search(text) or INVISIBLE.search(text)
    if odd:
        raise ValueError(f"must not hold U+{ord(odd[0]):04X}, which is not seen")
    return LINE_BREAKS.sub("\n", text)


def _cleaned(text: str) -> str:
    try:
        return clean_text(text, subject="text")
    except InvalidInput as error:
        raise ValueError(error.problem) from error


PeoplesText = Annotated[str, AfterValidator(_cleaned)]
"""A field of a body from outside that holds what a person wrote."""
OperatorsText = Annotated[str, AfterValidator(visible)]
"""A field of a file that an operator writes."""


def fold(text: str) -> str:
    """One form for all ways to type the same words: composed letters, no capitals, single blanks."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def is_same(one: str, other: str) -> bool:
    """Whether two texts say the same, but for capitals and blanks."""
    return one == other or fold(one) == fold(other)


def gist(text: str) -> str:
    """What people who write nearly the same have in common: as `fold`, without the marks around words, and without
    articles, courtesies and what is often spelt in two ways. Every word that says something stays: one that is another
    makes another text."""
    words = [word for marked in fold(text).split() if (word := marked.strip(EDGES))]
    telling = [_spelt(word) for word in words if word not in FILLERS]
    return " ".join(telling or words)


def _spelt(word: str) -> str:
    """One form for words that differ by a doubled letter or an s behind them; short ones and figures as they are."""
    if len(word) < LONG_WORD or not word.isalpha():
        return word
    return DOUBLED.sub(r"\1", word).removesuffix("s")
