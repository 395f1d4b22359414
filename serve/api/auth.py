"""Who calls: a bearer key of the record, looked up anew for every request, so that a revoked one opens nothing more.

Does not know what a caller may do; that is each endpoint's, by `Caller.is_operator`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import unquote

from fastapi import Request

from collect import keys
from nightschool.errors import NotAllowed, NotAuthenticated
from serve.operators import OPERATOR_HEADER, USER_HEADER
from serve.parts import Parts

MAX_USER_CHARS: Final = 60


@dataclass(frozen=True, slots=True)
class Caller:
    name: str
    owner: str
    """Whose conversations are the caller's: `key:NAME`."""
    is_operator: bool
    actor: str
    """Of the audit's lines: the key, or the person who speaks through the command line."""
    is_lenient: bool = False
    """Whether what is asked beyond what is served is passed over."""


Authority = Callable[[Request], Awaitable[Caller]]
"""A FastAPI dependency."""


def require_key(parts: Parts) -> Authority:
    """Any key that stands. Raises NotAuthenticated."""

    async def authorise(request: Request) -> Caller:
        secret = _bearer(request)
        key = await parts.store.read(partial(keys.find_key, secret=secret))
        if key is None or key.revoked_at is not None:
            raise NotAuthenticated(
                "is not known or was revoked",
                subject="API key",
                remedy="`nightschool keys create --name NAME` makes one.",
            )
        owner = f"key:{key.name}"
        actor = _person(request, parts) if key.name == keys.CLI_NAME else owner
        return Caller(key.name, owner, key.scope == "operator", actor, key.is_lenient)

    return authorise


def require_operator(parts: Parts) -> Authority:
    """An operator's key. Raises NotAuthenticated, NotAllowed."""
    authorise = require_key(parts)

    async def authorise_operator(request: Request) -> Caller:
        caller = await authorise(request)
        if not caller.is_operator:
            raise NotAllowed(
                "is a user's", subject="API key", remedy="`nightschool keys create --operator` makes an operator's."
            )
        return caller

    return authorise_operator


def _person(request: Request, parts: Parts) -> str:
    """Who speaks through the command line's own key, which whoever may read the data folder has.

    An operator by the name that they say, else the machine's user. Raises NotAllowed where no operator is called so.
    """
    said = unquote(request.headers.get(OPERATOR_HEADER, ""))
    if said:
        name = parts.secrets.find_name(said)
        if name is None:
            raise NotAllowed("is no operator", subject=repr(said), remedy="`nightschool operators list` shows them.")
        return f"{name} (command line)"
    user = unquote(request.headers.get(USER_HEADER, ""))
    return f"{user} (command line)" if user.isprintable() and 0 < len(user) <= MAX_USER_CHARS else "command line"


def _bearer(request: Request) -> str:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise NotAuthenticated(
            "is missing", subject="API key", remedy="Send it as a header: `Authorization: Bearer ns-...`."
        )
    return secret.strip()
