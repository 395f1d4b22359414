"""What named scores come to, by who answered: how many, their mean, and how they are shared out.

A look at everything that stands, for people; nothing decides by it. Does not know how scores are kept
(`collect.scores`).
"""

from dataclasses import dataclass
from typing import Final, Literal

from collect.store import Cursor
from nightschool.records import BotName
from nightschool.scores import ScoreKind

# A conversation counts for whoever gave its last answer.
FIGURES: Final = """
with standing as (
    select conversation_id, message_id, bot, name, kind, number, category
    from scores where $bot is null or bot = $bot
    qualify row_number() over (partition by conversation_id, message_id, voter, name order by said_at desc) = 1
),
given as (select * from standing where kind <> 'none'),
last_answers as (
    select conversation_id, arg_max(message_id, position) as last_id from messages
    where role = 'assistant' and conversation_id in (select conversation_id from given where message_id is null)
    group by conversation_id
),
answered as (
    select g.*, m.version, coalesce(m.source, '') as source
    from given as g left join last_answers as l on g.message_id is null and l.conversation_id = g.conversation_id
        left join messages as m on m.message_id = coalesce(g.message_id, l.last_id)
)
select bot, name, if(message_id is null, 'conversation', 'answer') as of, kind,
    if(source in ('chat', 'api'), version, null) as version,
    case source when 'verified' then 'verified' when 'import' then 'import' else '' end as other,
    count(*), avg(number), histogram(category)
from answered group by all order by bot, name, of, kind, version desc nulls last, other
"""


@dataclass(frozen=True, slots=True)
class ScoreFigures:
    """Of one name, on what one version answered."""

    bot: BotName
    name: str
    of: Literal["answer", "conversation"]
    kind: ScoreKind
    version: int | None
    """None: of the base model, or of no model where `other` says so."""
    other: Literal["", "verified", "import"]
    """An operator's words, or another programme's answers."""
    count: int
    mean: float | None
    """Of numbers; of booleans the share of true."""
    categories: dict[str, int]
    """How many of each, most first."""


def score_figures(cursor: Cursor, *, bot: BotName | None = None) -> list[ScoreFigures]:
    """Of a bot, or of all: by name, newest version first."""
    found = []
    for row in cursor.execute(FIGURES, {"bot": bot}).fetchall():
        most_first = sorted((row[8] or {}).items(), key=lambda item: (-item[1], item[0]))
        found.append(
            ScoreFigures(
                BotName(row[0]), row[1], row[2], ScoreKind(row[3]), row[4], row[5], row[6], row[7], dict(most_first)
            )
        )  # fmt: skip
    return found
