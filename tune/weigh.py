"""How heavy people's words are: a thumb fades with its age and with dissent, and after a while it is forgotten.

The weight halves every half-life, counted back from when the snapshot was taken, so that the same snapshot gives the
same weights. Of three voices of which one disagrees a third is left. What an operator ruled or brought does not age: it
counts until another ruling says otherwise. Does not know rows.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from tune.snapshot import Opinion
from tune.tally import net_of, sign
from tune.words import Judged, Word

FORGOTTEN: Final = 1 / 64
"""Of the full weight: below it an answer costs as much computing as ever and teaches next to nothing."""
DIGITS: Final = 4


def weigh_words(judged: Mapping[str, Judged], *, taken_at: datetime, half_life_days: float) -> dict[str, Judged]:
    """The answers with their weights; one that is forgotten counts for nothing. A half-life of 0 days is none."""
    return {name: _weigh(one, taken_at=taken_at, half_life_days=half_life_days) for name, one in judged.items()}


def fade(age: timedelta, *, half_life_days: float) -> float:
    """0..1: what is left of a weight of 1 after so long."""
    if half_life_days == 0:
        return 1.0
    return float(0.5 ** (max(age / timedelta(days=1), 0.0) / half_life_days))


def _weigh(judged: Judged, *, taken_at: datetime, half_life_days: float) -> Judged:
    heard = _voices_for(judged)
    if judged.word.is_operators or judged.reviews or not heard:
        return judged
    newest = max(opinion.voted_at for opinion in heard)
    faded = fade(taken_at - newest, half_life_days=half_life_days)
    if faded < FORGOTTEN:
        return judged.without_effect("votes so old that they are forgotten")
    return replace(judged, weight=round(faded * _agreement(judged), DIGITS))


def _voices_for(judged: Judged) -> list[Opinion]:
    """Whose opinion it was that decided."""
    if judged.word is Word.AGREED:
        return [opinion for opinion in judged.opinions if opinion.ideal_answer]
    return [opinion for opinion in judged.opinions if (sign(opinion) > 0) is judged.is_good]


def _agreement(judged: Judged) -> float:
    """0..1: how far those who voted agree, and are trusted."""
    if judged.word is Word.AGREED:
        return 1.0
    return abs(net_of(judged.opinions)) / len(judged.opinions)
