"""How surprised a contestant is by the references: perplexity, from log-probabilities that an engine gave.

Counts the tokens of the reference and its end of turn, never the prompt's. Natural logarithms throughout.
"""

import math
import sys

import numpy as np
from numpy.typing import NDArray

from nightschool.errors import EvaluationFailed

FloatArray = NDArray[np.float64]
_LARGEST_EXPONENT = math.log(sys.float_info.max)


def mean_nll(logprob_sum: FloatArray, reference_tokens: FloatArray) -> FloatArray:
    """(n,) mean negative log-likelihood per token of each row, in nats; both arguments (n,)."""
    if not np.all(reference_tokens > 0):
        raise EvaluationFailed("a reference has no token", subject="perplexity", remedy="Score the references again.")
    nll: FloatArray = -logprob_sum / reference_tokens
    return nll


def corpus_perplexity(logprob_sum: FloatArray, reference_tokens: FloatArray) -> float:
    """exp(-sum of log-probabilities / number of tokens) over all rows; infinite where it exceeds a float."""
    tokens = float(reference_tokens.sum())
    if tokens <= 0:
        raise EvaluationFailed("there is no token to score", subject="perplexity", remedy="Hold out some rows.")
    exponent = -float(logprob_sum.sum()) / tokens
    return math.inf if exponent > _LARGEST_EXPONENT else math.exp(exponent)
