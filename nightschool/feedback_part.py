"""The section `[feedback]` of a bot's file: what the people who use it are asked, and when silence says something."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from nightschool.errors import InvalidInput
from nightschool.scores import MAX_NUMBER, ScoreKind, check_score, check_score_name
from nightschool.section import Section


class ScorePart(Section):
    """A named score that the bot takes."""

    type: ScoreKind
    """"boolean", "number" or "category"."""
    categories: tuple[str, ...] = ()
    """Of a category: the words that it may be; none: any."""
    min: float | None = Field(default=None, ge=-MAX_NUMBER, le=MAX_NUMBER)
    """Of a number: the smallest."""
    max: float | None = Field(default=None, ge=-MAX_NUMBER, le=MAX_NUMBER)
    """Of a number: the largest."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.categories and self.type is not ScoreKind.CATEGORY:
            raise ValueError('categories are of a score of type "category"')
        if (self.min, self.max) != (None, None) and self.type is not ScoreKind.NUMBER:
            raise ValueError('min and max are of a score of type "number"')
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError("min must be smaller than max")
        try:
            for category in self.categories:
                check_score("categories", category)
        except InvalidInput as error:
            raise ValueError(error.problem) from error
        return self


class FeedbackPart(Section):
    votes: bool = True
    """Whether people vote on answers and score them, on the page and by the API. What was said before may be taken
    back."""
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

    scores: Mapping[str, ScorePart] = {}
    """Named scores that callers may give, with the type of each, and a number's min and max or a category's words: an
    ill-spelt name or a wrong type is refused. Empty: any name, of the type that it was first given."""

    @field_validator("scores")
    @classmethod
    def _has_names(cls, scores: Mapping[str, ScorePart]) -> Mapping[str, ScorePart]:
        try:
            for name in scores:
                check_score_name(name)
        except InvalidInput as error:
            raise ValueError(f"{error.subject}: {error.problem}") from error
        return scores

    @field_validator("side_by_side_with", mode="before")
    @classmethod
    def _names_somebody(cls, given: object) -> object:
        if given in ("base", "previous") or (isinstance(given, int) and 1 <= given < 2**31):
            return given
        raise ValueError('must be "base", "previous" or the number of a version')
