"""Questions that the bot answers badly and that nothing in the record answers: what somebody should write down.

A gap is a question whose answers got thumbs down, or that people came back to in words (`collect.signals`), and that no
imported conversation and no answer that an operator let in asks alike: what they have in common is weighed by how rare
each word is in the bot's record, so that "the" and "order" cover nothing. Questions asked alike are one gap. Words are
compared, not meanings: the same question in quite other words counts as not covered, which somebody who reads the list
sees. Nothing here is learnt.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from collect.signals.detect import DEEDS
from collect.signals.words import hear, overlap, trigrams
from collect.store import Cursor
from nightschool.records import BotName

NEWEST_FIRST: Final = 1_000
"""So many badly answered questions are looked at, the newest."""
MOST: Final = 200
"""Gaps that are compared with what is known, the most frequent."""
MIN_WORDS: Final = 3
"""Shorter questions ("and then?") mean nothing without what was said before."""
ALIKE: Final = 0.5
"""From here on (trigrams in common, of all of both) two questions are one."""
COVERED: Final = 0.7
"""Of a question's weight in words: so much of it in one known question, and the record knows an answer."""
FEW: Final = 3
MANY_SHARE: Final = 0.05
"""A word of more known questions than these counts as known wherever it stands: to look for it costs most."""
WORD: Final = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]|[\p{L}\p{N}\p{M}]+"
"""A word, or a character of a script that writes no blanks."""

UNHAPPY: Final = """
with rated as (
    select message_id, max(voted_at) as last_at from feedback
    where vote <> 'none' and ($bot is null or bot = $bot)
    group by message_id
    having count(*) filter (vote = 'down') > count(*) filter (vote = 'up')
),
gave_away as (
    select message_id, max(said_at) as last_at from signals
    where strength > 0 and not list_contains($deeds, kind) and ($bot is null or bot = $bot) group by message_id
),
unhappy as (
    select message_id, max(last_at) as last_at
    from (select message_id, last_at from rated union all select message_id, last_at from gave_away)
    group by message_id order by last_at desc, message_id limit $limit
),
answers as (
    select message_id, bot, parent_id, content, created_at from messages
    where message_id in (select message_id from unhappy)
),
questions as (
    select message_id, content from messages where message_id in (select parent_id from answers)
)
select a.message_id, a.bot, q.content, a.content, a.created_at, r.approved, r.corrected_answer
from answers as a join questions as q on q.message_id = a.parent_id
left join reviews as r on r.message_id = a.message_id
order by a.created_at desc, a.message_id
"""
# How much of a question's weight the known question nearest to it holds. A word weighs by how rare it is among the
# bot's known questions (inverse document frequency); one that none of them holds weighs most.
NEAREST: Final = """
with asked as (
    select unnest($gaps::integer[]) as gap, unnest($bots::text[]) as bot, unnest($questions::text[]) as content
),
wanted as (
    select distinct gap, bot, word
    from (select gap, bot, unnest(regexp_extract_all(lower(nfc_normalize(content)), $word)) as word from asked)
),
let_in as (
    select parent_id from messages
    where message_id in (select message_id from reviews where approved and corrected_answer <> '')
),
known as (
    select message_id, bot, content from messages
    where role = 'user' and bot in (select bot from asked)
        and (source = 'import' or message_id in (select parent_id from let_in))
),
held as (
    select message_id, bot, unnest(list_distinct(regexp_extract_all(lower(nfc_normalize(content)), $word))) as word
    from known
),
common as materialized (
    select message_id, bot, word from held semi join wanted using (bot, word)
),
counts as (select bot, count(*) as questions from known group by bot),
frequent as (select bot, word, count(*) as questions from common group by bot, word),
weights as (
    select w.gap, w.bot, w.word, ln(1 + n.questions / (0.5 + coalesce(f.questions, 0))) as weight,
        coalesce(f.questions, 0) > greatest($few, $many_share * n.questions) as is_everywhere
    from wanted as w
    join counts as n on n.bot = w.bot
    left join frequent as f on f.bot = w.bot and f.word = w.word
),
shared as (
    select w.gap, c.message_id, sum(w.weight) as weight
    from weights as w join common as c on c.bot = w.bot and c.word = w.word
    where not w.is_everywhere
    group by w.gap, c.message_id
),
nearest as (select gap, max(weight) as weight from shared group by gap),
whole as (
    select gap, sum(weight) as weight, coalesce(sum(weight) filter (is_everywhere), 0) as everywhere
    from weights group by gap
)
select gap, (whole.everywhere + coalesce(n.weight, 0)) / whole.weight
from whole left join nearest as n using (gap)
"""


@dataclass(frozen=True, slots=True)
class Gap:
    """A question that nothing answers."""

    bot: BotName
    question: str
    """As it was asked last."""
    times: int
    """How often it was asked and answered badly."""
    last_at: datetime
    message_id: str
    """The last answer."""
    answer: str
    coverage: float
    """0..1: how much of it the known question nearest to it holds."""
    is_approved: bool | None
    """What an operator ruled on the last answer; None where nobody did."""
    ruled_text: str | None


class _Unhappy(NamedTuple):
    message_id: str
    bot: str
    question: str
    answer: str
    at: datetime
    is_approved: bool | None
    ruled_text: str | None


class _Group:
    """Questions asked alike, the newest first."""

    def __init__(self, first: _Unhappy, letters: frozenset[str]) -> None:
        self.rows = [first]
        self.letters = letters


def list_gaps(cursor: Cursor, *, bot: BotName | None = None, limit: int = 100) -> list[Gap]:
    """What was asked most first, then the newest."""
    asked = {"bot": bot, "limit": NEWEST_FIRST, "deeds": list(DEEDS)}
    rows = [_Unhappy(*row) for row in cursor.execute(UNHAPPY, asked).fetchall()]
    groups = sorted(_grouped(rows), key=lambda group: -len(group.rows))[:MOST]
    coverage = _coverage(cursor, [group.rows[0] for group in groups])
    gaps = [_gap(group.rows, coverage.get(place, 0.0)) for place, group in enumerate(groups)]
    return [gap for gap in gaps if gap.coverage < COVERED][:limit]


def _grouped(rows: Iterable[_Unhappy]) -> list[_Group]:
    groups: dict[str, list[_Group]] = {}
    for row in rows:
        words = hear(row.question, spellings={}).words
        if len(words) < MIN_WORDS:
            continue
        letters = trigrams(words)
        of_bot = groups.setdefault(row.bot, [])
        alike = next((group for group in of_bot if overlap(group.letters, letters) >= ALIKE), None)
        if alike:
            alike.rows.append(row)
        else:
            of_bot.append(_Group(row, letters))
    return [group for of_bot in groups.values() for group in of_bot]


def _coverage(cursor: Cursor, asked: Sequence[_Unhappy]) -> dict[int, float]:
    """By place in `asked`."""
    if not asked:
        return {}
    given = {
        "gaps": list(range(len(asked))),
        "bots": [row.bot for row in asked],
        "questions": [row.question for row in asked],
        "word": WORD,
        "few": FEW,
        "many_share": MANY_SHARE,
    }
    return dict(cursor.execute(NEAREST, given).fetchall())


def _gap(rows: Sequence[_Unhappy], coverage: float) -> Gap:
    last = rows[0]
    return Gap(
        bot=BotName(last.bot),
        question=last.question,
        times=len(rows),
        last_at=last.at.astimezone(UTC),
        message_id=last.message_id,
        answer=last.answer,
        coverage=round(coverage, 3),
        is_approved=last.is_approved,
        ruled_text=last.ruled_text,
    )
