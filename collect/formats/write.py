"""Write conversations as OpenAI chat JSONL, with all that the record knows of them as metadata (`collect.formats.own`).

What is written can be imported again and teaches the same. To others `weight` says what is worth learning: 1 only where
an answer was imported so, approved as it stands or liked by more people than not.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from collect.chat_settings import PRIVATE
from collect.formats.own import KEY, Kept, KeptMessage, KeptReview, KeptVote
from collect.store import Cursor
from nightschool.records import BotName, Finish, Source, Vote
from nightschool.text import is_same
from nightschool.tools import read_tools

CONVERSATIONS: Final = f"""
select c.conversation_id, c.owner, c.source, c.title, c.is_held_out, s.side, c.created_at, c.topic
from conversations as c left join sides as s using (conversation_id)
where c.bot = $bot and c.conversation_id not in ({PRIVATE}) order by c.created_at, c.conversation_id
"""
MESSAGES: Final = f"""
select conversation_id, message_id, parent_id, role, content, weight, source, created_at, version, adapter_hash, finish,
    tools_json
from messages where bot = $bot and conversation_id not in ({PRIVATE}) order by conversation_id, position
"""
VOTES: Final = """
select message_id, voter, vote, reasons, comment, ideal_answer, voted_at
from feedback where bot = $bot order by message_id, voted_at, voter
"""
REVIEWS: Final = """
select message_id, reviewer, approved, corrected_answer, tags, reviewed_at from reviews where bot = $bot
"""


class _Said(NamedTuple):
    message_id: str
    parent_id: str | None
    role: str
    content: str
    weight: int
    source: str
    created_at: datetime
    version: int | None
    adapter_hash: str
    finish: str | None
    tools_json: str | None
    votes: tuple[KeptVote, ...]
    review: KeptReview | None

    @property
    def is_answer(self) -> bool:
        """False for the nothing that a failed engine said, unless an operator wrote what it should have been."""
        is_corrected = self.review is not None and bool(self.review.corrected_answer)
        return self.role == "assistant" and (bool(self.content.strip() or self.tools_json) or is_corrected)

    @property
    def newest_vote(self) -> Vote | None:
        return next((said.vote for said in reversed(self.votes) if said.vote is not Vote.NONE), None)

    @property
    def is_target(self) -> bool:
        """Whether the text as it stands is worth learning."""
        if self.review is not None:
            frozen = self.review.corrected_answer or self.content
            return self.review.approved and is_same(frozen, self.content)
        net = sum({Vote.UP: 1, Vote.DOWN: -1}.get(said.vote, 0) for said in self.votes)
        if self.source == Source.IMPORT:
            return bool(self.weight) and net >= 0
        return net > 0 and self.finish in {None, Finish.STOP}


class _Talk(NamedTuple):
    conversation_id: str
    owner: str
    source: str
    title: str
    is_held_out: bool | None
    side: Literal["train", "held-out"] | None
    created_at: datetime
    topic: str | None


def export_conversations(cursor: Cursor, *, bot: BotName) -> Iterator[str]:
    """A line for each answer that no other one follows, with what led to it, oldest conversation first.

    Consume it before the cursor is closed.
    """
    trees = _trees(cursor, bot)
    for row in cursor.execute(CONVERSATIONS, {"bot": bot}).fetchall():
        talk = _Talk(*row)
        tree = trees.get(talk.conversation_id, {})
        for leaf in _last_answers(tree):
            yield json.dumps(_line(bot, talk, _heard(_path(tree, leaf))), ensure_ascii=False)


def _trees(cursor: Cursor, bot: BotName) -> dict[str, dict[str, _Said]]:
    votes, reviews = _votes(cursor, bot), _reviews(cursor, bot)
    trees: dict[str, dict[str, _Said]] = {}
    for conversation_id, message_id, *rest in cursor.execute(MESSAGES, {"bot": bot}).fetchall():
        row: tuple[Any, ...] = (message_id, *rest, tuple(votes.get(message_id, ())), reviews.get(message_id))
        trees.setdefault(conversation_id, {})[message_id] = _Said(*row)
    return trees


def _votes(cursor: Cursor, bot: BotName) -> dict[str, list[KeptVote]]:
    found: dict[str, list[KeptVote]] = {}
    names = ("voter", "vote", "reasons", "comment", "ideal_answer", "voted_at")
    for message_id, *row in cursor.execute(VOTES, {"bot": bot}).fetchall():
        found.setdefault(message_id, []).append(KeptVote(**dict(zip(names, row, strict=True))))
    return found


def _reviews(cursor: Cursor, bot: BotName) -> dict[str, KeptReview]:
    names = ("reviewer", "approved", "corrected_answer", "tags", "reviewed_at")
    rows = cursor.execute(REVIEWS, {"bot": bot}).fetchall()
    return {message_id: KeptReview(**dict(zip(names, row, strict=True))) for message_id, *row in rows}


def _last_answers(tree: Mapping[str, _Said]) -> list[_Said]:
    answers = [said for said in tree.values() if said.is_answer]
    followed = {before.message_id for answer in answers for before in _path(tree, answer)[:-1]}
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


def _line(bot: BotName, talk: _Talk, heard: Sequence[_Said]) -> dict[str, Any]:
    kept = Kept(
        bot=bot,
        conversation_id=talk.conversation_id,
        owner=talk.owner,
        source=Source(talk.source),
        title=talk.title,
        is_held_out=talk.is_held_out,
        side=talk.side,
        created_at=talk.created_at,
        messages=tuple(map(_kept, heard)),
    )
    metadata = {
        "conversation_id": talk.conversation_id,
        "source": talk.source,
        "votes": {said.message_id: said.newest_vote for said in heard if said.newest_vote},
        "approved": [said.message_id for said in heard if said.review and said.review.approved],
        KEY: kept.model_dump(mode="json", exclude_defaults=True) | {"schema_version": kept.schema_version},
    }
    topic = {"topic": talk.topic} if talk.topic else {}
    return {"messages": list(map(_message, heard)), **topic, "metadata": metadata}


def _message(said: _Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": said.role, "content": said.content, **read_tools(said.tools_json or "")}
    return message if said.role != "assistant" or said.is_target else message | {"weight": 0}


def _kept(said: _Said) -> KeptMessage:
    return KeptMessage(
        message_id=said.message_id,
        source=Source(said.source),
        created_at=said.created_at,
        weight=said.weight,
        version=said.version,
        adapter_hash=said.adapter_hash,
        finish=None if said.finish is None else Finish(said.finish),
        votes=said.votes,
        review=said.review,
    )
