"""The section `[feedback]` of a bot's file: what the people who use it are asked, and when silence says something."""

from typing import Literal

from pydantic import Field, field_validator

from nightschool.section import Section


class FeedbackPart(Section):
    votes: bool = True
    """Whether people vote on answers, on the page and by the API. What was voted before may be taken back."""
    comments: bool = True
    """Whether they write what was wrong and what the answer should have been."""
    outcomes: bool = True
    """Whether the chat page asks whether a conversation solved it."""
    comparisons: bool = True
    """Whether the chat page asks which of two answers is better: after a retry, and side by side."""
    side_by_side_share: float = Field(default=0, ge=0, le=1)
    """Share of the chat page's turns that are answered twice at once, so that people say which is better; 0: none."""
    side_by_side_with: Literal["base", "previous"] | int = "base"
    """Who answers beside production then: "base", "previous" (what was live before it), or a version's number."""
    assumed_hours: float = Field(default=24, gt=0, le=8760)
    """After so many silent hours a conversation counts as solved, as an assumption that is never kept."""

    @field_validator("side_by_side_with", mode="before")
    @classmethod
    def _names_somebody(cls, given: object) -> object:
        if given in ("base", "previous") or (isinstance(given, int) and 1 <= given < 2**31):
            return given
        raise ValueError('must be "base", "previous" or the number of a version')
