"""API keys: shown once, kept as a hash. A long random secret needs no slow hash."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from collect.store import Cursor
from nightschool.errors import Busy, InvalidInput, NotFound
from nightschool.text import check_name

Scope = Literal["user", "operator"]
PREFIX: Final = "ns-"
MAX_NAME_CHARS: Final = 80
CLI_NAME: Final = "operator-cli"
"""Of the one key with which the command line speaks to the server of its data folder."""

ADD: Final = """
insert into api_keys (name, scope, secret_hash, created_at, is_lenient)
values ($name, $scope, $secret_hash, $at, $is_lenient)
"""
RENEW: Final = """
insert into api_keys (name, scope, secret_hash, created_at) values ($name, 'operator', $secret_hash, $at)
on conflict (name) do update set
    scope = excluded.scope, secret_hash = excluded.secret_hash, created_at = excluded.created_at, revoked_at = null
"""
FORGET_ONE_FOR_EACH_START: Final = "delete from api_keys where regexp_full_match(name, $name || '-[0-9]{8}T[0-9]{12}')"
"""Release 0.1 left a row of its own at each start."""
BY_NAME: Final = "select name, scope, created_at, revoked_at, is_lenient from api_keys where name = $name"
BY_SECRET: Final = """
select name, scope, created_at, revoked_at, is_lenient from api_keys where secret_hash = $secret_hash
"""
LIST: Final = "select name, scope, created_at, revoked_at, is_lenient from api_keys order by created_at, name"
REVOKE: Final = "update api_keys set revoked_at = $at where name = $name and revoked_at is null"


@dataclass(frozen=True, slots=True)
class ApiKey:
    name: str
    scope: Scope
    created_at: datetime
    revoked_at: datetime | None
    is_lenient: bool = False
    """What its callers ask beyond what is served is passed over, whatever the server's setting says."""


def create_key(cursor: Cursor, *, name: str, scope: Scope, at: datetime, is_lenient: bool = False) -> str:
    """The secret, which is not kept. Raises Busy where the name was used, InvalidInput for a name that is none."""
    if not name.strip() or len(name) > MAX_NAME_CHARS:
        raise InvalidInput(f"needs 1 to {MAX_NAME_CHARS} characters", subject="key name", remedy="Choose another.")
    check_name(name, subject="key name", param="name")
    if cursor.execute(BY_NAME, {"name": name}).fetchone():
        raise Busy("exists already", subject=f"key {name!r}", remedy="Choose another name.")
    secret = PREFIX + secrets.token_urlsafe(32)
    row = {"name": name, "scope": scope, "secret_hash": _hash(secret), "at": at, "is_lenient": is_lenient}
    cursor.execute(ADD, row)
    return secret


def renew_cli_key(cursor: Cursor, *, at: datetime) -> str:
    """A new secret for the command line's key, which is made where there is none; the one before stops working."""
    secret = PREFIX + secrets.token_urlsafe(32)
    cursor.execute(FORGET_ONE_FOR_EACH_START, {"name": CLI_NAME})
    cursor.execute(RENEW, {"name": CLI_NAME, "secret_hash": _hash(secret), "at": at})
    return secret


def find_key(cursor: Cursor, *, secret: str) -> ApiKey | None:
    """The key with this secret, revoked or not."""
    row = cursor.execute(BY_SECRET, {"secret_hash": _hash(secret)}).fetchone()
    return None if row is None else _key(row)


def list_keys(cursor: Cursor) -> list[ApiKey]:
    return [_key(row) for row in cursor.execute(LIST).fetchall()]


def revoke_key(cursor: Cursor, *, name: str, at: datetime) -> ApiKey:
    """From now on the key opens nothing. Raises NotFound."""
    cursor.execute(REVOKE, {"name": name, "at": at})
    row = cursor.execute(BY_NAME, {"name": name}).fetchone()
    if row is None:
        raise NotFound("does not exist", subject=f"key {name!r}", remedy="`nightschool keys list` shows them.")
    return _key(row)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def _key(row: tuple[Any, ...]) -> ApiKey:
    return ApiKey(row[0], row[1], row[2].astimezone(UTC), row[3].astimezone(UTC) if row[3] else None, bool(row[4]))
