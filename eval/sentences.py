"""Where a sentence ends that is still being written.

A full stop counts once a blank follows, so that 4.50 and lumafern.example stay whole, and not behind an abbreviation or
a list's number; Chinese and Japanese marks, and a line's end, count at once. Knows nothing of what sentences say.
"""

import re
from typing import Final

END: Final = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s)|[。！？]+[」』]?|\n+")  # noqa: RUF001
ABBREVIATED: Final = re.compile(
    r"(?:^|[\s(])(?:e\.g|i\.e|etc|approx|incl|excl|no|nos|mr|mrs|ms|dr|prof|st|vs|max|min|tel|ext|z\.b|d\.h|bzw|ca|usw|"
    r"inkl|p\. ?ex|\w|\d{1,2})\.$",
    re.I,
)


def end_of_sentence(text: str) -> int | None:
    """How long the first sentence of `text` is, the blanks behind it counted; None while it goes on."""
    for match in END.finditer(text):
        if match.group().startswith(".") and ABBREVIATED.search(text[: match.start() + 1]):
            continue
        blanks = len(text) - match.end() - len(text[match.end() :].lstrip())
        return match.end() + blanks
    return None
