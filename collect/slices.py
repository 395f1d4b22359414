"""Take an import in by slices, so that no vote waits for the whole file and memory does not depend on its size.

Each slice is durable when the next one is read: an import that was cut off is completed by sending it again, which
passes over what is there. In the audit it has one line, written with its last slice; one of several slices has another,
written with the first that brought something, so that one that was cut off is told too. Lines of an export that are
branches of one conversation stay in one slice where they follow each other, as exports write them. Does not know what
is new (`collect.imports`).
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from collect.events import append_event
from collect.formats.read import BadLine, ParsedConversation, read_conversations
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


async def import_lines(
    store: Store, lines: Iterable[bytes], *, wanted: Import, on_bad: Callable[[BadLine], None]
) -> Imported:
    """What became of all of them. `on_bad` is called in a thread.

    Raises what `collect.imports.import_conversations` raises; slices before that one stay.
    """
    slices = slice_conversations(lines, on_bad=on_bad)
    done, is_told = NOTHING, False
    slice_ = await asyncio.to_thread(next, slices, None)
    while slice_ is not None:
        following = await asyncio.to_thread(next, slices, None)
        before = done
        keep = partial(_import, wanted=wanted, parsed=slice_, before=before, is_last=following is None, is_told=is_told)
        done = await store.write(keep)
        is_told = is_told or _has_changed(done)
        slice_ = following
    return done


def slice_conversations(
    lines: Iterable[bytes], *, on_bad: Callable[[BadLine], None], slice_messages: int = SLICE_MESSAGES
) -> Iterator[list[ParsedConversation]]:
    """Conversations in their order, in slices of about so many messages."""
    found: list[ParsedConversation] = []
    messages = 0
    for item in read_conversations(lines):
        if isinstance(item, BadLine):
            on_bad(item)
            continue
        if messages >= slice_messages and not _is_branch(item, of=found[-1]):
            yield found
            found, messages = [], 0
        found.append(item)
        messages += len(item.messages)
    if found:
        yield found


def _is_branch(parsed: ParsedConversation, *, of: ParsedConversation) -> bool:
    if parsed.kept is None or of.kept is None:
        return False
    return (parsed.kept.bot, parsed.kept.conversation_id) == (of.kept.bot, of.kept.conversation_id)


def _import(
    cursor: Cursor,
    *,
    wanted: Import,
    parsed: list[ParsedConversation],
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
    done = Imported(before.imported + one.imported, before.skipped + one.skipped, before.moved + one.moved)
    if is_last and wanted.is_faq:
        append_event(cursor, event=_event(wanted, FAQ, f"{done.imported + done.skipped} conversations", ""))
    if is_last:
        for action, count in (("imported", done.imported), ("moved", done.moved)):
            if count:
                _tell(cursor, wanted, action, f"{count} conversations")
    elif _has_changed(done) and not is_told:
        _tell(cursor, wanted, "began to import", "conversations")
    return done


def _has_changed(done: Imported) -> bool:
    return bool(done.imported or done.moved)


def _tell(cursor: Cursor, wanted: Import, action: str, subject: str) -> None:
    purpose = {None: "", True: "held out", False: "for training"}[wanted.is_held_out]
    append_event(cursor, event=_event(wanted, action, subject, purpose))


def _event(wanted: Import, action: str, subject: str, reason: str) -> Event:
    return Event(new_id(), wanted.at, wanted.bot, wanted.actor, action, subject, reason)
