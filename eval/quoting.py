"""A passage as the guard quotes it: with the page that it stands on, in the language in which the passage is.

In a language that has no words here the page is named without any. Does not know when a passage is quoted.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from nightschool.knowledge import Passage
from nightschool.language import Identify, are_kin, language_of

QUOTED: Final[Mapping[str, str]] = MappingProxyType(
    {"en": "From our page on {document}: {text}", "de": "Auf unserer Seite „{document}“ steht: {text}"}
)
WORDLESS: Final = "{document}: {text}"


def quote(passage: Passage, *, beside: str, identify: Identify) -> str:
    """`beside` is a text of the same bot's, for passages that are too short to tell their language by; where neither
    tells it, it is taken to be English."""
    language = language_of(passage.text, identify) or language_of(beside, identify) or "en"
    said = next((said for known, said in QUOTED.items() if are_kin(known, language)), WORDLESS)
    return said.format(document=passage.document, text=" ".join(passage.text.split()))
