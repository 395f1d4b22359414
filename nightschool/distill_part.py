"""The section `[distill]` of a bot's file: which larger model answers what nobody answered well, and where it is.

Asked only where `recipe.methods` names "distill": then what people wrote leaves the machine. Holds no key, only the
name of the environment variable that does. Does not know what is asked.
"""

from pydantic import Field

from nightschool.section import Section
from nightschool.urls import ApiRoot


class DistillPart(Section):
    """A model behind an OpenAI-compatible endpoint."""

    url: ApiRoot = ""
    """Root of its API, with /v1 where it has that, for example http://gpu-1:8000/v1. Empty: nothing is sent."""
    model: str = ""
    """Its name there."""
    key_variable: str = Field(default="", pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")
    """Environment variable of the server that holds its key; empty: it wants none."""
    timeout_s: float = Field(default=60, ge=1, le=3600)
    """How long one answer may take."""
    answers: int = Field(default=100, ge=1, le=100_000)
    """Most questions that a night sends."""
