"""Take in again what an export of ours held: conversations under their own names, with all that was said of them.

A conversation that is there already is left as it is, and one that was erased here stays erased. Under another bot than
the exported one ids are made anew from the old ones, so that a second import finds them there. Does not know lines or
files (`collect.formats.own`).
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from collect.formats.own import Kept, KeptMessage, KeptScore
from collect.scores import Score, bring_scores
from collect.sides import keep_sides
from collect.standing import add_opinions
from collect.store import Cursor
from nightschool.records import BotName, ChatMessage, Feedback

ADD_CONVERSATIONS: Final = """
insert into conversations (conversation_id, bot, owner, source, title, is_held_out, created_at,
    topic)
select unnest($conversation_id::text[]), $bot, unnest($owner::text[]), unnest($source::text[]), unnest($title::text[]),
    unnest($is_held_out::boolean[]), unnest($created_at::timestamptz[]), unnest($topic::text[])
"""
ADD_MESSAGES: Final = """
insert into messages (message_id, conversation_id, bot, parent_id, role, content, weight, source, created_at, version,
    adapter_hash, finish, position, prompt_tokens, completion_tokens, sampling_json)
select unnest($message_id::text[]), unnest($conversation_id::text[]), $bot, unnest($parent_id::text[]),
    unnest($role::text[]), unnest($content::text[]), unnest($weight::integer[]), unnest($source::text[]),
    unnest($created_at::timestamptz[]), unnest($version::integer[]), unnest($adapter_hash::text[]),
    unnest($finish::text[]), unnest($position::bigint[]), 0, 0, '{}'
"""
ADD_REVIEWS: Final = """
insert into reviews (message_id, bot, reviewer, approved, corrected_answer, tags, reviewed_at)
select unnest($message_id::text[]), $bot, unnest($reviewer::text[]), unnest($approved::boolean[]),
    unnest($corrected_answer::text[]), unnest($tags::text[][]), unnest($reviewed_at::timestamptz[])
"""
KNOWN_CONVERSATIONS: Final = """
select conversation_id from conversations where conversation_id in (select unnest($names::text[]))
"""
ERASED: Final = """
select name from (select unnest(conversation_ids) as name from erasures) where name in (select unnest($names::text[]))
"""
KNOWN_MESSAGES: Final = "select message_id from messages where message_id in (select unnest($names::text[]))"
# Behind all that is there: a person may go on with a conversation that came back.
POSITIONS: Final = "select min(p) from (select nextval('message_positions') as p from range($count))"


class KeptTalk(NamedTuple):
    """A line of an export."""

    kept: Kept
    messages: tuple[ChatMessage, ...]
    topic: str | None


class Restored(NamedTuple):
    restored: int
    known: Mapping[str, str | None]
    """Conversations that were there already or were erased, with the topic that their line names."""


@dataclass(frozen=True, slots=True)
class _Node:
    kept: KeptMessage
    said: ChatMessage
    parent_id: str | None


@dataclass(frozen=True, slots=True)
class _Tree:
    kept: Kept
    topic: str | None
    nodes: dict[str, _Node]


def restore_conversations(
    cursor: Cursor, *, bot: BotName, lines: Sequence[KeptTalk], is_held_out: bool | None, at: datetime
) -> Restored:
    """Keep what is new, with its votes, scores, rulings and side. `is_held_out` overrules the mark and side of before.

    Nothing is dated after `at`, so that a file cannot overrule what operators say from now on.
    """
    trees = _trees(bot, lines)
    known = known_names(cursor, KNOWN_CONVERSATIONS, trees)
    taken = known_names(cursor, KNOWN_MESSAGES, [name for tree in trees.values() for name in tree.nodes])
    erased = known_names(cursor, ERASED, {tree.kept.conversation_id for tree in trees.values()})
    new = {
        name: tree
        for name, tree in trees.items()
        if name not in known and tree.kept.conversation_id not in erased and not taken & tree.nodes.keys()
    }
    if new:
        messages = list(_message_rows(new, cursor))
        add_rows(cursor, ADD_CONVERSATIONS, [_conversation_row(*item, is_held_out) for item in new.items()], bot)
        add_rows(cursor, ADD_MESSAGES, messages, bot)
        nodes = {name: node for tree in new.values() for name, node in tree.nodes.items()}
        add_opinions(cursor, list(_votes(nodes, bot, at)), {})
        add_rows(cursor, ADD_REVIEWS, list(_review_rows(nodes, at)), bot)
        bring_scores(cursor, [_score(bot, *given, at) for given in _scores(new)])
        if is_held_out is None:
            sides = {name: tree.kept.side for name, tree in new.items() if tree.kept.side}
            keep_sides(cursor, bot=bot, sides=sides, at=at)
    return Restored(len(new), {name: tree.topic for name, tree in trees.items() if name not in new})


def _trees(bot: BotName, lines: Sequence[KeptTalk]) -> dict[str, _Tree]:
    """Each conversation once, put together from its branches."""
    trees: dict[str, _Tree] = {}
    for kept, messages, topic in lines:
        tree = trees.setdefault(_name(bot, kept, kept.conversation_id), _Tree(kept, topic, {}))
        parent_id = None
        for node, said in zip(kept.messages, messages, strict=True):
            name = _name(bot, kept, node.message_id)
            tree.nodes.setdefault(name, _Node(node, said, parent_id))
            parent_id = name
    return trees


def _name(bot: BotName, kept: Kept, name: str) -> str:
    if kept.bot == bot:
        return name
    return f"import-{hashlib.sha256(json.dumps([bot, kept.bot, name]).encode()).hexdigest()[:32]}"


def known_names(cursor: Cursor, question: str, names: Any) -> set[str]:
    return {name for (name,) in cursor.execute(question, {"names": list(names)}).fetchall()}


def add_rows(cursor: Cursor, statement: str, rows: Sequence[Mapping[str, Any]], bot: BotName) -> None:
    if rows:
        cursor.execute(statement, {name: [row[name] for row in rows] for name in rows[0]} | {"bot": bot})


def _conversation_row(name: str, tree: _Tree, is_held_out: bool | None) -> dict[str, Any]:
    kept = tree.kept
    return {
        "conversation_id": name,
        "owner": kept.owner,
        "source": kept.source,
        "title": kept.title,
        "is_held_out": kept.is_held_out if is_held_out is None else is_held_out,
        "created_at": kept.created_at,
        "topic": tree.topic,
    }


def _message_rows(trees: Mapping[str, _Tree], cursor: Cursor) -> Iterator[dict[str, Any]]:
    nodes = [(talk, name, node) for talk, tree in trees.items() for name, node in tree.nodes.items()]
    [(first,)] = cursor.execute(POSITIONS, {"count": len(nodes)}).fetchall()
    for number, (talk, name, node) in enumerate(nodes):
        yield {
            "message_id": name,
            "conversation_id": talk,
            "parent_id": node.parent_id,
            "role": node.said["role"],
            "content": node.said["content"],
            "weight": node.kept.weight,
            "source": node.kept.source,
            "created_at": node.kept.created_at,
            "version": node.kept.version,
            "adapter_hash": node.kept.adapter_hash,
            "finish": node.kept.finish,
            "position": first + number,
        }


def _votes(nodes: Mapping[str, _Node], bot: BotName, at: datetime) -> Iterator[Feedback]:
    for name, node in nodes.items():
        for voter, vote in {vote.voter: vote for vote in node.kept.votes}.items():
            said_at = min(vote.voted_at, at)
            yield Feedback(name, bot, voter, vote.vote, vote.reasons, vote.comment, vote.ideal_answer, said_at)


def _scores(trees: Mapping[str, _Tree]) -> Iterator[tuple[str, str | None, KeptScore]]:
    """Each with its conversation, and its message where it is of one."""
    for talk, tree in trees.items():
        yield from ((talk, None, score) for score in tree.kept.scores)
        for name, node in tree.nodes.items():
            yield from ((talk, name, score) for score in node.kept.scores)


def _score(bot: BotName, talk: str, message_id: str | None, kept: KeptScore, at: datetime) -> Score:
    return Score(talk, message_id, bot, kept.voter, kept.name, kept.value, min(kept.said_at, at))


def _review_rows(nodes: Mapping[str, _Node], at: datetime) -> Iterator[dict[str, Any]]:
    for name, node in nodes.items():
        if node.kept.review is not None:
            review = node.kept.review
            yield {
                "message_id": name,
                "reviewer": review.reviewer,
                "approved": review.approved,
                "corrected_answer": review.corrected_answer,
                "tags": list(review.tags),
                "reviewed_at": min(review.reviewed_at, at),
            }
