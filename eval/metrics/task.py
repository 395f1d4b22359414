"""Tasks whose answer is one of a few labels: which label an answer gives, and how many are right.

An answer that gives none, or several, gives a wrong one. Does not know what a label means.
"""

from collections.abc import Sequence
from statistics import fmean

from nightschool.wording import words


def read_label(answer: str, labels: Sequence[str]) -> str | None:
    """The label that the answer is, or else the only one that it names; None for none or several.

    Case, blanks and what joins the words of a label (`lost_or_stolen card`) do not count. A label inside a longer one
    that is named there is not meant.
    """
    whole = {_key(label): label for label in labels}
    if (said := _key(answer)) in whole:
        return whole[said]
    named = f" {said} "
    found = set()
    for key, label in sorted(whole.items(), key=lambda item: -len(item[0])):
        if key and f" {key} " in named:
            found.add(label)
            named = named.replace(f" {key} ", "  ")
    return found.pop() if len(found) == 1 else None


def accuracy(given: Sequence[str | None], right: Sequence[str]) -> float:
    """Share 0..1 of right labels."""
    return fmean(mine == theirs for mine, theirs in zip(given, right, strict=True))


def macro_f1(given: Sequence[str | None], right: Sequence[str]) -> float:
    """Mean 0..1 of the labels' F1, each label that was given or right alike (Sokolova & Lapalme 2009, macro-averaging).

    What gives no label is a miss of the right one and nobody's false alarm.
    """
    pairs = list(zip(given, right, strict=True))
    labels = {label for label in (*given, *right) if label is not None}
    scores = []
    for label in labels:
        hits = sum(mine == theirs == label for mine, theirs in pairs)
        claims = sum(mine == label for mine, _ in pairs) + sum(theirs == label for _, theirs in pairs)
        scores.append(2 * hits / claims)
    # Sorted, since sums of floats depend on their order and sets have none.
    return fmean(sorted(scores))


def _key(text: str) -> str:
    return " ".join(words(text))
