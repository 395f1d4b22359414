"""A mean forgives a ruined corner; the gate does not."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from eval.answers import Label
from eval.case import build_case
from eval.exam import ExamFacts
from eval.gate import Verdict, decide
from eval.rules import GateRules
from eval.scores import ScoreRow, pair_columns
from eval.slices import is_much_worse, topic_gains
from nightschool.records import Outcome

RULES = GateRules(draws=1_000)
# 80 conversations, every other one of two turns: 120 rows, as in RESULTS.md.
CONVERSATION = np.sort(np.concatenate([np.arange(80), np.arange(0, 80, 2)]))


def scores(label: Label, f1: Sequence[float], *, topic: Sequence[str | None]) -> list[ScoreRow]:
    return [
        ScoreRow(
            contestant=label,
            row_id=f"r{number:03}",
            conversation_id=f"c{talk:02}",
            token_f1=value,
            rouge_l=value,
            repetition=0.0,
            logprob_sum=-20.0,
            reference_tokens=10,
            answer_words=10,
            reference_words=10,
            is_empty=False,
            topic=about,
        )
        for number, (talk, value, about) in enumerate(zip(CONVERSATION.tolist(), f1, topic, strict=True))
    ]


def night(
    *, ruined: int, seed: int, kept: float = 0.0, others_gain: float = 0.08, topics: int = 8
) -> tuple[list[ScoreRow], list[str | None]]:
    """Everything gains, and the first `ruined` conversations, a topic of their own, keep `kept` of .20."""
    rng = np.random.default_rng(seed)
    had = np.clip(rng.normal(0.2, 0.05, len(CONVERSATION)), 0.1, 1)
    noise = rng.normal(0, 0.05, len(CONVERSATION))
    is_ruined = ruined > CONVERSATION
    has = np.clip(np.where(is_ruined, kept * had, had + others_gain + noise), 0, 1)
    topic = [
        "returns" if is_bad else f"topic {talk % topics}"
        for talk, is_bad in zip(CONVERSATION.tolist(), is_ruined.tolist(), strict=True)
    ]
    base = scores("base", (had / 2).tolist(), topic=topic)
    rows = base + scores("production", had.tolist(), topic=topic) + scores("candidate", has.tolist(), topic=topic)
    return rows, topic  # type: ignore[return-value]


def failed(verdict: Verdict) -> list[str]:
    return [reason for reason in verdict.reasons if reason.startswith("failed: ")]


@pytest.mark.parametrize("ruined", [4, 8, 12, 16])
@pytest.mark.parametrize("seed", range(5))
def test_a_ruined_topic_stops_an_adapter_that_is_better_elsewhere(ruined: int, seed: int) -> None:
    """5, 10, 15 and 20 % of 80 conversations; the mean gain alone was promoted up to 15 %."""
    rows, _ = night(ruined=ruined, seed=seed)
    verdict = decide(rows, RULES)
    assert verdict.figures["gain_low"] > 0 or ruined > 8
    assert verdict.outcome == Outcome.REJECT
    assert any("kept less than a third" in reason for reason in failed(verdict))
    # Four conversations are six rows: too few to judge a topic by.
    assert any("'returns' -0." in reason for reason in failed(verdict)) == (ruined > 4)


@pytest.mark.parametrize("seed", range(5))
def test_a_topic_that_halved_is_named_though_no_answer_was_given_up(seed: int) -> None:
    rows, _ = night(ruined=12, seed=seed, kept=0.45)
    [reason] = failed(decide(rows, RULES))
    assert "these topics fell by more than 0.05 in token F1: 'returns' -0.1" in reason


@pytest.mark.parametrize("seed", range(10))
def test_an_even_gain_passes_with_topics(seed: int) -> None:
    rows, _ = night(ruined=0, seed=seed)
    verdict = decide(rows, RULES)
    assert failed(verdict) == []
    assert any("of 8 topics with 8 rows or more none was shown to fall" in reason for reason in verdict.reasons)


def test_topics_raise_a_false_alarm_in_few_nights_without_change() -> None:
    alarms = 0
    for seed in range(200):
        rows, _ = night(ruined=0, seed=seed, others_gain=0.0)
        alarms += any("these topics fell" in reason for reason in decide(rows, replace(RULES, draws=100)).reasons)
    # Alpha .05 for all topics together; three standard errors of 200 nights are .046.
    assert alarms / 200 <= 0.05 + 0.046


def test_small_and_nameless_topics_are_not_judged() -> None:
    rows, topic = night(ruined=0, seed=1, topics=40)
    candidate = pair_columns(rows)["candidate"]
    assert topic_gains(candidate, candidate.token_f1, rules=RULES) == ()
    nameless = [replace(score, topic=None) for score in rows]
    assert any("no topic has 8 rows" in reason for reason in decide(nameless, RULES).reasons)
    assert len(set(topic)) == 40


def test_many_fallen_topics_make_a_short_sentence() -> None:
    rows, _ = night(ruined=0, seed=1, others_gain=-0.15)
    [reason] = [reason for reason in failed(decide(rows, RULES)) if "these topics" in reason]
    assert reason.endswith("and 3 more.")


@pytest.mark.parametrize(
    ("had", "has", "is_lost"),
    [(0.3, 0.0, True), (0.3, 0.09, True), (0.3, 0.11, False), (0.09, 0.0, False), (0.1, 0.03, True), (0.0, 0.0, False)],
)
def test_an_answer_is_much_worse_where_it_gave_up_what_was_worth_keeping(had: float, has: float, is_lost: bool) -> None:
    topic: list[str | None] = [None] * len(CONVERSATION)
    f1 = [had] * len(CONVERSATION)
    rows = scores("base", f1, topic=topic) + scores("candidate", [has] * len(CONVERSATION), topic=topic)
    assert is_much_worse(build_case(pair_columns(rows), RULES, facts=ExamFacts())).all() == is_lost


def test_a_word_or_two_of_a_short_reference_may_come_and_go() -> None:
    topic: list[str | None] = [None] * len(CONVERSATION)
    f1 = [0.5] * len(CONVERSATION)
    rows = scores("base", f1, topic=topic) + scores("candidate", [0.0] * len(CONVERSATION), topic=topic)
    short = [replace(row, reference_words=4) for row in rows]
    assert not is_much_worse(build_case(pair_columns(short), RULES, facts=ExamFacts())).any()
