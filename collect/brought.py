"""Take in what other programmes recorded: trees of answers with people's opinions, and opinions that come later.

Names of ours are made of the bot, the programme and its own ids, so that a second import finds what is there and a
later file finds what it speaks of. A tree that grew brings its new messages; a vote replaces the same voter's where it
is newer; a ruling of an operator of ours is never replaced. Does not know files (`collect.formats`).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from collect.brought_scores import Measured, add_measures
from collect.formats.talk import Correction, ParsedNote, ParsedTree, Said, Voice
from collect.restore import (
    ADD_CONVERSATIONS,
    ADD_MESSAGES,
    ADD_REVIEWS,
    KNOWN_CONVERSATIONS,
    KNOWN_MESSAGES,
    POSITIONS,
    add_rows,
    known_names,
)
from collect.standing import Key, find_standing, replace_standing
from collect.store import Cursor
from nightschool.records import BotName, Feedback, Finish, Source
from nightschool.text import is_same

TITLE_CHARS: Final = 60
RULED: Final = "select message_id from reviews where message_id in (select unnest($names::text[]))"
LAST_ANSWERS: Final = """
select conversation_id, arg_max(message_id, position) from messages
where conversation_id in (select unnest($names::text[])) and role = 'assistant' and bot = $bot
group by conversation_id
"""
ANSWERS: Final = """
select message_id, content, conversation_id from messages
where message_id in (select unnest($names::text[])) and role = 'assistant' and bot = $bot
"""


class Brought(NamedTuple):
    imported: int
    skipped: int
    known: tuple[str, ...]
    """Conversations that were there already."""
    votes: int
    corrections: int
    lost: tuple[int, ...]
    """Lines of opinions on something that is not in the record."""
    scores: int


class _Opinion(NamedTuple):
    message_id: str
    voice: Voice | None
    correction: Correction | None


class _Found(NamedTuple):
    """What later files say of something in the record."""

    opinions: Sequence[_Opinion]
    measured: Sequence[Measured]
    lost: tuple[int, ...]


def bring_trees(
    cursor: Cursor,
    *,
    bot: BotName,
    trees: Sequence[ParsedTree],
    notes: Sequence[ParsedNote],
    is_held_out: bool | None,
    at: datetime,
) -> Brought:
    """Keep what is new of these, trees first. Nothing is dated after `at`."""
    named = [_named(bot, tree) for tree in trees]
    known = known_names(cursor, KNOWN_CONVERSATIONS, {tree.conversation_id for tree in named})
    new = {tree.conversation_id: tree for tree in named if tree.conversation_id not in known}
    add_rows(cursor, ADD_CONVERSATIONS, [_conversation_row(tree, is_held_out, at) for tree in new.values()], bot)
    _add_messages(cursor, named, bot=bot, at=at)
    opinions = [
        _Opinion(said.message_id, voice, None) for tree in named for said in tree.messages for voice in said.voices
    ]
    opinions += [
        _Opinion(said.message_id, None, said.correction)
        for tree in named
        for said in tree.messages
        if said.correction is not None
    ]
    measured = [
        Measured(tree.conversation_id, said.message_id, measure)
        for tree in named
        for said in tree.messages
        for measure in said.measures
    ]
    found = _found(cursor, bot, notes)
    opinions += found.opinions
    return Brought(
        len(new),
        len(named) - len(new),
        tuple(known),
        _add_votes(cursor, opinions, bot=bot, at=at),
        _add_rulings(cursor, opinions, bot=bot, at=at),
        found.lost,
        add_measures(cursor, [*measured, *found.measured], bot=bot, at=at),
    )


def _name(bot: BotName, origin: str, name: str) -> str:
    return f"import-{hashlib.sha256(json.dumps([bot, origin, name]).encode()).hexdigest()[:32]}"


def _named(bot: BotName, tree: ParsedTree) -> ParsedTree:
    """The tree under names of ours; what hangs below nothing that is in it begins the conversation."""
    names = {said.message_id: _name(bot, tree.origin, said.message_id) for said in tree.messages}
    messages = tuple(
        replace(said, message_id=names[said.message_id], parent_id=names.get(said.parent_id or ""))
        for said in tree.messages
    )
    return replace(tree, conversation_id=_name(bot, tree.origin, tree.conversation_id), messages=messages)


def _conversation_row(tree: ParsedTree, is_held_out: bool | None, at: datetime) -> dict[str, Any]:
    first = next((said.content for said in tree.messages if said.role == "user"), "")
    return {
        "conversation_id": tree.conversation_id,
        "owner": tree.owner,
        "source": Source.IMPORT.value,
        "title": " ".join((tree.title or first).split())[:TITLE_CHARS],
        "is_held_out": is_held_out,
        "created_at": min(tree.begun_at or at, at),
        "topic": None,
    }


def _add_messages(cursor: Cursor, trees: Iterable[ParsedTree], *, bot: BotName, at: datetime) -> None:
    said = {one.message_id: (tree, one) for tree in trees for one in tree.messages}
    known = known_names(cursor, KNOWN_MESSAGES, said)
    fresh = [found for name, found in said.items() if name not in known]
    if fresh:
        [(first,)] = cursor.execute(POSITIONS, {"count": len(fresh)}).fetchall()
        rows = [_message_row(*found, position=first + number, at=at) for number, found in enumerate(fresh)]
        add_rows(cursor, ADD_MESSAGES, rows, bot)


def _message_row(tree: ParsedTree, said: Said, *, position: int, at: datetime) -> dict[str, Any]:
    return {
        "message_id": said.message_id,
        "conversation_id": tree.conversation_id,
        "parent_id": said.parent_id,
        "role": said.role,
        "content": said.content,
        "weight": said.weight,
        "source": Source.IMPORT.value,
        "created_at": min(said.said_at or tree.begun_at or at, at),
        "version": None,
        "adapter_hash": "",
        "finish": None if said.is_whole else Finish.PARTIAL.value,
        "position": position,
    }


def _found(cursor: Cursor, bot: BotName, notes: Sequence[ParsedNote]) -> _Found:
    """Which answers and conversations later opinions are about, and the lines of those that are about none."""
    names = {note.line: _name(bot, note.origin, note.target_id) for note in notes}
    wanted = {"bot": bot, "names": list(set(names.values()))}
    answers: dict[str, str] = {}
    last: dict[str, str] = {}
    if notes:
        answers = {name: talk for name, _, talk in cursor.execute(ANSWERS, wanted).fetchall()}
        last = dict(cursor.execute(LAST_ANSWERS, wanted).fetchall())
    opinions: list[_Opinion] = []
    measured: list[Measured] = []
    lost: list[int] = []
    for note in notes:
        name = names[note.line]
        about = name if name in answers else last.get(name)
        if about is None:
            lost.append(note.line)
        elif note.measure is None:
            opinions.append(_Opinion(about, note.voice, note.correction))
        else:
            is_answer = name in answers
            talk = answers[name] if is_answer else name
            measured.append(Measured(talk, name if is_answer else None, note.measure))
    return _Found(opinions, measured, tuple(lost))


def _add_votes(cursor: Cursor, opinions: Sequence[_Opinion], *, bot: BotName, at: datetime) -> int:
    """How many are new or newer than what the same person said."""
    said: dict[Key, Feedback] = {}
    # An undated opinion is as old as its import, and the same again is not newer.
    dated: set[Key] = set()
    for message_id, voice, _ in opinions:
        if voice is not None:
            key, vote = (message_id, voice.voter), _vote(message_id, voice, bot, at)
            if key not in said or vote.voted_at >= said[key].voted_at:
                said[key] = vote
            if voice.voted_at is not None:
                dated.add(key)
    stored = find_standing(cursor, said)
    before = {key: known.feedback for key, known in stored.items()}
    new = {
        key: vote
        for key, vote in said.items()
        if key not in before or (key in dated and vote.voted_at > before[key].voted_at)
    }
    former = [before[key] for key in new if key in before]
    replace_standing(cursor, new=list(new.values()), stored=stored, former=former, addresses={})
    return len(new)


def _vote(message_id: str, voice: Voice, bot: BotName, at: datetime) -> Feedback:
    voted_at = min(voice.voted_at or at, at)
    return Feedback(message_id, bot, voice.voter, voice.vote, tuple(voice.reasons), voice.comment, "", voted_at)


def _add_rulings(cursor: Cursor, opinions: Sequence[_Opinion], *, bot: BotName, at: datetime) -> int:
    said = {message_id: correction for message_id, _, correction in opinions if correction is not None}
    if not said:
        return 0
    ruled = known_names(cursor, RULED, said)
    texts = {name: text for name, text, _ in cursor.execute(ANSWERS, {"bot": bot, "names": list(said)}).fetchall()}
    rows = list(_review_rows({name: one for name, one in said.items() if name not in ruled}, texts, at))
    add_rows(cursor, ADD_REVIEWS, rows, bot)
    return len(rows)


def _review_rows(said: dict[str, Correction], texts: dict[str, str], at: datetime) -> Iterator[dict[str, Any]]:
    for name, correction in said.items():
        is_as_it_stands = is_same(correction.text, texts[name])
        yield {
            "message_id": name,
            "reviewer": correction.reviewer,
            "approved": True,
            "corrected_answer": texts[name] if is_as_it_stands else correction.text,
            "tags": list(correction.tags),
            "reviewed_at": min(correction.corrected_at or at, at),
        }
