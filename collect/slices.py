"""Take an import in by slices, so that no vote waits for the whole file and memory does not depend on its size.

Each slice is durable when the next one is read: an import that was cut off is completed by sending it again, which
passes over what is there. In the audit it has one line, written with its last slice; one of several slices has another,
written with the first that brought something, so that one that was cut off is told too. Lines of an export that are
branches of one conversation stay in one slice where they follow each other, as exports write them. Does not know what
is new (`collect.imports`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from collect.events import append_event
from collect.formats.read import BadLine, ParsedConversation
from collect.formats.table import Parsed
from collect.formats.talk import ParsedNote
from collect.imports import Imported, import_conversations
from collect.store import Cursor, Store
from nightschool.records import BotName, Event, new_id

SLICE_MESSAGES: Final = 500
"""From so many on a slice ends; on two busy cores they take the writer some tens of milliseconds."""
FAQ: Final = "let in as frequently asked"
NOTHING: Final = Imported(0, 0)


@dataclass(frozen=True, slots=True)
class Import:
    """Whose import it is, and into what."""

    bot: BotName
    is_held_out: bool | None
    is_faq: bool
    actor: str
    at: datetime


async def as_it_came(parsed: Sequence[Parsed]) -> Sequence[Parsed]:
    return parsed


async def import_rows(
    store: Store,
    rows: Iterable[Parsed | BadLine],
    *,
    wanted: Import,
    on_bad: Callable[[BadLine], None],
    prepare: Callable[[Sequence[Parsed]], Awaitable[Sequence[Parsed]]] = as_it_came,
) -> Imported:
    """What became of all of them. `on_bad` is called in a thread, also for opinions on what is not in the record.
    `prepare` makes of a slice what is kept of it.

    Raises what `collect.imports.import_conversations` raises; slices before that one stay.
    """
    slices = slice_rows(rows, on_bad=on_bad)
    done, is_told = NOTHING, False
    slice_ = await asyncio.to_thread(next, slices, None)
    while slice_ is not None:
        following = await asyncio.to_thread(next, slices, None)
        before = done
        kept = await prepare(slice_)
        keep = partial(_import, wanted=wanted, parsed=kept, before=before, is_last=following is None, is_told=is_told)
        done = await store.write(keep)
        for line in done.lost[len(before.lost) :]:
            on_bad(BadLine(line, "is about something that is not in this bot's record; import that first"))
        is_told = is_told or _has_changed(done)
        slice_ = following
    return done


def slice_rows(
    rows: Iterable[Parsed | BadLine], *, on_bad: Callable[[BadLine], None], slice_messages: int = SLICE_MESSAGES
) -> Iterator[list[Parsed]]:
    """Conversations and opinions in their order, in slices of about so many messages."""
    found: list[Parsed] = []
    messages = 0
    for item in rows:
        if isinstance(item, BadLine):
            on_bad(item)
            continue
        if messages >= slice_messages and not _is_branch(item, of=found[-1]):
            yield found
            found, messages = [], 0
        found.append(item)
        messages += 1 if isinstance(item, ParsedNote) else len(item.messages)
    if found:
        yield found


def _is_branch(parsed: Parsed, *, of: Parsed) -> bool:
    if not isinstance(parsed, ParsedConversation) or not isinstance(of, ParsedConversation):
        return False
    if parsed.kept is None or of.kept is None:
        return False
    return (parsed.kept.bot, parsed.kept.conversation_id) == (of.kept.bot, of.kept.conversation_id)


def _import(
    cursor: Cursor,
    *,
    wanted: Import,
    parsed: Sequence[Parsed],
    before: Imported,
    is_last: bool,
    is_told: bool,
) -> Imported:
    """What became of these and those before them, and in the audit who brought them."""
    one = import_conversations(
        cursor,
        bot=wanted.bot,
        conversations=parsed,
        is_held_out=wanted.is_held_out,
        at=wanted.at,
        is_faq=wanted.is_faq,
    )
    done = before.plus(one)
    if is_last and wanted.is_faq:
        append_event(cursor, event=_event(wanted, FAQ, f"{done.imported + done.skipped} conversations", ""))
    if is_last:
        counts = (("imported", done.imported, "conversations"), ("moved", done.moved, "conversations"),
                  ("imported", done.votes, "votes"), ("imported", done.corrections, "corrections"),
                  ("imported", done.scores, "scores"))  # fmt: skip
        for action, count, what in counts:
            if count:
                _tell(cursor, wanted, action, f"{count} {what}")
    elif _has_changed(done) and not is_told:
        _tell(cursor, wanted, "began to import", "conversations")
    return done


def _has_changed(done: Imported) -> bool:
    return bool(done.imported or done.moved or done.votes or done.corrections or done.scores)


def _tell(cursor: Cursor, wanted: Import, action: str, subject: str) -> None:
    purpose = {None: "", True: "held out", False: "for training"}[wanted.is_held_out]
    append_event(cursor, event=_event(wanted, action, subject, purpose))


def _event(wanted: Import, action: str, subject: str, reason: str) -> Event:
    return Event(new_id(), wanted.at, wanted.bot, wanted.actor, action, subject, reason)
