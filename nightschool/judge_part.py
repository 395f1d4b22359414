"""The section `[judge]` of a bot's file: which larger model compares answers, beside the gate, and where it is.

Asked only where both are named: then held-out questions and their answers leave the machine. Holds no key, only the
name of the environment variable that does. Does not know what is asked.
"""

from typing import Self

from pydantic import Field, model_validator

from nightschool.section import Section
from nightschool.urls import ApiRoot


class JudgePart(Section):
    """A model behind an OpenAI-compatible endpoint."""

    url: ApiRoot = ""
    """Root of its API, with /v1 where it has that, for example http://gpu-1:8000/v1. Empty: nobody judges."""
    model: str = ""
    """Its name there; neither the base model nor the bot."""
    key_variable: str = Field(default="", pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")
    """Environment variable of the server that holds its key; empty: it wants none."""
    max_pairs: int = Field(default=40, ge=1, le=10_000)
    """Most answers that are compared in an exam, and most pairs that people ranked; each is sent twice."""
    timeout_s: float = Field(default=30, ge=1, le=3600)
    """How long one verdict may take."""
    most_s: float = Field(default=600, ge=1, le=86_400)
    """How long it may take in all; then the exam goes on without it, and the next one has what was judged."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if bool(self.url) != bool(self.model):
            raise ValueError("needs both url and model, or neither")
        return self
