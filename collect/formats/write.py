"""Write conversations as OpenAI chat JSONL, with all that the record knows of them as metadata (`collect.formats.own`).

What is written can be imported again and teaches the same. To others `weight` says what is worth learning: 1 only where
an answer was imported so, approved as it stands or liked by more people than not. Conversations are read in slices
(`collect.formats.talks`), so that memory does not depend on how many there are.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple

from pydantic_core import to_json

from collect.events import rows_of
from collect.formats.own import KEY, SCHEMA_VERSION, KeptReview, KeptScore, KeptVote
from collect.formats.talks import CHOSEN, SLICE_MESSAGES, TalkSlice, slice_talks
from collect.scores import read_value
from collect.store import Cursor
from nightschool.records import BotName, Finish, Source, Vote
from nightschool.text import is_same
from nightschool.tools import read_tools

MOMENT: Final = "strftime(make_timestamp(epoch_us({column})), '%Y-%m-%dT%H:%M:%S.%fZ')"
"""As text, which DuckDB makes in a tenth of the time that a datetime takes; `at time zone` takes a third longer."""
TALKS: Final = f"""
with chosen as ({CHOSEN})
select c.conversation_id, c.owner, c.source, c.title, c.is_held_out, s.side, {MOMENT.format(column="c.created_at")},
    c.topic
from conversations as c semi join chosen using (conversation_id) left join sides as s using (conversation_id)
"""
MESSAGES: Final = f"""
with chosen as ({CHOSEN})
select m.conversation_id, m.message_id, m.parent_id, m.role, m.content, m.weight, m.source,
    {MOMENT.format(column="m.created_at")}, m.version, m.adapter_hash, m.finish, m.tools_json
from messages as m join chosen as c using (conversation_id)
where m.rowid between $first_row and $last_row
order by c.created_at, m.conversation_id, m.position
"""
SAID_THERE: Final = f"""
with chosen as ({CHOSEN}),
said as (
    select m.message_id from messages as m semi join chosen using (conversation_id)
    where m.rowid between $first_row and $last_row
)
"""
VOTES: Final = f"""{SAID_THERE}
select message_id, voter, vote, reasons, comment, ideal_answer, {MOMENT.format(column="voted_at")}
from feedback semi join said using (message_id) where bot = $bot order by message_id, voted_at, voter
"""
REVIEWS: Final = f"""{SAID_THERE}
select message_id, reviewer, approved, corrected_answer, tags, {MOMENT.format(column="reviewed_at")}
from reviews semi join said using (message_id) where bot = $bot
"""
# Of what was taken back nothing stands.
SCORES: Final = f"""
with chosen as ({CHOSEN}),
standing as (
    select conversation_id, message_id, voter, name, kind, number, category, said_at
    from scores semi join chosen using (conversation_id)
    qualify row_number() over (partition by conversation_id, message_id, voter, name order by said_at desc) = 1
)
select coalesce(message_id, conversation_id), voter, name, {MOMENT.format(column="said_at")}, kind, number, category
from standing where kind <> 'none' order by said_at, voter, name
"""


class _Talk(NamedTuple):
    conversation_id: str
    owner: str
    source: str
    title: str
    is_held_out: bool | None
    side: Literal["train", "held-out"] | None
    created_at: str
    topic: str | None


class _Said(NamedTuple):
    message_id: str
    parent_id: str | None
    role: str
    content: str
    weight: int
    source: str
    created_at: str
    version: int | None
    adapter_hash: str
    finish: str | None
    tools_json: str | None
    votes: Sequence[KeptVote]
    review: KeptReview | None
    scores: Sequence[KeptScore]

    @property
    def is_answer(self) -> bool:
        """False for the nothing that a failed engine said, unless an operator wrote what it should have been."""
        if self.role != "assistant":
            return False
        is_corrected = self.review is not None and bool(self.review.corrected_answer)
        return is_corrected or bool(self.content.strip() or self.tools_json)

    @property
    def newest_vote(self) -> Vote | None:
        return next((said.vote for said in reversed(self.votes) if said.vote is not Vote.NONE), None)

    @property
    def is_target(self) -> bool:
        """Whether the text as it stands is worth learning."""
        if self.review is not None:
            frozen = self.review.corrected_answer or self.content
            return self.review.approved and is_same(frozen, self.content)
        net = sum({Vote.UP: 1, Vote.DOWN: -1}.get(said.vote, 0) for said in self.votes) if self.votes else 0
        if self.source == Source.IMPORT:
            return bool(self.weight) and net >= 0
        return net > 0 and self.finish in {None, Finish.STOP}


def export_conversations(cursor: Cursor, *, bot: BotName, slice_messages: int = SLICE_MESSAGES) -> Iterator[bytes]:
    """A line for each answer that no other one follows, with what led to it, oldest conversation first.

    Consume it before the cursor is closed or asked anything else; all of it is of one moment within a transaction.
    """
    for part in slice_talks(cursor, bot=bot, slice_messages=slice_messages):
        talks = {row[0]: _Talk(*row) for row in cursor.execute(TALKS, part.talks).fetchall()}
        votes, reviews, scores = _votes(cursor, part), _reviews(cursor, part), _scores(cursor, part)
        said = rows_of(cursor.execute(MESSAGES, part.messages))
        for conversation_id, rows in groupby(said, key=itemgetter(0)):
            tree = {
                row[1]: _Said._make((*row[1:], votes.get(row[1], ()), reviews.get(row[1]), scores.get(row[1], ())))
                for row in rows
            }
            of_all = scores.get(conversation_id, ())
            for leaf in _last_answers(tree):
                yield to_json(_line(bot, talks[conversation_id], _heard(_path(tree, leaf)), of_all))


def _votes(cursor: Cursor, part: TalkSlice) -> dict[str, list[KeptVote]]:
    found: dict[str, list[KeptVote]] = {}
    names = ("voter", "vote", "reasons", "comment", "ideal_answer", "voted_at")
    for message_id, *row in cursor.execute(VOTES, part.messages).fetchall():
        found.setdefault(message_id, []).append(KeptVote(**dict(zip(names, row, strict=True))))
    return found


def _reviews(cursor: Cursor, part: TalkSlice) -> dict[str, KeptReview]:
    names = ("reviewer", "approved", "corrected_answer", "tags", "reviewed_at")
    rows = cursor.execute(REVIEWS, part.messages).fetchall()
    return {message_id: KeptReview(**dict(zip(names, row, strict=True))) for message_id, *row in rows}


def _scores(cursor: Cursor, part: TalkSlice) -> dict[str, list[KeptScore]]:
    """By what they are of: a message, or a conversation as a whole."""
    found: dict[str, list[KeptScore]] = {}
    for about, voter, name, said_at, *value in cursor.execute(SCORES, part.talks).fetchall():
        given = read_value(*value)
        assert given is not None, "what was taken back is not asked for"
        found.setdefault(about, []).append(KeptScore(voter=voter, name=name, value=given, said_at=said_at))
    return found


def _last_answers(tree: Mapping[str, _Said]) -> list[_Said]:
    answers = [said for said in tree.values() if said.is_answer]
    followed: set[str] = set()
    for answer in answers:
        above = answer.parent_id
        while above is not None and above in tree and above not in followed:
            followed.add(above)
            above = tree[above].parent_id
    return [answer for answer in answers if answer.message_id not in followed]


def _path(tree: Mapping[str, _Said], leaf: _Said) -> list[_Said]:
    path = [leaf]
    while (before := tree.get(path[-1].parent_id or "")) is not None:
        path.append(before)
    return path[::-1]


def _heard(path: Sequence[_Said]) -> list[_Said]:
    """`path` without what a failing engine left: an answer that is none, and the question that never got one."""
    heard: list[_Said] = []
    for said in path:
        if said.role == "assistant" and not said.is_answer:
            while heard and heard[-1].role == "user":
                heard.pop()
        else:
            heard.append(said)
    return heard


def _line(bot: BotName, talk: _Talk, heard: Sequence[_Said], scores: Sequence[KeptScore]) -> dict[str, Any]:
    metadata = {
        "conversation_id": talk.conversation_id,
        "source": talk.source,
        "votes": {said.message_id: said.newest_vote for said in heard if said.votes and said.newest_vote},
        "approved": [said.message_id for said in heard if said.review and said.review.approved],
        KEY: _kept(bot, talk, heard, scores),
    }
    topic = {"topic": talk.topic} if talk.topic else {}
    return {"messages": list(map(_message, heard)), **topic, "metadata": metadata}


def _message(said: _Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": said.role, "content": said.content}
    if said.tools_json:
        message |= read_tools(said.tools_json)
    if said.role == "assistant" and not said.is_target:
        message["weight"] = 0
    return message


def _kept(bot: BotName, talk: _Talk, heard: Sequence[_Said], scores: Sequence[KeptScore]) -> dict[str, Any]:
    """As `Kept` reads it, without what that takes for granted."""
    about: dict[str, Any] = {
        "bot": bot,
        "conversation_id": talk.conversation_id,
        "owner": talk.owner,
        "source": talk.source,
        "title": talk.title,
        "created_at": talk.created_at,
        "messages": list(map(_kept_message, heard)),
        "schema_version": SCHEMA_VERSION,
    }
    if talk.is_held_out is not None:
        about["is_held_out"] = talk.is_held_out
    if talk.side is not None:
        about["side"] = talk.side
    if scores:
        about["scores"] = [score.model_dump() for score in scores]
    return about


def _kept_message(said: _Said) -> dict[str, Any]:
    """As `KeptMessage` reads it, without what that takes for granted."""
    kept: dict[str, Any] = {"message_id": said.message_id, "source": said.source, "created_at": said.created_at}
    if said.weight != 1:
        kept["weight"] = said.weight
    if said.version is not None:
        kept["version"] = said.version
    if said.adapter_hash:
        kept["adapter_hash"] = said.adapter_hash
    if said.finish is not None:
        kept["finish"] = said.finish
    if said.votes:
        kept["votes"] = [vote.model_dump(exclude_defaults=True) for vote in said.votes]
    if said.review is not None:
        kept["review"] = said.review.model_dump(exclude_defaults=True)
    if said.scores:
        kept["scores"] = [score.model_dump() for score in said.scores]
    return kept
