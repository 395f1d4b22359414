"""What a written number may amount to, in digits of any grouping or in words.

1.000,50 and 1,000.50 and 1 000.50 are one number; 1.500 may be either of two. Words up to the hundred thousands in
English, and the small ones of a few other languages. Knows no units.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

NUMBER: Final = re.compile(
    r"(?<![\w.,])(?:[1-9]\d{0,2}(?:[ '’]\d{3})+(?:[.,]\d{1,2})?(?![\d'’]| \d)|\d+(?:[.,]\d+)*(?:-\d+(?:[.,]\d+)*)*)"
)
_GROUPED: Final = re.compile(r"[1-9]\d{0,2}([.,'’ ])\d{3}(?:\1\d{3})*(?:(?!\1)[.,](\d+))?")
_LAKHS: Final = re.compile(r"\d{1,2}(?:,\d\d)+,\d{3}(?:\.(\d+))?")
_SIMPLE: Final = re.compile(r"\d+(?:[.,]\d+)?")
_SMALL: Final[Mapping[str, int]] = MappingProxyType(
    {
        word: number
        for number, words in enumerate(
            (
                "zero", "one ein eine einen einem einer un une uno una een", "two zwei zwo deux dos due dois duas twee",
                "three drei trois tres tre três drie", "four vier quatre cuatro quattro quatro",
                "five fünf cinq cinco cinque vijf", "six sechs seis sei zes", "seven sieben sept siete sette zeven",
                "eight acht huit ocho otto oito", "nine neun neuf nueve nove negen", "ten zehn dix diez dieci dez tien",
                "eleven elf onze undici", "twelve zwölf douze doce dodici doze twaalf",
                "thirteen dreizehn treize trece", "fourteen vierzehn quatorze catorce quattordici veertien",
                "fifteen fünfzehn quinze quince quindici vijftien", "sixteen", "seventeen", "eighteen", "nineteen",
                "twenty zwanzig vingt veinte venti vinte twintig",
            )
        )
        for word in words.split()
    }
)  # fmt: skip
_TENS: Final[Mapping[str, int]] = MappingProxyType(
    {
        word: 10 * tens
        for tens, words in enumerate(
            (
                "twenty", "thirty dreißig dreissig trente treinta trenta trinta dertig", "forty vierzig cuarenta",
                "fifty fünfzig cinquante cincuenta", "sixty sechzig soixante sesenta", "seventy siebzig setenta",
                "eighty achtzig ochenta", "ninety neunzig noventa",
            ),
            start=2,
        )
        for word in words.split()
    }
)  # fmt: skip
_SCALES: Final[Mapping[str, int]] = MappingProxyType(
    {"hundred": 100, "thousand": 1000, "hundert": 100, "tausend": 1000}
)
_WORD: Final = "|".join(sorted({*_SMALL, *_TENS, *_SCALES}, key=len, reverse=True))
NUMBER_WORDS: Final = re.compile(rf"(?<![\w-])(?:{_WORD})(?:(?:[\s-]|\sand\s)(?:{_WORD}))*(?![\w'’])")


def read_number(written: str) -> frozenset[Decimal | str]:
    """Every number that it may be; what is no number (3.5.1, 654-321987) is itself, without its strokes."""
    found: set[Decimal | str] = set()
    if grouped := _GROUPED.fullmatch(written) or _LAKHS.fullmatch(written):
        point = grouped.groups()[-1]
        whole = written[: -len(point) - 1] if point else written
        found.add(Decimal("".join(c for c in whole if c.isdigit()) + f".{point or 0}"))
    if _SIMPLE.fullmatch(written):
        found.add(Decimal(written.replace(",", ".")))
    if not found:
        bare = written.replace("-", "")
        found.add(Decimal(bare) if bare.isdecimal() else bare)
    return frozenset(found)


def read_number_words(written: str) -> Decimal | None:
    """One hundred and twenty-five; None for words that make no number together (`five six`)."""
    total, current, least = 0, 0, 10**9
    for word in re.split(r"[\s-]+", written):
        if word == "and":
            continue
        if word in _SCALES:
            scale = _SCALES[word]
            if scale == 1000:
                total, current, least = total + max(current, 1) * scale, 0, scale
            else:
                current, least = max(current, 1) * scale, scale
            continue
        value = _SMALL.get(word, _TENS.get(word, 0))
        # Each part must be smaller than the one before: twenty-five, but not five twenty.
        if (current or total) and not value < min(least, 100):
            return None
        current, least = current + value, 10 if word in _TENS else 0
    return Decimal(total + current)
