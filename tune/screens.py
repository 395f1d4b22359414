"""Screen what people said before anything is learnt from it: how much of a day, how fast, in whose words, by whom.

What a screen stops stays in the record and is counted; an operator sees it and may release it, and then no screen looks
at it again, or keep it out, and then it weighs in no judgement either. An API key alone is no person, and an operator's
ruling is no vote: neither is ever stopped. Suggested answers wait for an operator anyway, unless a bot's file lets
people agree on them (`tune.words`). The same snapshot and settings stop the same. Does not know rows, nor who is told.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from tune.bounds import Bounds, is_person
from tune.bursts import find_bursts
from tune.copies import find_copies
from tune.raters import weigh_persons
from tune.snapshot import Opinion, Preferred, Snapshot
from tune.strangers import find_strangers
from tune.tally import DIGITS
from tune.voices import collect_voices
from tune.words import VoteRef

LEAST_WEIGHT: Final = 0.05
"""Below it a voice teaches next to nothing and is stopped."""


class Screen(StrEnum):
    """Why a vote is stopped, in words for whoever cast it and for operators."""

    BURST = "it is one of many within minutes, most of them against what others say"
    CONTRADICTION = "whoever cast it mostly contradicts operators and others"
    COPY = "it repeats in nearly the same words what other newcomers wrote"
    STRANGERS = "it is one of many newcomers' on one answer, all against what others say of it"
    PERSON_DAY = "it is beyond one person's votes of a day"
    ADDRESS_DAY = "it is beyond one address's votes of a day"
    KEPT_OUT = "an operator keeps it out"

    @property
    def counted(self) -> str:
        """What a card counts by it."""
        return COUNTED[self]


COUNTED: Final[Mapping[Screen, str]] = {
    Screen.BURST: "votes of a burst against what others say",
    Screen.CONTRADICTION: "votes of persons who contradict operators and others",
    Screen.COPY: "votes of newcomers who all wrote nearly the same, but for the first",
    Screen.STRANGERS: "votes of newcomers who only said the same of one answer against others, but for the first",
    Screen.PERSON_DAY: "votes beyond one person's day",
    Screen.ADDRESS_DAY: "votes beyond one address's day",
    Screen.KEPT_OUT: "votes that operators keep out",
}


@dataclass(frozen=True, slots=True)
class Screened:
    opinions: Mapping[str, tuple[Opinion, ...]]
    """What counts, by message, with how far its voter is trusted."""
    stopped: Mapping[VoteRef, Screen]
    lighter: int
    """Persons whose votes count, but for less than others'."""

    @property
    def counts(self) -> Counter[str]:
        return Counter(screen.counted for screen in self.stopped.values())


def describe_screened(screened: Screened) -> list[str]:
    """For the card, behind what was left out."""
    if not screened.stopped and not screened.lighter:
        return []
    persons = len({vote.voter for vote in screened.stopped})
    return [
        "## Screens",
        "",
        f"Stopped: {len(screened.stopped)} votes of {persons} persons, for the reasons above; they stay in the record, "
        f"and an operator may let them count. Votes of {screened.lighter} persons who contradicted operators or others "
        "now and then weigh less.",
        "",
    ]


def count_screened(screened: Screened) -> dict[str, int]:
    """For the manifest."""
    return {"screens.stopped_votes": len(screened.stopped), "screens.lighter_persons": screened.lighter}


def screen_opinions(snapshot: Snapshot, bounds: Bounds) -> Screened:
    """What people said in `snapshot`, without what is stopped."""
    kept_out = {_ref(o): Screen.KEPT_OUT for own in snapshot.opinions.values() for o in own if o.is_kept_out}
    snapshot = replace(snapshot, opinions=_without(snapshot, kept_out))
    stopped, weights = _stop_by_voice(snapshot, bounds)
    stopped |= {_ref(o): Screen.COPY for o in find_copies(snapshot) if not o.is_released and _ref(o) not in stopped}
    stopped |= _stop_by_day(snapshot, bounds, stopped)
    opinions = {
        name: tuple(replace(o, weight=weights[ref]) if (ref := _ref(o)) in weights else o for o in kept)
        for name, kept in _without(snapshot, stopped).items()
    }
    lighter = {ref.voter for ref in weights if ref not in stopped}
    return Screened(opinions, stopped | kept_out, len(lighter))


def screen_preferences(snapshot: Snapshot, bounds: Bounds, screened: Screened) -> tuple[Preferred, ...]:
    """Comparisons, but for those of whoever had a vote stopped for what it says, and those beyond a person's votes of a
    day (UTC)."""
    distrusted = {vote.voter for vote, why in screened.stopped.items() if why in {Screen.BURST, Screen.CONTRADICTION}}
    spent: Counter[tuple[str, str]] = Counter()
    kept = []
    for preferred in snapshot.preferences:
        own = (preferred.voter, preferred.chosen_at.date().isoformat())
        if preferred.voter not in distrusted and spent[own] < bounds.votes_a_day:
            spent[own] += 1
            kept.append(preferred)
    return tuple(kept)


def _stop_by_voice(snapshot: Snapshot, bounds: Bounds) -> tuple[dict[VoteRef, Screen], dict[VoteRef, float]]:
    """What is stopped for what it says beside all others; and weights below 1, of what is not too."""
    stopped: dict[VoteRef, Screen] = {}
    weights: dict[VoteRef, float] = {}
    if not bounds.burst_votes and not bounds.weighs_persons:
        return stopped, weights
    voices = collect_voices(snapshot)
    is_burst = find_bursts(voices, votes=bounds.burst_votes)
    for opinion, is_found in zip(voices.opinions, is_burst.tolist(), strict=True):
        if is_found and not opinion.is_released:
            stopped[_ref(opinion)] = Screen.BURST
    if bounds.weighs_persons:
        others = voices.only(~is_burst)
        is_crowd = find_strangers(others, snapshot)
        stopped |= {
            _ref(o): Screen.STRANGERS for o, is_one in zip(others.opinions, is_crowd.tolist(), strict=True) if is_one
        }
        others = others.only(~is_crowd)
        for opinion, weight in zip(others.opinions, weigh_persons(others).tolist(), strict=True):
            if weight < LEAST_WEIGHT and not opinion.is_released:
                stopped[_ref(opinion)] = Screen.CONTRADICTION
            elif weight < 1 and not opinion.is_released:
                weights[_ref(opinion)] = round(weight, DIGITS)
    return stopped, weights


def _stop_by_day(snapshot: Snapshot, bounds: Bounds, stopped: Mapping[VoteRef, Screen]) -> dict[VoteRef, Screen]:
    """Of what is left, all but the first votes of each person's and each address's day (UTC)."""
    beyond: dict[VoteRef, Screen] = {}
    spent: Counter[tuple[str, str]] = Counter()
    for opinion in sorted(_persons_words(snapshot), key=lambda o: (o.voted_at, o.message_id, o.voter)):
        if (ref := _ref(opinion)) not in stopped:
            date = opinion.voted_at.date().isoformat()
            own, house = (opinion.voter, date), (f"at {opinion.address}", date)
            if spent[own] >= bounds.votes_a_day:
                beyond[ref] = Screen.PERSON_DAY
            elif opinion.address and spent[house] >= bounds.address_votes_a_day:
                beyond[ref] = Screen.ADDRESS_DAY
            else:
                spent.update((own, house))
    return beyond


def _without(snapshot: Snapshot, stopped: Mapping[VoteRef, Screen]) -> dict[str, tuple[Opinion, ...]]:
    left = {name: tuple(o for o in own if _ref(o) not in stopped) for name, own in snapshot.opinions.items()}
    return {name: own for name, own in left.items() if own}


def _persons_words(snapshot: Snapshot) -> Iterator[Opinion]:
    for opinions in snapshot.opinions.values():
        yield from (o for o in opinions if is_person(o.voter) and not o.is_released)


def _ref(opinion: Opinion) -> VoteRef:
    return VoteRef(opinion.message_id, opinion.voter)
