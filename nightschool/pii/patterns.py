"""Personal data that has a shape: mail, phone, card, IBAN, IP, national numbers, street addresses, secrets.

Spans, where `nightschool.contacts` gives one spelling of each. Names have no shape (`nightschool.pii.names`). Sources:
ISO/IEC 7812 (cards), ISO 13616 (IBAN).
"""

import re
from collections.abc import Iterator
from typing import Final

from nightschool.contacts import find_account_spans, find_phone_spans
from nightschool.pii.spans import Kind, Span

_EMAIL: Final = re.compile(r"(?<![\w.+-])[\w.+%'-]{1,64}@(?:[\w-]{1,63}\.)*[\w-]{1,63}(?<![_-])", re.I)
_SECRETS: Final = (
    re.compile(r"\b(?:sk|pk|rk)[-_](?:proj|live|test|ant)?[-_]?[A-Za-z0-9_-]{16,}"),
    re.compile(r"\b(?:gh[oprsu]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abprs]-[\w-]{10,})"),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[\w-]{30,}|\bns-[A-Za-z0-9_-]{20,}"),
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S),
    re.compile(r"(?<=://)[^\s/:@]+:[^\s/@]+(?=@)"),
    re.compile(
        r"(?:\b(?:password|passwort|passwd|pwd|contraseña|mot de passe|passphrase|pin|api[ _-]?key|secret|token)"
        r"(?:\s+(?:is|ist|es|est|was|:))?\s*[:=]?\s*[\"'`]?)(?P<secret>(?=\S*\d)[^\s\"'`,;]{4,})",
        re.I,
    ),
)
_STREET_WORD: Final = (
    r"(?:street|st|road|rd|avenue|ave|av|lane|ln|drive|dr|boulevard|blvd|court|ct|way|close|crescent|cres|terrace|"
    r"square|sq|place|pl|parkway|pkwy|highway|hwy|circle|cir|trail|trl|grove|gardens|mews|row|walk|hill|"
    r"stra(?:ß|ss)e|str|weg|platz|allee|gasse|straat|laan|plein|gade|vej|vei|veien|gata|gatan|vägen|väg|katu|tie|"
    r"rue|chemin|calle|avenida|avda|via|viale|piazza|corso|rua|travessa|ulica|ul|utca|út|körút|ulice|třída|náměstí)"
)
_NUMBER: Final = r"\d{1,5}(?:[-/]\d{1,4})?\s?[a-z]?"
_WORDS: Final = r"(?:[^\W\d_][\w'’.-]*[ ]){1,4}"
_UNIT: Final = r"(?:[, \n]+\s*(?:suite|apt|apartment|unit|flat|floor|room|ste|po box|p\.?o\.? box)\.?\s?#?\w{1,6})?"
_TOWN: Final = r"(?:[,\n]\s*(?:[^\W\d_][\w'’.-]*[ ,]*){1,4})?(?:[, \n]+(?:[A-Z]{2}[ ,]+)?\d{4,5}(?:-\d{3,4})?)?"
_ADDRESSES: Final = (
    re.compile(rf"\b{_NUMBER}[ ,]+{_WORDS}{_STREET_WORD}\b\.?{_UNIT}{_TOWN}", re.I),
    re.compile(rf"\b{_NUMBER}[ ,]+(?:{_STREET_WORD})\.?[ ]+(?:[^\W\d_][\w'’.-]*[ ]?){{1,4}}{_UNIT}{_TOWN}", re.I),
    re.compile(
        r"\b[^\W\d_][\w'’-]{2,}(?:stra(?:ß|ss)e|str\.?|weg|platz|allee|gasse|straat|laan|plein|gade|vej|veien|gata|gatan|"
        rf"vägen|katu|tie|utca)[ ]{_NUMBER}\b{_UNIT}{_TOWN}",
        re.I,
    ),
    re.compile(
        rf"\b(?:rue|calle|avenida|via|viale|piazza|corso|rua|ul\.|ulica)[ ]{_WORDS}{_NUMBER}\b{_UNIT}{_TOWN}", re.I
    ),
    re.compile(rf"\b\d{{1,3}}[ ]{_NUMBER}[ ]{_WORDS[:-5]}{{1,3}}[^\W\d_]\w+{_UNIT}\s*\n", re.I),
    re.compile(r"\bp\.?\s?o\.? box \d+|\bpsc \d+,? box \d+", re.I),
)


_NAMED_PHONE: Final = re.compile(
    r"(?<![\w+])(?P<phone>[+(]?\d[\d \t().\-–/]{4,20}\d(?:x\d{1,6})?)[\s\-–,(\\]{0,4}"
    r"(?:office|fax|mobile|cell|work|home|phone|tel)\b",
    re.I,
)


ACCOUNTS: Final = {"card": Kind.CARD, "iban": Kind.IBAN, "person": Kind.ID, "machine": Kind.IP}


def find_shaped(text: str) -> Iterator[Span]:
    """May overlap; `nightschool.pii.spans.settle` sorts that out."""
    for pattern in _SECRETS:
        named = "secret" if "secret" in pattern.groupindex else 0
        yield from (Span(*match.span(named), Kind.SECRET) for match in pattern.finditer(text))
    yield from (Span(*match.span(), Kind.EMAIL) for match in _EMAIL.finditer(text))
    for name, places in find_account_spans(text).items():
        yield from (Span(start, end, ACCOUNTS[name]) for start, end in places)
    yield from (Span(start, end, Kind.PHONE) for start, end in find_phone_spans(text))
    yield from (Span(*match.span("phone"), Kind.PHONE) for match in _NAMED_PHONE.finditer(text))
    for pattern in _ADDRESSES:
        yield from (_trimmed(text, *match.span()) for match in pattern.finditer(text))


def _trimmed(text: str, start: int, end: int) -> Span:
    return Span(start, start + len(text[start:end].rstrip(" ,.\n")), Kind.ADDRESS)
