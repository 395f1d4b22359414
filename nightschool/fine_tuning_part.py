"""The section `[fine_tuning]` of the settings: what callers may have trained here, and by which names."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from nightschool.section import Section


def _aliases(text: str) -> str:
    pairs = [pair.strip() for pair in text.split(",") if pair.strip()]
    if not all(re.fullmatch(r"[\w.-]{1,64}=[a-z][a-z0-9-]{0,39}", pair) for pair in pairs):
        raise ValueError("must be names and what they stand for, such as gpt-3.5-turbo=base,gpt-4o-mini=support")
    return ",".join(pairs)


class FineTuningSettings(Section):
    max_file_bytes: int = Field(default=200_000_000, ge=1_000, le=2**40)
    """Largest file that one upload may bring."""
    max_key_bytes: int = Field(default=1_000_000_000, ge=1_000, le=2**44)
    """So many bytes of files one key may have here."""
    max_key_jobs: int = Field(default=10, ge=1, le=10_000)
    """So many jobs of one key may wait or run at once."""
    organisation: str = Field(default="nightschool", pattern=r"^[a-z][a-z0-9-]{0,39}$")
    """What stands in the names of fine-tuned models."""
    aliases: Annotated[str, AfterValidator(_aliases)] = "gpt-3.5-turbo=base"
    """Names of models that jobs may order, with what is trained then: `gpt-3.5-turbo=base,gpt-4o-mini=support`."""

    def trained_for(self, model: str) -> str:
        """The bot, `base` or fine-tuned model that a caller means."""
        known = dict(pair.split("=") for pair in self.aliases.split(",") if pair)
        return known.get(model, model)
