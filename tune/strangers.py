"""Find crowds of strangers: many who were never seen before and, within a day, say the same of one text and no more.

A thumb costs a fresh browser nothing, and forty at as many addresses are no burst. Where everybody else says the
opposite of that text they are heard once, from the first, as newcomers are who write alike (`tune.copies`). Whoever
wrote a word, asked a second question or voted a second time is no stranger. Nor are they a crowd where an operator
agrees, where nobody else is heard, or on a day on which most say so of other texts too: then it is people who are
cross.
"""

from collections import Counter, defaultdict

import numpy as np

from nightschool.independent import is_known
from tune.bursts import CLEAR, DAY_S, ON_DAY, ON_TEXT
from tune.copies import MANY
from tune.snapshot import Snapshot
from tune.voices import NOBODY, Bools, Ints, Voices

Crowd = tuple[int, int, int]
"""Text, day and sign."""


def find_strangers(voices: Voices, snapshot: Snapshot) -> Bools:
    """(n,): which voices are of such a crowd, but for the first of each."""
    found = np.zeros(len(voices.opinions), np.bool_)
    days = (voices.at_s // DAY_S).astype(np.int64)
    crowds: dict[Crowd, list[int]] = defaultdict(list)
    strangers = _are_strangers(voices, snapshot)
    for place in np.flatnonzero(strangers):
        crowds[int(voices.text[place]), int(days[place]), int(voices.sign[place])].append(int(place))
    for (text, day, sign), places in crowds.items():
        if len({int(voices.source[place]) for place in places}) < MANY:
            continue
        # Nor do those of other days speak for one another.
        others = (voices.text == text) & ~(strangers & (voices.sign == sign))
        on_text = int(voices.ruled[places[0]]) or _general(voices, others, least=ON_TEXT)
        on_day = _general(voices, (days == day) & (voices.text != text), least=ON_DAY)
        found[places[1:]] = on_text == -sign and on_day != sign
    return found


def _are_strangers(voices: Voices, snapshot: Snapshot) -> Bools:
    opinions = Counter(voices.person.tolist())
    talks = Counter(talk.owner for talk in snapshot.talks.values())
    asked = Counter(
        snapshot.talks[name].owner for name, said in snapshot.messages.items() for one in said if one.role == "user"
    )
    return np.array(
        [
            person != NOBODY
            and opinions[person] == 1
            and not o.ideal_answer
            and not o.is_released
            and max(talks[o.voter], asked[o.voter]) <= 1
            and not is_known(since=snapshot.known_since.get(o.voter), at=o.voted_at)
            for o, person in zip(voices.opinions, voices.person.tolist(), strict=True)
        ],
        np.bool_,
    )


def _general(voices: Voices, heard: Bools, *, least: int) -> int:
    """What these sources clearly say, each once: 1, -1, or 0."""
    sources: Ints = voices.source[heard]
    if not len(sources):
        return 0
    _, seat = np.unique(sources, return_inverse=True)
    words = np.bincount(seat, weights=voices.sign[heard]) / np.bincount(seat)
    net = float(words.sum())
    return int(np.sign(net)) if len(words) >= least and abs(net) >= CLEAR * len(words) else 0
