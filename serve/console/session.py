"""Who is signed in at the console: an operator by name, as long as they are one and their password is the same.

`operator` stands for whoever has the installation's first password, `operator:NAME` for a person. Does not know how
they came in (`serve.console.login`).
"""

from typing import Final

from starlette.types import Scope

from serve.gate import SignedCookie
from serve.secrets import OPERATOR, Secrets

SESSION_S: Final = 12 * 3600
MARK: Final = ":"
"""No operator's name holds it."""


class SessionCookie:
    """What a signed-in browser keeps. Read anew for each request, so that who was removed is out at once."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._cookie = SignedCookie("ns_console", secrets.session_key, "/console", SESSION_S)

    def read(self, scope: Scope) -> str | None:
        """`operator` or `operator:NAME`; None where nobody is signed in."""
        user, _, session_id = (self._cookie.read(scope) or "").rpartition(MARK)
        return user if user and self._secrets.session_id(name_of(user)) == session_id else None

    def header(self, value: str, *, is_secure: bool) -> str:
        """The Set-Cookie header that keeps `value`, an operator as `read` names them, signed in."""
        session_id = self._secrets.session_id(name_of(value))
        return self._cookie.header(f"{value}{MARK}{session_id}", is_secure=is_secure)

    def removal(self, *, is_secure: bool) -> str:
        return self._cookie.removal(is_secure=is_secure)


def user_of(name: str) -> str:
    """How an operator of this name is known to the pages."""
    return OPERATOR if name == OPERATOR else f"{OPERATOR}{MARK}{name}"


def name_of(user: str) -> str:
    return user.removeprefix(f"{OPERATOR}{MARK}")


def actor_of(user: str | None) -> str | None:
    """Of the audit's lines; None where the user is no operator."""
    if user is None or user.partition(MARK)[0] != OPERATOR:
        return None
    return f"{name_of(user)} (console)"
