"""Who calls: a bearer key of the record, looked up anew for every request, so that a revoked one opens nothing more.

Does not know what a caller may do; that is each endpoint's, by `Caller.is_operator`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from fastapi import Request

from collect import keys
from nightschool.errors import NotAllowed, NotAuthenticated
from serve.parts import Parts


@dataclass(frozen=True, slots=True)
class Caller:
    name: str
    owner: str
    """Whose conversations are the caller's: `key:NAME`."""
    is_operator: bool


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
        return Caller(key.name, f"key:{key.name}", key.scope == "operator")

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


def _bearer(request: Request) -> str:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise NotAuthenticated(
            "is missing", subject="API key", remedy="Send it as a header: `Authorization: Bearer ns-...`."
        )
    return secret.strip()
