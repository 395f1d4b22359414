"""What answers stood on: system prompts and passages, each text kept once and named by its hash in every answer.

So a training row, an evaluation and an audit can show what the model knew. Does not know how passages are found.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from collect.store import Cursor
from nightschool.knowledge import Passage

T = TypeVar("T")

KNOWN_PASSAGES: Final = "select passage_id from passages where passage_id in (select unnest($ids::text[]))"
# An answer may have been found a moment before its conversation was erased.
ADD_PASSAGES: Final = """
insert into passages (passage_id, document, heading, content, conversation_id)
select passage_id, document, heading, content, nullif(conversation_id, '')
from (
    select unnest($passage_id::text[]) as passage_id, unnest($document::text[]) as document,
        unnest($heading::text[]) as heading, unnest($text::text[]) as content,
        unnest($conversation_id::text[]) as conversation_id
)
where conversation_id = '' or conversation_id in (select conversation_id from conversations)
"""
PASSAGES_OF: Final = """
select passage_id, document, heading, content, coalesce(conversation_id, '')
from passages where passage_id in (select unnest($ids::text[]))
"""
KNOWN_PROMPTS: Final = "select system_hash from system_prompts where system_hash in (select unnest($ids::text[]))"
ADD_PROMPTS: Final = """
insert into system_prompts (system_hash, content) select unnest($system_hash::text[]), unnest($content::text[])
"""


@dataclass(frozen=True, slots=True)
class Grounds:
    """Of one answer."""

    system_prompt: str = ""
    passages: tuple[Passage, ...] = ()


NO_GROUNDS: Final = Grounds()


def hash_prompt(system_prompt: str) -> str:
    """16 hexadecimal digits by which the record calls a system prompt."""
    return hashlib.sha256(system_prompt.encode()).hexdigest()[:16]


def keep_grounds(cursor: Cursor, grounds: Sequence[Grounds]) -> None:
    """Keep the texts that the record does not hold yet."""
    prompts = {hash_prompt(each.system_prompt): each.system_prompt for each in grounds if each.system_prompt}
    if fresh := _unknown(cursor, KNOWN_PROMPTS, prompts):
        cursor.execute(ADD_PROMPTS, {"system_hash": list(fresh), "content": list(fresh.values())})
    passages = {passage.passage_id: passage for each in grounds for passage in each.passages}
    if unknown := _unknown(cursor, KNOWN_PASSAGES, passages):
        fields = ("passage_id", "document", "heading", "text", "conversation_id")
        cursor.execute(ADD_PASSAGES, {name: [getattr(one, name) for one in unknown.values()] for name in fields})


def passages_of(cursor: Cursor, *, passage_ids: Sequence[str]) -> list[Passage]:
    """In the order asked for; one that was erased is left out."""
    if not passage_ids:
        return []
    rows = cursor.execute(PASSAGES_OF, {"ids": list(passage_ids)}).fetchall()
    found = {row[0]: Passage(*row) for row in rows}
    return [found[name] for name in passage_ids if name in found]


def _unknown(cursor: Cursor, question: str, wanted: Mapping[str, T]) -> dict[str, T]:
    """Of what is wanted, by id, that of which `question` finds no id."""
    if not wanted:
        return {}
    known = {row[0] for row in cursor.execute(question, {"ids": list(wanted)}).fetchall()}
    return {name: each for name, each in wanted.items() if name not in known}
