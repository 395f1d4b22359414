"""A passage as the guard quotes it: with the page that it stands on, or as an answer of the team, in its own language.

Of an answer to another person the sentences that state a fact are quoted, for the others speak to that person. In a
language that has no words here the page is named without any, and an answer stands between quotation marks. Does not
know when a passage is quoted.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from eval.facts import find_facts
from eval.sentences import end_of_sentence
from nightschool.knowledge import Passage
from nightschool.language import Identify, are_kin, language_of

QUOTED: Final[Mapping[str, str]] = MappingProxyType(
    {"en": "From our page on {document}: {text}", "de": "Auf unserer Seite „{document}“ steht: {text}"}
)
WORDLESS: Final = "{document}: {text}"
ANSWERED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "en": "Our team answered a like question: {text}",
        "de": "Auf eine ähnliche Frage hat unser Team geantwortet: {text}",
    }
)
ANSWERED_WORDLESS: Final = "“{text}”"


def quote(passage: Passage, *, beside: str, identify: Identify) -> str:
    """`beside` is a text of the same bot's, for passages that are too short to tell their language by; where neither
    tells it, it is taken to be English."""
    language = language_of(passage.text, identify) or language_of(beside, identify) or "en"
    words, wordless = (ANSWERED, ANSWERED_WORDLESS) if passage.conversation_id else (QUOTED, WORDLESS)
    said = next((said for known, said in words.items() if are_kin(known, language)), wordless)
    text = _factual(passage.text) if passage.conversation_id else passage.text
    return said.format(document=passage.document, text=" ".join(text.split()))


def _factual(text: str) -> str:
    """Its sentences that state facts; all of it where none does."""
    sentences, rest = [], text
    while rest:
        end = end_of_sentence(rest) or len(rest)
        sentences.append(rest[:end])
        rest = rest[end:]
    return "".join(sentence for sentence in sentences if find_facts(sentence)) or text
