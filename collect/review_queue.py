"""Answers that want an operator's look, what is most telling first: votes, suggestions, what people said next or
did, whether it solved anything, and what the guard held back since it stood on nothing.

One line for each answer that nobody ruled on. What counts how much stands in the weights; it halves every two weeks,
since what goes wrong now can still be mended. Each line says in words why it is there. What stands here is not learnt:
only an operator's ruling is. Does not know how signals are found (`collect.signals`).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, NamedTuple

from collect.signals.detect import Kind
from collect.store import Cursor
from nightschool.errors import NotFound
from nightschool.records import BotName

WEIGHTS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "down": 2.0,
        "proposal": 1.0,
        "contradiction": 1.0,
        "held": 1.0,
    }
)
UNSOLVED: Final = "unsolved"
SOLVED: Final = "solved"
"""What people said of the outcome (`collect.outcomes`), beside the kinds of signals."""
SIGNAL_WEIGHTS: Final[Mapping[str, float]] = MappingProxyType(
    {
        Kind.ESCALATION: 2.0,
        Kind.CORRECTION: 1.5,
        Kind.REPHRASE: 1.0,
        Kind.DOUBT: 1.0,
        UNSOLVED: 1.0,
        Kind.RETRY: 0.5,
        Kind.ABANDON: 0.5,
        Kind.COPY: 0.0,
        SOLVED: 0.0,
    }
)
"""By what it is; what weighs nothing is told where something else weighs."""
CONTRADICTING: Final = (Kind.CORRECTION, Kind.REPHRASE, Kind.ESCALATION, Kind.DOUBT, UNSOLVED)
"""With a thumb up."""
TOLD: Final[Mapping[str, str]] = MappingProxyType(
    {
        Kind.ESCALATION: 'asked for somebody else ("{}")',
        Kind.CORRECTION: 'said that it is wrong ("{}")',
        Kind.REPHRASE: "asked again",
        Kind.DOUBT: "the reply makes the answer less likely",
        UNSOLVED: "said that it did not solve it",
        Kind.RETRY: "asked for another answer",
        Kind.ABANDON: "left before it was whole",
        Kind.COPY: "yet it was copied",
        SOLVED: "yet it was said to solve it",
    }
)
MOST_PERSONS: Final = 3
"""More thumbs down on one answer, or more suggestions, weigh as these: a crowd must not bury all the rest."""
HALF_LIFE_DAYS: Final = 14.0
SURE: Final = 1_000.0
"""That an answer was a verified one is said first."""

# Numbers first, over the small tables; the texts of those that are shown come after.
CHOSEN: Final = """
with opinions as (
    select message_id, bot,
        count(*) filter (vote = 'down') as downs,
        count(*) filter (vote = 'up') as ups,
        count(*) filter (trim(ideal_answer) <> '') as proposals,
        max(voted_at) filter (vote = 'down' or trim(ideal_answer) <> '') as said_at
    from feedback
    where vote <> 'none' and ($bot is null or bot = $bot) and ($message_id is null or message_id = $message_id)
    group by message_id, bot
),
came_back as (
    select a.message_id from messages as a join messages as later using (conversation_id)
    where a.message_id in (select message_id from signals where kind = 'abandon') and later.position > a.position
),
ended as (
    select message_id, bot, arg_max(is_resolved, said_at) as is_resolved, max(said_at) as said_at from outcomes
    where ($bot is null or bot = $bot) and ($message_id is null or message_id = $message_id)
    group by message_id, bot
),
telling as (
    select message_id, bot, kind, strength, said_at from signals
    where strength > 0 and ($bot is null or bot = $bot) and ($message_id is null or message_id = $message_id)
        and (kind <> 'abandon' or message_id not in (select message_id from came_back))
    union all
    select message_id, bot, if(is_resolved, 'solved', 'unsolved'), 1.0, said_at from ended
),
signal_weights as (select unnest($kinds::text[]) as kind, unnest($weights::double[]) as weight),
strongest as (
    select message_id, bot, kind, max(strength) * any_value(weight) as weight, max(said_at) as said_at
    from telling join signal_weights using (kind) group by message_id, bot, kind
),
gave_away as (
    select message_id, bot, list(kind) as kinds, sum(weight) as weight, max(said_at) filter (weight > 0) as said_at
    from strongest group by message_id, bot
),
withheld as (
    select message_id, bot, created_at as said_at from messages
    where held_json <> '' and ($bot is null or bot = $bot) and ($message_id is null or message_id = $message_id)
),
counted as (
    select message_id, coalesce(o.bot, g.bot, h.bot) as bot,
        coalesce(o.downs, 0) as downs, coalesce(o.ups, 0) as ups, coalesce(o.proposals, 0) as proposals,
        coalesce(g.kinds, []) as kinds, coalesce(g.weight, 0) as given_away,
        (h.bot is not null)::int as held, greatest(o.said_at, g.said_at, h.said_at) as last_at
    from opinions as o full join gave_away as g using (message_id) full join withheld as h using (message_id)
    anti join reviews using (message_id)
),
weighed as (
    select message_id, bot, downs, ups, proposals, kinds, held, last_at,
        $down * least(downs, $most) + $proposal * least(proposals, $most)
            + $contradiction * (ups > 0 and (downs > 0 or list_has_any(kinds, $contradicting)))::int
            + given_away + $held * held as weight
    from counted
    where last_at is not null and ($kind is null or list_contains(kinds, $kind))
)
select message_id, bot, downs, ups, proposals, kinds, held, last_at,
    weight * pow(0.5, greatest(epoch($now::timestamptz) - epoch(last_at), 0) / $half_life_s) as score
from weighed
order by score desc, last_at, message_id
limit $limit
"""
TEXTS: Final = """
with answers as (
    select message_id, parent_id, content, version, source, held_json from messages
    where message_id in (select unnest($names::text[]))
),
questions as (
    select message_id, content from messages where message_id in (select parent_id from answers)
)
select a.message_id, coalesce(q.content, ''), a.content, a.version, a.source = 'verified', coalesce(a.held_json, '')
from answers as a left join questions as q on q.message_id = a.parent_id
"""
PROPOSALS: Final = """
select message_id, arg_max(ideal_answer, voted_at) from feedback
where message_id in (select unnest($names::text[])) and vote <> 'none' and trim(ideal_answer) <> ''
group by message_id
"""
FOLLOW_UPS: Final = """
with telling as (
    select message_id, follow_up_id, kind, evidence, strength, said_at from signals
    where message_id in (select unnest($names::text[]))
),
texts as (
    select message_id, content from messages where message_id in (select follow_up_id from telling) and role = 'user'
)
select t.message_id, t.kind, t.evidence, coalesce(c.content, '')
from telling as t left join texts as c on c.message_id = t.follow_up_id
order by t.strength, t.said_at, t.follow_up_id
"""


@dataclass(frozen=True, slots=True)
class Queued:
    """An answer, and why it waits for an operator."""

    message_id: str
    bot: BotName
    version: int | None
    question: str
    answer: str
    proposal: str
    """What somebody last wrote that it should have been; empty where nobody did."""
    follow_up: str
    """The most telling thing that was said next; empty where nothing was."""
    reasons: tuple[str, ...]
    """In words, the heaviest first."""
    last_at: datetime
    score: float
    is_verified: bool = False
    """The answer was an operator's words, and no version's."""


class _Counted(NamedTuple):
    message_id: str
    bot: str
    downs: int
    ups: int
    proposals: int
    kinds: Sequence[str]
    held: int
    last_at: datetime
    score: float


class _Texts(NamedTuple):
    question: str
    answer: str
    version: int | None
    is_verified: bool
    held_json: str


class _Told(NamedTuple):
    evidence: Mapping[str, str]
    """By kind: the phrase that was met."""
    follow_up: str


def list_queue(
    cursor: Cursor, *, now: datetime, bot: BotName | None = None, kind: Kind | None = None, limit: int = 100
) -> list[Queued]:
    """The heaviest first; of one signal, where `kind` names it."""
    return _queued(cursor, bot=bot, kind=kind, message_id=None, now=now, limit=limit)


def find_queued(cursor: Cursor, *, message_id: str, now: datetime) -> Queued:
    """One line of it. Raises NotFound where nothing speaks against the answer any more, or somebody ruled on it."""
    for found in _queued(cursor, bot=None, kind=None, message_id=message_id, now=now, limit=1):
        return found
    raise NotFound("waits no more", subject="this answer", remedy="Choose another one.")


def _queued(
    cursor: Cursor, *, bot: BotName | None, kind: Kind | None, message_id: str | None, now: datetime, limit: int
) -> list[Queued]:
    asked = {
        **WEIGHTS,
        "kinds": list(SIGNAL_WEIGHTS),
        "weights": list(SIGNAL_WEIGHTS.values()),
        "contradicting": list(CONTRADICTING),
        "most": MOST_PERSONS,
        "half_life_s": HALF_LIFE_DAYS * 24 * 3600,
        "bot": bot,
        "kind": kind,
        "message_id": message_id,
        "now": now,
        "limit": limit,
    }
    rows = [_Counted(*row) for row in cursor.execute(CHOSEN, asked).fetchall()]
    names = [row.message_id for row in rows]
    texts = {row[0]: _Texts(*row[1:]) for row in cursor.execute(TEXTS, {"names": names}).fetchall()}
    proposals: dict[str, str] = dict(cursor.execute(PROPOSALS, {"names": names}).fetchall())
    told = _told(cursor.execute(FOLLOW_UPS, {"names": names}).fetchall())
    nothing = _Told({}, "")
    return [
        _line(row, texts[row.message_id], proposals.get(row.message_id, ""), told.get(row.message_id, nothing))
        for row in rows
    ]


def _told(rows: Iterable[tuple[str, str, str, str]]) -> dict[str, _Told]:
    """By answer; the last row of each is the most telling one."""
    evidence: dict[str, dict[str, str]] = {}
    follow_ups: dict[str, str] = {}
    for message_id, kind, phrase, follow_up in rows:
        evidence.setdefault(message_id, {})[kind] = phrase
        # Who asked for a person by the button said nothing.
        follow_ups[message_id] = follow_up or follow_ups.get(message_id, "")
    return {name: _Told(evidence[name], follow_ups[name]) for name in evidence}


def _line(row: _Counted, texts: _Texts, proposal: str, told: _Told) -> Queued:
    return Queued(
        message_id=row.message_id,
        bot=BotName(row.bot),
        version=texts.version,
        question=texts.question,
        answer=texts.answer,
        proposal=proposal,
        follow_up=told.follow_up,
        reasons=tuple(_reasons(row, told.evidence, texts)),
        last_at=row.last_at.astimezone(UTC),
        score=round(row.score, 3),
        is_verified=texts.is_verified,
    )


def _reasons(row: _Counted, evidence: Mapping[str, str], texts: _Texts) -> list[str]:
    weighed: list[tuple[float, str]] = []
    if texts.is_verified:
        weighed.append((SURE, "a verified answer"))
    if row.downs:
        weighed.append((WEIGHTS["down"] * row.downs, _many(row.downs, "thumb down", "thumbs down")))
    for kind, words in TOLD.items():
        if kind in row.kinds:
            weighed.append((SIGNAL_WEIGHTS[kind], words.format(evidence.get(kind))))
    if row.held:
        facts = dict.fromkeys(fact for held in json.loads(texts.held_json) for fact in held["facts"])
        weighed.append((WEIGHTS["held"], f"stood on nothing: {', '.join(facts)}"))
    if row.proposals:
        weighed.append((WEIGHTS["proposal"], _many(row.proposals, "better answer", "better answers") + " suggested"))
    if row.ups:
        weighed.append((WEIGHTS["contradiction"] / 2, f"yet {_many(row.ups, 'thumb up', 'thumbs up')}"))
    return [words for _, words in sorted(weighed, key=lambda one: -one[0])]


def _many(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"
