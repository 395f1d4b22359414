"""Let rare topics be heard: a row of a topic with few rows weighs more than one of a topic with many, within a bound.

A topic is what an import named; rows without one keep their weight, and all weights together stay what they were. Off
unless a bot's file asks for it: exam and customers come with the shares that the record has, so balance helps rare
topics at the cost of the frequent ones. Does not know rows.
"""

from collections.abc import Mapping


def balance_topics(rows: Mapping[str, int], *, ratio: float) -> dict[str, float]:
    """By what each topic's weights are multiplied, given its number of rows; 1 for all where `ratio` is 1.

    The rarest topic weighs at most `ratio` times the most frequent one.
    """
    if not rows:
        return {}
    mean, edge = sum(rows.values()) / len(rows), ratio**0.5
    factors = {topic: min(max(mean / count, 1 / edge), edge) for topic, count in rows.items()}
    level = sum(rows.values()) / sum(rows[topic] * factor for topic, factor in factors.items())
    return {topic: factor * level for topic, factor in factors.items()}
