"""The section `[feedback]` of a bot's file: what the people who use it are asked, and when silence says something."""

from pydantic import Field

from nightschool.section import Section


class FeedbackPart(Section):
    votes: bool = True
    """Whether people vote on answers, on the page and by the API. What was voted before may be taken back."""
    comments: bool = True
    """Whether they write what was wrong and what the answer should have been."""
    outcomes: bool = True
    """Whether the chat page asks whether a conversation solved it."""
    comparisons: bool = True
    """Whether the chat page asks after a retry which answer is better."""
    assumed_hours: float = Field(default=24, gt=0, le=8760)
    """After so many silent hours a conversation counts as solved, as an assumption that is never kept."""
