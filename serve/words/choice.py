"""Which language a visitor is spoken to in, by what their browser asks for (`Accept-Language`, RFC 9110, 12.5.4).

The best that they ask for and we have, a region's by its language (RFC 4647, 3.4: `de-AT` is German); English where
we have none of them or the header says nothing that can be read. Does not know where the words stand.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from serve.words.catalogue import Words
from serve.words.english import ENGLISH
from serve.words.german import GERMAN

LANGUAGES: Final = (ENGLISH, GERMAN)
"""The first is for everybody else."""
ANY: Final = "*"
MOST_RANGES: Final = 50
"""A browser asks for a handful; whoever asks for more is read so far."""
RANGE: Final = re.compile(
    r"(?P<language>\*|[a-z]{2,8})(?:-[a-z0-9]{1,8})*(?:\s*;\s*q=(?P<quality>0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?", re.I
)


class _Range(NamedTuple):
    language: str
    quality: float


def choose_words(accepted: str) -> Words:
    """`accepted` is the header's value, whoever wrote it."""
    asked = sorted(_ranges(accepted), key=lambda one: -one.quality)
    named = {one.language for one in asked}
    for language, quality in asked:
        for words in LANGUAGES if quality else ():
            if language == words.code or (language == ANY and words.code not in named):
                return words
    return LANGUAGES[0]


def _ranges(accepted: str) -> Iterator[_Range]:
    """Those that are well formed, as they stand; of a language that stands twice both."""
    for part in accepted.split(",", MOST_RANGES)[:MOST_RANGES]:
        if found := RANGE.fullmatch(part.strip()):
            yield _Range(found["language"].lower(), float(found["quality"] or 1))
