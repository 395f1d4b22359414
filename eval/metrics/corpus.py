"""BLEU and chrF of many answers against one reference each, 0..100, as sacrebleu computes them.

Both count over all answers at once and are no means of rows, so they have no interval here and decide nothing.
"""

import re
from collections.abc import Sequence
from typing import Final

from nightschool.errors import EvaluationFailed
from nightschool.wording import UNSPACED, words

_UNSPACED: Final = re.compile(f"[{UNSPACED}]")


def bleu(answers: Sequence[str], references: Sequence[str]) -> float:
    """Papineni et al. 2002; by sacrebleu's tokens (13a), by characters where references are written without blanks."""
    _check(answers, references)
    # Imported here: nobody needs it before suites are measured.
    from sacrebleu.metrics.bleu import BLEU  # noqa: PLC0415

    said = [word for reference in references for word in words(reference)]
    is_unspaced = 2 * sum(bool(_UNSPACED.match(word)) for word in said) > len(said)
    scorer = BLEU(tokenize="char" if is_unspaced else "13a")
    return float(scorer.corpus_score(list(answers), [list(references)]).score)


def chrf(answers: Sequence[str], references: Sequence[str]) -> float:
    """Popovic 2015: F-score, beta 2, of 1- to 6-grams of characters."""
    _check(answers, references)
    from sacrebleu.metrics.chrf import CHRF  # noqa: PLC0415

    return float(CHRF().corpus_score(list(answers), [list(references)]).score)


def _check(answers: Sequence[str], references: Sequence[str]) -> None:
    if not answers or len(answers) != len(references):
        raise EvaluationFailed(
            f"{len(answers)} answers stand beside {len(references)} references",
            subject="BLEU and chrF",
            remedy="Give each answer its reference.",
        )
