"""The section `[knowledge]` of a bot's file: which documents and answers its own stand on, and how strictly.

Plain values; what an index is, `collect.knowledge` knows, and what is held back `serve` does.
"""

from typing import Literal

from pydantic import Field

from nightschool.section import Section
from nightschool.text import OperatorsText


class KnowledgePart(Section):
    """The bot's own documents."""

    folder: str = ""
    """Folder of documents, from the folder of the bot's file on. Empty: the bot has none."""
    passages: int = Field(default=4, ge=1, le=20)
    """Passages of documents in a prompt, at most."""
    answers: int = Field(default=0, ge=0, le=10)
    """What the team answered to like questions, in a prompt, at most; 0: nothing."""
    max_tokens: int = Field(default=600, ge=50, le=8192)
    """Of all passages of a prompt together; the worst are left out first."""
    min_score: float = Field(default=0.3, ge=0, le=1)
    """A passage that is less near to the question than this is not shown to the model."""
    show_sources: bool = True
    """Whether people see under an answer what it stands on."""
    guard: Literal["off", "mark", "hold"] = "hold"
    """What becomes of a sentence whose fact stands in no passage: said, said and marked, or held back."""
    quote_score: float = Field(default=0.5, ge=0, le=1)
    """Where the guard holds, a passage this near is quoted below an answer that leaves out half of its facts."""
    quotes: int = Field(default=1, ge=0, le=5)
    """At most so many passages are quoted below an answer; 0: none."""
    hand_over: OperatorsText = "I do not know that for certain, but our team does: please ask them."
    """What is said where nothing else stands on the documents."""
    hand_over_also: tuple[OperatorsText, ...] = Field(default=(), max_length=100)
    """Other wordings of it, which training rows take in turn; with few of them few rows hand over."""
    glossary: tuple[OperatorsText, ...] = Field(default=(), max_length=1_000)
    """Names that count as facts, such as products and plans: said only where a document or a person says them."""
    verified_precision: float = Field(default=0.98, ge=0.5, lt=1)
    """Share of an operator's answers that must be right where they are served to a like question as they stand."""

    @property
    def is_grounded(self) -> bool:
        """Whether answers stand on anything: documents, or what the team answered."""
        return bool(self.folder) or self.answers > 0
