import math

import numpy as np
import pytest

from eval.metrics.perplexity import corpus_perplexity, mean_nll
from nightschool.errors import EvaluationFailed

LN2 = math.log(2)


def test_perplexity_weighs_tokens_not_rows() -> None:
    # Two tokens of probability 1/2 and one of 1/8: 2 ** ((1 + 1 + 3) / 3).
    sums, tokens = np.array([-2 * LN2, -3 * LN2]), np.array([2.0, 1.0])
    assert corpus_perplexity(sums, tokens) == pytest.approx(2 ** (5 / 3))
    assert mean_nll(sums, tokens) == pytest.approx([LN2, 3 * LN2])


def test_certain_text_has_perplexity_one() -> None:
    assert corpus_perplexity(np.zeros(3), np.ones(3)) == 1.0


def test_impossible_text_has_infinite_perplexity() -> None:
    assert corpus_perplexity(np.array([-1e6]), np.ones(1)) == math.inf
    assert corpus_perplexity(np.array([-math.inf]), np.ones(1)) == math.inf


def test_no_tokens_is_an_error_not_a_figure() -> None:
    with pytest.raises(EvaluationFailed):
        corpus_perplexity(np.array([]), np.array([]))
    with pytest.raises(EvaluationFailed):
        mean_nll(np.array([-1.0]), np.array([0.0]))
