"""What the record knows of where a version came from and where an answer went: one query each way.

Which rows a version learnt stands in its dataset's files (`deploy.trace`). Does not know files.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from collect.events import moves_of_production
from collect.scores import Score, scores_about
from collect.store import Cursor
from nightschool.errors import NotFound
from nightschool.records import AdapterName, BotName, Event, Stage

VERSIONS: Final = """
select a.bot, a.version, a.content_hash, a.dataset_hash, a.cycle_id, a.stage, a.created_at, a.tainted_at,
    c.started_by, c.started_at, e.evaluation_id, e.outcome, e.reasons, e.evaluated_at, e.production_hash,
    p.actor, p.reason, p.happened_at
from adapters as a
left join cycles as c on c.cycle_id = a.cycle_id
left join (
    select * from evaluations qualify row_number() over (partition by bot, candidate order by evaluated_at desc) = 1
) as e on e.bot = a.bot and e.candidate = a.version
left join (
    select * from events where action like '%->production'
    qualify row_number() over (partition by bot, subject order by happened_at desc) = 1
) as p on p.bot = a.bot and p.subject = a.bot || '@' || a.version
where a.bot = $bot and ($version is null or a.version = $version)
    and ($dataset is null or starts_with(a.dataset_hash, $dataset))
order by a.version desc
"""
ANSWER: Final = """
select m.message_id, m.conversation_id, m.bot, m.role, m.created_at, m.version, m.adapter_hash,
    s.content, list(f.voter order by f.voter) filter (f.voter is not null),
    any_value(r.reviewer)
from messages as m
left join system_prompts as s using (system_hash)
left join feedback as f using (message_id)
left join reviews as r using (message_id)
where m.message_id = $message_id
group by all
"""


@dataclass(frozen=True, slots=True)
class Judged:
    evaluation_id: str
    outcome: str
    reasons: tuple[str, ...]
    at: datetime
    compared_with: str
    """Content hash of what was in production; empty for the base model."""


@dataclass(frozen=True, slots=True)
class Promoted:
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class VersionLineage:
    name: str
    content_hash: str
    dataset_hash: str
    cycle_id: str
    stage: Stage
    is_live: bool
    trained_at: datetime
    tainted_at: datetime | None
    night_by: str | None
    """What began its night; None where it came of none."""
    verdict: Judged | None
    promoted: Promoted | None
    """Who put it live last."""


@dataclass(frozen=True, slots=True)
class AnswerLineage:
    message_id: str
    conversation_id: str
    bot: str
    role: str
    at: datetime
    answered_by: str
    """`support@3`; empty for what a person said."""
    adapter_hash: str
    system_prompt: str
    voters: tuple[str, ...]
    reviewer: str | None
    scores: tuple[Score, ...]
    """Named scores of it, and of its conversation as a whole."""


@dataclass(frozen=True, slots=True)
class LiveThen:
    bot: str
    at: datetime
    name: str
    """`support@base` where no version was live."""
    content_hash: str
    since: datetime | None
    """None: since ever."""
    by: str
    reason: str


def versions(
    cursor: Cursor, *, bot: BotName, version: int | None = None, dataset: str | None = None
) -> list[VersionLineage]:
    """Of the bot, newest first: one version, those of a dataset (by the beginning of its hash), or all."""
    asked = {"bot": bot, "version": version, "dataset": dataset}
    found = []
    for row in cursor.execute(VERSIONS, asked).fetchall():
        verdict = Judged(row[10], row[11], tuple(row[12]), row[13].astimezone(UTC), row[14]) if row[10] else None
        promoted = Promoted(row[15], row[16], row[17].astimezone(UTC)) if row[15] else None
        found.append(
            VersionLineage(
                str(AdapterName(BotName(row[0]), row[1])), row[2], row[3], row[4], Stage(row[5]),
                row[5] == Stage.PRODUCTION, row[6].astimezone(UTC), row[7].astimezone(UTC) if row[7] else None, row[8],
                verdict, promoted,
            )
        )  # fmt: skip
    return found


def answer(cursor: Cursor, *, message_id: str) -> AnswerLineage:
    """Raises NotFound."""
    row = cursor.execute(ANSWER, {"message_id": message_id}).fetchone()
    if row is None:
        remedy = "Name a message, MESSAGE/VOTER, a version (`support@3`) or a dataset's hash."
        raise NotFound("is not in the record", subject=repr(message_id), remedy=remedy)
    is_answer = row[3] == "assistant"
    return AnswerLineage(
        row[0], row[1], row[2], row[3], row[4].astimezone(UTC),
        str(AdapterName(BotName(row[2]), row[5])) if is_answer else "", row[6], row[7] or "", tuple(row[8] or ()),
        row[9], tuple(scores_about(cursor, message_id=message_id)),
    )  # fmt: skip


def live_then(cursor: Cursor, *, bot: BotName, at: datetime) -> LiveThen:
    """Who answered the bot's people at a time, by the audit."""
    moves = [event for event in moves_of_production(cursor, bot=bot) if event.at <= at]
    # What moves together is of one moment: somebody goes down and somebody comes up.
    last = [event for event in moves if event.at == moves[0].at]
    up = next((event for event in last if event.action.endswith("->production")), None)
    if up is None:
        return _on_base(bot, at, last)
    name = AdapterName.parse(up.subject)
    found = versions(cursor, bot=bot, version=name.version if name else None)
    content_hash = found[0].content_hash if found else ""
    return LiveThen(bot, at, up.subject, content_hash, up.at, up.actor, up.reason)


def _on_base(bot: BotName, at: datetime, last: list[Event]) -> LiveThen:
    name = str(AdapterName(bot, None))
    if not last:
        return LiveThen(bot, at, name, "", None, "", "")
    return LiveThen(bot, at, name, "", last[0].at, last[0].actor, last[0].reason)
