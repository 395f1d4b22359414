"""Contacts and accounts that an answer names: e-mail addresses, phones, links, street addresses, cards and accounts.

`find_*` give each in one spelling, so that what is written otherwise counts as the same. Whether one may be named is
not decided here. Beyond sight: names of people, and handles of messengers that are no links.
"""

import re
from collections.abc import Iterator
from typing import Final

# A letter or digit of a name that is written with spaces around: Chinese runs a name into the sentence.
_LETTER: Final = r"[^\W_\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
_LABEL: Final = rf"{_LETTER}(?:(?:{_LETTER}|-){{0,61}}{_LETTER})?"
_DOT: Final = r"(?:\.|\s?[\[({]\s?(?:\.|dot|punkt|punto|point)\s?[\])}]\s?|\s(?:dot|punkt|punto)\s|\s\.\s)"
_AT: Final = r"(?:@|\s@\s|\s?[\[({<]\s?(?:at|ät|@|arroba|arobase)\s?[\])}>]\s?)"
_END: Final = r"(?![a-zA-Z0-9-])"
_EMAIL: Final = re.compile(
    rf"(?<!\w)((?:{_LETTER}|[.+%_'-]){{1,64}}){_AT}({_LABEL}(?:{_DOT}{_LABEL})+|{_LABEL}(?=\W|$))", re.I
)
_SPOKEN_EMAIL: Final = re.compile(r"\b([\w.+-]{2,64}) at ([\w-]{2,40}) dot ([a-z]{2,10})\b", re.I)
_SCHEME: Final = re.compile(r"\b(?:h[tx]{2}ps?|ftps?|file)\s?[:：]\s?//\s?([^\s<>\"'`)\]]+)", re.I)
_WWW: Final = re.compile(rf"(?<!\w)www{_DOT}({_LABEL}(?:{_DOT}{_LABEL})*)", re.I)
# Endings that are words in no sentence, since a blank is often forgotten behind a full stop ("order.it is").
_ENDINGS: Final = (
    "com net org info biz io ai app dev shop online site website xyz top club click link live store space tech cloud "
    "page support help example test invalid local internal onion vip pro mobi tel asia cat gov edu int mil agency "
    "center company digital email finance fun group icu life ltd media money network news one services social "
    "solutions systems team today tools trade win work works world zone bank health blog "
    "de uk fr eu nl pl ru cn jp kr ch se dk fi cz sk hu ro bg gr tr ua by kz ir il ae sa br mx cl pe ve "
    "ca au nz za ng ke ie pt lt lv ee hr rs si lu li mc tv cc ws gg tk ml ga cf gq su vn th tw hk sg ph "
    "id my pk lk bd ua"
    " рф онлайн сайт рус москва бел укр 中国 网络 公司"
).split()
_BARE: Final = re.compile(
    rf"(?<![@.-])(?<!{_LETTER})((?:{_LABEL}{_DOT})+"
    rf"(?:{'|'.join(sorted(set(_ENDINGS), key=len, reverse=True))})){_END}(?![(.]\w)"
)
_WITH_PATH: Final = re.compile(rf"(?<![@.-])(?<!{_LETTER})((?:{_LABEL}\.)+[a-z]{{2,24}})/[\w?#%-]", re.I)
_ADDRESS_OF_A_MACHINE: Final = re.compile(
    r"(?<![\w.])((?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d))(?![\w.]\d)"
)
_DIGITS: Final = re.compile(r"(?<![\w.,])[+(]?\d(?:[ \t().·\-–/]{0,3}\d){6,24}(?=\W|_|$|x\d)")
_PHONE_CUE: Final = re.compile(
    r"(?:phone|tel\b|tel[.:]|téléphone|telefon|teléfono|telefono|call|ring|dial|hotline|mobile|cell|whats\s?app|sms|"
    r"text (?:us|me|him|her)|fax|anruf|rufen|handy|nummer|llam|móvil|appel|chiama|ligue|позвон|телефон|звон|电话|致电|"
    r"電話|拨打|전화|(?:his|her|my|their|our|your|direct) number|reach \w+ (?:on|at))[^.!?\n]{0,40}$", re.I,
)  # fmt: skip
_ORDER_CUE: Final = re.compile(
    r"(?:order|purchase|invoice|ticket|case|reference|tracking|parcel|shipment|transaction|booking|reservation|"
    r"bestell|rechnung|pedido|factura|commande|facture|заказ|订单|注文)([^.!?\n]{0,25})$", re.I,
)  # fmt: skip
_CALL: Final = re.compile(
    r"phone|tel\b|tel[.:]|telefon|teléfono|call|ring\b|dial|hotline|mobile|whats\s?app|sms|fax|anruf|rufen|llam|appel|"
    r"chiama|ligue|позвон|телефон|电话|致电|電話|拨打|전화|reach \w+ (?:on|at|under)", re.I,
)  # fmt: skip
"""For your order, call."""
_PHONE_SHAPE: Final = re.compile(
    r"^(?:\+\d|00[1-9]|\(\d{1,5}\)|0\d{1,5}[ /()\-–.]|1?[ -.]?\(?\d{3}\)?[ .\-–]\d{3}[ .\-–]\d{4}$|"
    r"(?:\d[ .\-–]){6,}\d$)"
)
SAME_DIGITS: Final = 6
OTHER_DIGITS: Final = 2
"""At most so many of the shorter number are a trunk's or a country's, and not in the longer one."""
GARBLED_DIGITS: Final = 4
_REGIONS: Final = ("US", "GB", "DE", "FR", "IN", "CN", "BR", "JP", "ES")
_SPOKEN_DIGITS: Final = (
    "zero one two three four five six seven eight nine oh null eins zwo zwei drei vier fünf sechs sieben acht neun "
    "cero uno dos tres cuatro cinco seis siete ocho nueve zéro un deux trois quatre cinq sept huit neuf double triple"
).split()
_SPOKEN_PHONE: Final = re.compile(rf"\b(?:(?:{'|'.join(_SPOKEN_DIGITS)})\b[\s,\-–]*){{7,}}", re.I)
_DATE: Final = re.compile(r"(?:19|20)\d\d[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./](?:19|20)\d\d")
_IBAN: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[ -]?\d{2}(?:[ -]?[A-Za-z0-9]{2,4}){3,8}(?![A-Za-z0-9])")
_GROUPS_OF_FOUR: Final = re.compile(r"^\d{4}([ \-.])\d{4}\1\d{4}\1\d{1,7}$|^3\d{3}([ \-.])\d{6}\2\d{5}$")
_NETWORK: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|3[068]\d{12}|35\d{14}|6(?:011|[45]\d\d)\d{12}|"
    r"62\d{14,17}|(?:50|5[6-8]|6[37])\d{11,17}"
)
"""How the numbers of the card networks begin, and how long they are (ISO/IEC 7812)."""
_PERSON_NUMBER: Final = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")
_SECRET: Final = re.compile(r"\b(?:sk-|sk_live_|ghp_|xox[bp]-|AKIA|eyJ)[A-Za-z0-9_-]{12,}")
_STREET: Final = re.compile(
    r"\b\d{1,5}[a-z]?\s(?:[A-Z][\w'’.-]*\s){1,3}(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|"
    r"Boulevard|Blvd|Court|Ct|"
    r"Way|Close|Crescent|Terrace|Square)\b|\b[A-ZÄÖÜ][\wäöüß-]*(?:straße|strasse|str\.|weg|platz|allee|"
    r"gasse)\s\d{1,4}\b|"
    r"\b\d{1,4},?\s(?:rue|avenue|boulevard|chemin|place)\s(?:d[eu]s?\s|de\sla\s|l['’])?[A-Z]\w+|"
    r"\b(?:Calle|Avenida|Via|Viale|Rua)\s(?:[\w.]+\s){1,4}?\d{1,4}\b"
)  # fmt: skip


def find_emails(text: str) -> set[str]:
    found = {f"{name}@{_dotted(host)}".casefold().strip(".'") for name, host in _EMAIL.findall(text)}
    return found | {f"{name}@{host}.{end}".casefold() for name, host, end in _SPOKEN_EMAIL.findall(text)}


def find_hosts(text: str) -> set[str]:
    """Names of machines that links lead to, without `www.`; with the scheme, without it, and with it spoiled."""
    hosts = {re.split(r"[/?#\\]", link)[0].rpartition("@")[2].partition(":")[0] for link in _SCHEME.findall(text)}
    without = _EMAIL.sub(" ", text)
    for pattern in (_WWW, _BARE, _WITH_PATH, _ADDRESS_OF_A_MACHINE):
        hosts |= set(pattern.findall(without))
    return {_dotted(host).casefold().strip(".,;:!?").removeprefix("www.") for host in hosts} - {""}


def find_phones(text: str) -> set[str]:
    """Their digits; those of one spoken out as its words."""
    spoken = {" ".join(match.split()).casefold() for match in _SPOKEN_PHONE.findall(text)}
    numbers = {digits_of(match.group()) for match in _DIGITS.finditer(text) if _is_phone(match, text)}
    return spoken | numbers | _written_phones(text)


def find_phone_spans(text: str) -> list[tuple[int, int]]:
    """Where numbers stand that `find_phones` finds, but for those that are valid somewhere and look like none."""
    spoken = [match.span() for match in _SPOKEN_PHONE.finditer(text)]
    return spoken + [match.span() for match in _DIGITS.finditer(text) if _is_phone(match, text)]


def find_digit_rows(text: str) -> set[str]:
    """Whatever is as long as a phone number: orders, parcels, cards."""
    return {digits_of(match.group()) for match in _DIGITS.finditer(text)}


def is_same_phone(one: str, other: str) -> bool:
    """Whether they share nearly all: the country's code, a nought or an extension is written or not."""
    run = max(SAME_DIGITS, min(len(one), len(other)) - OTHER_DIGITS)
    return one == other or any(one[at : at + run] in other for at in range(len(one) - run + 1))


def is_garbled(phone: str, known: str) -> bool:
    """Whether it begins as a known number does: a model's poor memory of it and no other number."""
    return phone != known and phone[:GARBLED_DIGITS] == known[:GARBLED_DIGITS] and phone[:1].isdigit()


def find_accounts(text: str) -> set[str]:
    """Cards, IBANs, numbers of social security, keys."""
    ibans = {_bare(text[start:end]) for start, end in _iban_spans(text)}
    cards = {digits_of(match.group()) for match in _DIGITS.finditer(text) if is_card(match.group())}
    return ibans | cards | set(_PERSON_NUMBER.findall(text)) | set(_SECRET.findall(text))


def find_account_spans(text: str) -> dict[str, list[tuple[int, int]]]:
    """Where cards, IBANs, numbers of social security and addresses of machines stand, under those names."""
    return {
        "card": [match.span() for match in _DIGITS.finditer(text) if is_card(match.group())],
        "iban": list(_iban_spans(text)),
        "person": [match.span() for match in _PERSON_NUMBER.finditer(text)],
        "machine": [match.span(1) for match in _ADDRESS_OF_A_MACHINE.finditer(text)],
    }


def find_streets(text: str) -> set[str]:
    return {" ".join(match.split()).casefold() for match in _STREET.findall(text)}


def digits_of(text: str) -> str:
    return "".join(c for c in text if c.isdigit())


def is_card(written: str) -> bool:
    digits = digits_of(written)
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    # A card's number is a card's number even if the model that made it up got its check digit wrong. Of other
    # long numbers one in ten has a right one.
    return bool(_GROUPS_OF_FOUR.match(written.strip())) or (bool(_NETWORK.fullmatch(digits)) and _passes_luhn(digits))


def _passes_luhn(digits: str) -> bool:
    doubled = [sum(divmod(2 * int(d), 10)) if place % 2 else int(d) for place, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def _iban_spans(text: str) -> Iterator[tuple[int, int]]:
    """A word of four letters behind one looks like a group of it."""
    for match in _IBAN.finditer(text):
        gaps = [match.start() + gap.start() for gap in re.finditer("[ -]", match.group())]
        ends = [*gaps, match.end()][::-1]
        end = next((end for end in ends if _is_iban(text[match.start() : end])), None)
        if end is not None:
            yield match.start(), end


def _is_iban(written: str) -> bool:
    bare = _bare(written)
    if not 15 <= len(bare) <= 34 or sum(c.isdigit() for c in bare) < 10:
        return False
    if re.fullmatch(r"[A-Za-z]{2}\d\d(?: [A-Za-z0-9]{4}){3,}(?: [A-Za-z0-9]{1,4})?", written.strip()):
        return True
    return int("".join(str(int(c, 36)) for c in bare[4:] + bare[:4])) % 97 == 1


def _is_phone(match: re.Match[str], text: str) -> bool:
    written = match.group().strip()
    if not 7 <= len(digits_of(written)) <= 15 or _is_other_number(written, text[: match.start()]):
        return False
    return bool(_PHONE_CUE.search(text[: match.start()]) or _PHONE_SHAPE.match(written))


def _is_other_number(written: str, before: str) -> bool:
    cue = _ORDER_CUE.search(before)
    is_order = cue is not None and not _CALL.search(cue.group(1))
    return is_order or bool(_DATE.search(written) or is_card(written) or _PERSON_NUMBER.search(written))


def _written_phones(text: str) -> set[str]:
    """Numbers that are valid in some country, in whatever groups they are written; not a mere row of digits."""
    if not any(len(digits_of(match.group())) >= 9 for match in _DIGITS.finditer(text)):
        return set()
    # Imported here: the server does not need its tables.
    import phonenumbers  # noqa: PLC0415

    return {
        digits_of(match.raw_string)
        for region in _REGIONS
        for match in phonenumbers.PhoneNumberMatcher(text, region, leniency=phonenumbers.Leniency.STRICT_GROUPING)
        if not match.raw_string[1:].isdigit() and not _is_other_number(match.raw_string, text[: match.start])
    }


def _dotted(host: str) -> str:
    return re.sub(_DOT, ".", host)


def _bare(written: str) -> str:
    return re.sub(r"[\W_]", "", written).upper()
