"""Which named scores a caller may give: what a score may be anywhere, and what the bot's file declares.

Without a declaration any name is taken, and keeps the kind that it was first given (`collect.scores`). Does not know
whose a score is, nor how it is kept.
"""

from collections.abc import Mapping
from typing import Final

from nightschool.bots import Bot
from nightschool.errors import InvalidInput, NotAllowed
from nightschool.feedback_part import ScorePart
from nightschool.scores import ScoreValue, check_score, kind_of

MAX_SCORES: Final = 20
"""In one request."""


def check_scores(scores: Mapping[str, object]) -> dict[str, ScoreValue]:
    """As they are kept. Raises InvalidInput, which names the first fault."""
    if len(scores) > MAX_SCORES:
        raise InvalidInput(
            f"holds {len(scores)} scores", subject="scores", remedy=f"Send at most {MAX_SCORES}.", param="scores"
        )
    return {name: check_score(name, value) for name, value in scores.items()}


def check_declared(scores: Mapping[str, ScoreValue | None], bot: Bot) -> None:
    """Raises NotAllowed where the bot takes none, InvalidInput for one that its file knows otherwise or not at all.
    What is None is taken back, which may always be."""
    given = {name: value for name, value in scores.items() if value is not None}
    if given and not bot.feedback.votes:
        raise NotAllowed(
            "takes no scores", subject=bot.name, remedy="feedback.votes is off in the bot's file.", param="scores"
        )
    declared = bot.feedback.scores
    for name, value in given.items():
        if declared and name not in declared:
            raise InvalidInput(
                f"is no score of {bot.name}",
                subject=f"scores.{name}",
                remedy=f"Its file declares: {', '.join(declared)}.",
                param=f"scores.{name}",
            )
        if name in declared and (wanted := _unmet(declared[name], value)):
            raise InvalidInput(
                f"is not {wanted}", subject=f"scores.{name}", remedy=f"Send {wanted}.", param=f"scores.{name}"
            )


def _unmet(declared: ScorePart, value: ScoreValue) -> str | None:
    """What the value should be; None where it is."""
    if kind_of(value) is not declared.type:
        return f"a {declared.type}"
    if isinstance(value, str) and declared.categories and value not in declared.categories:
        return f"one of: {', '.join(declared.categories)}"
    if not isinstance(value, float):
        return None
    if declared.min is not None and value < declared.min:
        return f"a number from {declared.min:g}"
    return f"a number up to {declared.max:g}" if declared.max is not None and value > declared.max else None
