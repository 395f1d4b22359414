"""What an operator changes at the doors, each with the line of the audit that says who did it, in one transaction.

Does not know who is asking, nor whether they may.
"""

from datetime import datetime
from typing import Final

from collect import keys
from collect.events import append_event
from collect.keys import ApiKey, Scope
from collect.store import Cursor
from nightschool.records import BotName, Event, new_id

EVERY_BOT: Final = BotName("")
"""For what is about no bot in particular."""


def make_key(cursor: Cursor, *, name: str, scope: Scope, actor: str, at: datetime) -> str:
    """The secret. Raises as `collect.keys.create_key` does."""
    secret = keys.create_key(cursor, name=name, scope=scope, at=at)
    note(cursor, actor=actor, action=f"made a key for {scope}s", subject=f"key:{name}", at=at)
    return secret


def revoke_key(cursor: Cursor, *, name: str, actor: str, at: datetime) -> ApiKey:
    """The key as it stands; to revoke it again adds no line. Raises NotFound."""
    was_open = any(key.name == name and key.revoked_at is None for key in keys.list_keys(cursor))
    key = keys.revoke_key(cursor, name=name, at=at)
    if was_open:
        note(cursor, actor=actor, action="revoked a key", subject=f"key:{name}", at=at)
    return key


def note(cursor: Cursor, *, actor: str, action: str, subject: str, at: datetime, bot: BotName = EVERY_BOT) -> None:
    """Somebody did what changes nothing in the record: came in, was sent away, took a copy."""
    append_event(cursor, event=Event(new_id(), at, bot, actor, action, subject, ""))
