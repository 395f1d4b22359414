"""What a suite's replies measure beside passed and failed: means over the suite, finite numbers only. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, median

import numpy as np

from eval.metrics.corpus import bleu, chrf
from eval.metrics.perplexity import corpus_perplexity
from eval.metrics.refusal import is_refusal
from eval.metrics.task import accuracy, macro_f1, read_label
from eval.metrics.text import exact_match, rouge, token_f1
from eval.suite.case import Reply, Suite, SuiteCase
from nightschool.embedding import load_embedder
from nightschool.records import Finish
from nightschool.wording import repetition, words

Answered = Sequence[tuple[SuiteCase, Reply]]


def measure(suite: Suite, answered: Answered) -> Mapping[str, float]:
    """Without what nobody answered, or what could not be computed."""
    figures = dict(_scored(answered))
    if suite.max_tokens and answered:
        figures |= _shape([reply for _, reply in answered])
        figures |= _likeness([(reply.text, case.reference) for case, reply in answered if case.reference is not None])
        figures |= _task(suite.labels, [(reply.text, case.label) for case, reply in answered if case.label is not None])
    return {name: float(value) for name, value in figures.items() if math.isfinite(value)}


def _shape(replies: Sequence[Reply]) -> dict[str, float]:
    return {
        "ends_by_itself": fmean(reply.finish is Finish.STOP for reply in replies),
        "words": fmean(len(words(reply.text)) for reply in replies),
        "repetition": fmean(repetition(reply.text) for reply in replies),
        "refusal": fmean(is_refusal(reply.text) for reply in replies),
        **_latency([reply.latency_s for reply in replies if reply.latency_s is not None]),
    }


def _latency(given_now: Sequence[float]) -> dict[str, float]:
    """What was kept from another night says nothing of today's."""
    return {"latency_s": median(given_now)} if given_now else {}


def _likeness(pairs: Sequence[tuple[str, str]]) -> dict[str, float]:
    """Of answers to their references."""
    if not pairs:
        return {}
    answers, references = [answer for answer, _ in pairs], [reference for _, reference in pairs]
    overlap = [rouge(answer, reference=reference) for answer, reference in pairs]
    return {
        "exact_match": fmean(exact_match(answer, reference=reference) for answer, reference in pairs),
        "token_f1": fmean(token_f1(answer, reference=reference) for answer, reference in pairs),
        "rouge_1": fmean(score.one for score in overlap),
        "rouge_2": fmean(score.two for score in overlap),
        "rouge_l": fmean(score.longest for score in overlap),
        "bleu": bleu(answers, references),
        "chrf": chrf(answers, references),
        "embedding_similarity": float(load_embedder().similarity(answers, references).mean()),
    }


def _task(labels: Sequence[str], pairs: Sequence[tuple[str, str]]) -> dict[str, float]:
    if not pairs:
        return {}
    given, right = [read_label(answer, labels) for answer, _ in pairs], [label for _, label in pairs]
    return {"accuracy": accuracy(given, right), "task_f1": macro_f1(given, right)}


def _scored(answered: Answered) -> Iterable[tuple[str, float]]:
    scored = [reply for _, reply in answered if reply.reference_tokens]
    if scored:
        sums = np.array([reply.logprob_sum for reply in scored])
        yield "perplexity", corpus_perplexity(sums, np.array([float(reply.reference_tokens) for reply in scored]))
