"""The gate's checks on parts of the exam: no topic may fall unseen, and no share of answers may be given up.

A mean forgives a ruined corner. Does not know which checks a verdict asks for (`eval.gate`). Pure.
"""

import math
from collections import Counter
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc

from eval.case import PRIMARY, Case, FloatArray, gain
from eval.checks import Check, several
from eval.paired import holm
from eval.rules import GateRules
from eval.scores import ScoreColumns
from eval.statistics import chance_of_fall, highest_mean

_WORTH_KEEPING: Final = 0.1
"""A token F1 below it is made of words such as "you" and "the"."""
_LEAST_WORDS: Final = 5
"""Of a shorter reference a third is a word or two, had and lost by chance."""
_KEPT_SHARE: Final = 1 / 3
_FEW: Final = 2
"""So many answers are a slip, whatever share of a small exam they are."""
_SLIPS: Final = 0.017
"""The largest share that was lost so between two draws of one and the same model; see docs/gate.md."""
_UNLIKELY: Final = 0.02
"""How rarely as many slips are borne no more, though they are nothing but that."""
_NAMED: Final = 5


class TopicGain(NamedTuple):
    topic: str
    rows: int
    mean: float
    high: float
    """Upper bound of the mean over witnesses, of all topics together."""
    has_fallen: bool
    """Shown, of all topics together, and by more than is borne."""


def topic_gains(candidate: ScoreColumns, gains: FloatArray, *, rules: GateRules) -> tuple[TopicGain, ...]:
    """Topics of enough rows, the lowest gain first; `gains` (n,) are the candidate's rows over its rival's."""
    topics = np.array([topic or "" for topic in candidate.topics], dtype=object)
    counts = Counter(topic for topic in candidate.topics if topic)
    judged = [topic for topic, rows in counts.items() if rows >= rules.min_topic_rows]
    # Each topic is one more chance of a false alarm, so all together share one alpha.
    alpha = rules.topic_alpha / max(len(judged), 1)
    parts = [(gains[topics == topic], candidate.witness[topics == topic]) for topic in judged]
    shown = holm([chance_of_fall(*part) for part in parts], alpha=rules.topic_alpha)
    found = []
    for topic, part, is_shown in zip(judged, parts, shown, strict=True):
        mean = float(part[0].mean())
        has_fallen = is_shown and mean < -rules.topic_margin
        found.append(TopicGain(topic, counts[topic], mean, highest_mean(*part, alpha=alpha), has_fallen))
    return tuple(sorted(found, key=lambda topic: (topic.mean, topic.topic)))


def topics(case: Case) -> Check:
    gains = gain(case.candidate, case.rival.scores, primary=case.rules.primary)
    judged = topic_gains(case.candidate, gains, rules=case.rules)
    if not judged:
        return Check(True, f"no topic has {case.rules.min_topic_rows} rows or more, so none was judged by itself.")
    margin, title = case.rules.topic_margin, PRIMARY[case.rules.primary].title
    fallen = [topic for topic in judged if topic.has_fallen]
    if fallen:
        named = ", ".join(_describe(topic) for topic in fallen[:_NAMED])
        more = f" and {len(fallen) - _NAMED} more" if len(fallen) > _NAMED else ""
        return Check(
            False, f"against {case.rival.name} these topics fell by more than {margin:g} in {title}: {named}{more}."
        )
    return Check(
        True,
        f"of {several(len(judged), 'topic')} with {case.rules.min_topic_rows} rows or more none was shown to fall by "
        f"more than {margin:g} in {title} against {case.rival.name}; lowest: {_describe(judged[0])}.",
    )


def much_worse(case: Case) -> Check:
    """On token F1 whatever the primary metric is: there nothing and something are known points."""
    lost = is_much_worse(case)
    count, share, bound = int(lost.sum()), float(lost.mean()), case.rules.max_much_worse_share
    borne = count_borne(len(lost), share=bound)
    return Check(
        count <= borne,
        f"{several(count, 'answer')} of the candidate ({share:.1%}) kept less than a third of a token F1 of "
        f"{_WORTH_KEEPING:g} or more that {case.rival.name} has on the same row; of {several(len(lost), 'answer')} at "
        f"most {borne} may, which is {bound:.1%} or what luck makes of {_SLIPS:.1%}.",
    )


def count_borne(answers: int, *, share: float) -> int:
    """How many may be much worse: `share` of them, and as many slips as luck makes but in one night of fifty."""
    slips = next(count for count in range(answers + 1) if bdtrc(count, answers, _SLIPS) <= _UNLIKELY)
    return max(_FEW, slips, math.floor(share * answers))


def is_much_worse(case: Case) -> NDArray[np.bool_]:
    """(n,) rows where the rival has something to keep and the candidate has given it up."""
    had, has = case.rival.scores.token_f1, case.candidate.token_f1
    is_worth_it = (had >= _WORTH_KEEPING) & (case.candidate.reference_words >= _LEAST_WORDS)
    lost: NDArray[np.bool_] = is_worth_it & (has < had * _KEPT_SHARE)
    return lost


def _describe(topic: TopicGain) -> str:
    return f"{topic.topic!r} {topic.mean:+.4f} ({several(topic.rows, 'row')})"
