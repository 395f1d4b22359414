"""The section `[privacy]` of a bot's file: what is taken out of what people said before anything learns from it, or
before it is kept.

Plain values; what personal data is, `nightschool.pii` knows.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from nightschool.section import Section
from nightschool.text import OperatorsText


class PrivacyPart(Section):
    """What a night, or the record, may hold of people."""

    mask: Literal["off", "patterns", "names"] = "names"
    """What becomes a placeholder in datasets: nothing; secrets, contacts and accounts; or names of people too."""
    mask_before_storing: bool = False
    """Whether the record too has placeholders alone: nobody can look up afterwards what they stood for."""
    allow: tuple[OperatorsText, ...] = Field(default=(), max_length=1_000)
    """What stays, for example your products: beside what the system prompt says, or many conversations."""
    keep_days: int = Field(default=0, ge=0, le=36_500)
    """Chats in which nothing was said for so many days are erased, with all that was made of them; 0 keeps them. What
    was imported stays."""

    @model_validator(mode="after")
    def _says_what_to_mask(self) -> Self:
        if self.mask_before_storing and self.mask == "off":
            raise ValueError('mask_before_storing has nothing to look for while mask is "off"; set mask to "names"')
        return self
