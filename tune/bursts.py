"""Find bursts: many votes of one person, or from one address, within minutes, most of them against what others say.

What others say of a vote's text is an operator's word, else what at least three others clearly think of it, else the
mood of the day: on a bad day all are cross, and whoever says so ten times says what others say. Where none of it is
known a burst is none: three people may be all whom a bot has. Does not know how many votes of a day count anyway.
"""

from typing import Final

import numpy as np

from tune.voices import NOBODY, Bools, Floats, Ints, Voices, hear_others

WINDOW_S: Final = 600.0
ON_TEXT: Final = 3
ON_DAY: Final = 5
"""So many others, at least, whose opinion is a general one."""
CLEAR: Final = 1 / 3
"""Net of the others' votes over their number: two in three."""
KNOWN: Final = 1 / 2
"""Of a burst's votes, of which the general opinion must be known."""
AGAINST: Final = 2 / 3
"""Of those, which must be against it."""
DAY_S: Final = 86_400


def find_bursts(voices: Voices, *, votes: int) -> Bools:
    """(n,): which voices are of such a burst of `votes` or more; 0 finds none."""
    if votes == 0 or len(voices.opinions) < votes:
        return np.zeros(len(voices.opinions), np.bool_)
    general = _general_opinion(voices)
    against = np.where(general == 0, 0, -general * voices.sign)
    of_persons = _find(voices.person, voices.at_s, against, votes=votes)
    return of_persons | _find(voices.address, voices.at_s, against, votes=votes)


def _general_opinion(voices: Voices) -> Ints:
    """(n,) 1, -1, or 0 where it is not known."""
    words = voices.sign.astype(np.float64)
    on_text = _clear(*hear_others(voices.text, voices.source, words), least=ON_TEXT)
    on_day = _clear(*hear_others((voices.at_s // DAY_S).astype(np.int64), voices.source, words), least=ON_DAY)
    return np.where(voices.ruled != 0, voices.ruled, np.where(on_text != 0, on_text, on_day))


def _clear(net: Floats, count: Ints, *, least: int) -> Ints:
    is_clear = (count >= least) & (np.abs(net) >= CLEAR * count)
    return np.where(is_clear, np.sign(net).astype(np.int64), 0)


def _find(crowd: Ints, at_s: Floats, against: Ints, *, votes: int) -> Bools:
    """The voices of each of `crowd` that are one of so many within the window."""
    order = np.lexsort((at_s, crowd))
    who, when = crowd[order], at_s[order]
    last = len(order) - votes + 1
    is_full = (who[:last] == who[votes - 1 :]) & (when[votes - 1 :] - when[:last] <= WINDOW_S) & (who[:last] != NOBODY)
    # Each full window marks its voices; neighbours under one mark are one burst.
    steps = np.zeros(len(order) + 1, np.int64)
    steps[:last] += is_full
    steps[votes : votes + last] -= is_full
    is_marked = np.cumsum(steps)[:-1] > 0
    begins = is_marked & np.concatenate([[True], (who[1:] != who[:-1]) | (np.diff(when) > WINDOW_S) | ~is_marked[:-1]])
    burst = np.cumsum(begins) - 1
    size = np.bincount(burst[is_marked])
    known = np.bincount(burst[is_marked], weights=against[order][is_marked] != 0)
    bad = np.bincount(burst[is_marked], weights=against[order][is_marked] > 0)
    is_bad = (known >= KNOWN * size) & (bad >= AGAINST * known) & (bad > 0)
    found = np.zeros(len(order), np.bool_)
    found[order[is_marked]] = is_bad[burst[is_marked]]
    return found
