"""What an operator changes at the doors, each with the line of the audit that says who did it, in one transaction.

The console's password alone is changed without a server; its line comes from the file in which it stands. Does not know
who is asking, nor whether they may.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

from collect import keys
from collect.events import append_event
from collect.keys import ApiKey, Scope
from collect.store import Cursor, Store
from nightschool.errors import NightschoolError
from nightschool.records import BotName, Event, new_id
from serve.secrets import PasswordChange, Secrets

log = logging.getLogger(__name__)

EVERY_BOT: Final = BotName("")
"""For what is about no bot in particular."""
LOOK_S: Final = 5.0


def make_key(cursor: Cursor, *, name: str, scope: Scope, actor: str, at: datetime, is_lenient: bool = False) -> str:
    """The secret. Raises as `collect.keys.create_key` does."""
    secret = keys.create_key(cursor, name=name, scope=scope, at=at, is_lenient=is_lenient)
    note(cursor, actor=actor, action=f"made a key for {scope}s", subject=f"key:{name}", at=at)
    return secret


def revoke_key(cursor: Cursor, *, name: str, actor: str, at: datetime) -> ApiKey:
    """The key as it stands; to revoke it again adds no line. Raises NotFound."""
    was_open = any(key.name == name and key.revoked_at is None for key in keys.list_keys(cursor))
    key = keys.revoke_key(cursor, name=name, at=at)
    if was_open:
        note(cursor, actor=actor, action="revoked a key", subject=f"key:{name}", at=at)
    return key


def note(
    cursor: Cursor,
    *,
    actor: str,
    action: str,
    subject: str,
    at: datetime,
    bot: BotName = EVERY_BOT,
    reason: str = "",
) -> None:
    """Somebody did what changes nothing in the record: came in, was sent away, took a copy."""
    append_event(cursor, event=Event(new_id(), at, bot, actor, action, subject, reason))


async def follow_passwords(secrets: Secrets, store: Store, *, period_s: float = LOOK_S) -> None:
    """Keep in the audit who made passwords: those of before, then each within seconds; until cancelled."""
    kept: Sequence[PasswordChange] = ()
    while True:
        if (changes := secrets.changes()) != kept:
            try:
                await store.write(partial(_note_passwords, changes=changes))
                kept = changes
            except NightschoolError as error:
                # They stay in their file; the next look tries again.
                log.error("who made the console's password is not in the audit yet: %s", error)
        await asyncio.sleep(period_s)


def _note_passwords(cursor: Cursor, *, changes: Sequence[PasswordChange]) -> None:
    """Each stands there once, however often it is told."""
    for change in changes:
        event = Event(change.change_id, change.at, EVERY_BOT, change.by, change.action, change.subject, "")
        append_event(cursor, event=event)
