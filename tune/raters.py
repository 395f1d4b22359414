"""How far a person's votes are to be trusted, by how often they agree with operators' rulings and with others.

Each person has one unknown: how probably a vote of theirs says what the text deserves (the one-coin form of Dawid &
Skene 1979). Its estimate is the mean of a Beta posterior: the prior is an honest person who slips one time in five, an
operator's ruling on the text is one more trial, and what at least three others say is a part of one, as sure as they
are. Others are heard by the weights that they have themselves, so both are computed by turns. A vote then weighs the
log of its odds, as the best vote of a crowd does (Nitzan & Paroush 1982), over that of the prior: 1 for whoever is
trusted as much as a stranger or more, 0 for whoever is as often wrong as right, and never less: a liar's reverse is
no truth. Does not know bursts, nor what a weight is used for.
"""

from typing import Final

import numpy as np

from tune.voices import NOBODY, Bools, Floats, Voices, hear_others

RIGHT: Final = 4.0
WRONG: Final = 1.0
"""The prior's trials: of five one is wrong. Three rulings against somebody who has none for them make them no voice."""
OTHERS: Final = 3
"""So few say nothing of who is right."""
MAJORITY: Final = 0.5
"""Of an operator's word: what others say, however many and sure they are. They may all be wrong."""
ROUNDS: Final = 12
DIGITS: Final = 4


def weigh_persons(voices: Voices) -> Floats:
    """(n,): of each voice how much its person is trusted, 0..1; an API key alone is."""
    known = voices.person != NOBODY
    weights = np.ones(len(known))
    if known.any():
        right = _estimate(voices, known)
        trust = np.clip(_log_odds(right) / _log_odds(np.array(RIGHT / (RIGHT + WRONG))), 0.0, 1.0)
        weights[known] = np.round(trust[voices.person[known]], DIGITS)
    return weights


def _estimate(voices: Voices, known: Bools) -> Floats:
    """(persons,): how probably each is right."""
    persons = int(voices.person.max()) + 1
    stands = known & _newest(voices)
    person, sign = voices.person[stands], voices.sign[stands]
    ruled = voices.ruled[stands]
    right = np.full(persons, RIGHT / (RIGHT + WRONG))
    for _ in range(ROUNDS):
        strength = np.full(len(known), _log_odds(np.array(RIGHT / (RIGHT + WRONG))))
        strength[known] = np.maximum(_log_odds(right), 0.0)[voices.person[known]]
        others = hear_others(voices.text, voices.source, strength * voices.sign)
        # Rounded, since sums in another order differ in their last digits.
        sure = np.round(np.tanh(others.net[stands] / 2), DIGITS)
        told = np.where(others.heard[stands] >= OTHERS, MAJORITY * sure, 0.0)
        evidence = np.where(ruled != 0, ruled, told) * sign
        agreed = np.bincount(person, weights=np.maximum(evidence, 0.0), minlength=persons)
        contradicted = np.bincount(person, weights=np.maximum(-evidence, 0.0), minlength=persons)
        right = (RIGHT + agreed) / (RIGHT + WRONG + agreed + contradicted)
    return right


def _newest(voices: Voices) -> Bools:
    """(n,): the last word of each person on each text."""
    pair = voices.text * (voices.person.max(initial=0) + 2) + voices.person
    _, places = np.unique(pair[::-1], return_index=True)
    newest = np.zeros(len(pair), np.bool_)
    newest[len(pair) - 1 - places] = True
    return newest


def _log_odds(right: Floats) -> Floats:
    odds: Floats = np.log(right / (1 - right))
    return odds
