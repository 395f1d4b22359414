"""The door before a Gradio page: who is this, may they pass, how much at once.

Gradio's own doors stand open in places (uploads, files, streams, cancel), so only the routes that a page needs lead
through, each with a signed HttpOnly cookie; nobody reaches another's answers by guessing a session hash. Does not know
what a page shows, nor whose conversation is whose: that is checked in every handler.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Final

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nightschool.errors import NightschoolError, NotAuthenticated, NotFound, TooManyRequests
from nightschool.records import new_id

API: Final = "/gradio_api/"
API_ROUTES: Final = frozenset(
    {"queue/join", "queue/data", "cancel", "reset", "startup-events", "app_id", "info", "theme.css"}
)
STREAMS: Final = ("queue/data", "heartbeat/")
"""Routes that stay open: one of each for every open tab."""
STATIC: Final = ("/assets/", "/static/", "/svelte/", "/favicon.ico", "/theme.css", "/robots.txt", "/manifest.json")
VISITOR: Final = "nightschool.visitor"

# Gradio starts by inline script and compiles its templates, hence 'unsafe-inline' and 'unsafe-eval'; what counts here
# is that nothing is fetched from, sent to or framed by another site, also where an answer holds a link to a picture.
SECURITY_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


@dataclass(frozen=True, slots=True)
class SignedCookie:
    """A value that a browser keeps for us and cannot change. `key` is the installation's, `name` is part of it."""

    name: str
    key: str
    path: str
    max_age_s: int

    def read(self, scope: Scope) -> str | None:
        """The value, or None where it is absent, forged or too old."""
        jar = SimpleCookie()
        try:
            jar.load(Headers(scope=scope).get("cookie", ""))
        except CookieError:
            return None
        if self.name not in jar:
            return None
        try:
            value = self._serializer().loads(jar[self.name].value, max_age=self.max_age_s)
        except BadSignature:
            return None
        return value if isinstance(value, str) else None

    def header(self, value: str, *, is_secure: bool) -> str:
        """The Set-Cookie header that hands the value out."""
        return self._header(self._serializer().dumps(value), self.max_age_s, is_secure=is_secure)

    def removal(self, *, is_secure: bool) -> str:
        return self._header("", 0, is_secure=is_secure)

    def _header(self, value: str, max_age_s: int, *, is_secure: bool) -> str:
        flags = "; Secure" if is_secure else ""
        return f"{self.name}={value}; Path={self.path}; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{flags}"

    def _serializer(self) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self.key, salt=self.name)


def visitor_of(request: Request) -> str | None:
    """Who the gate found, for Gradio's `auth_dependency`."""
    found = request.scope.get(VISITOR)
    return found if isinstance(found, str) else None


class IdentityGate:
    """ASGI middleware around one mounted page."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        cookie: SignedCookie,
        login: str | None,
        max_streams: int = 24,
        max_body_bytes: int,
    ) -> None:
        """`login` is where visitors without a cookie are sent; None gives each newcomer an identity of their own."""
        self._app = RequestBodyLimitMiddleware(app, max_body_size=max_body_bytes)
        self._cookie = cookie
        self._login = login
        self._max_streams = max_streams
        self._streams: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        route = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        sender = _with_headers(send)
        try:
            await self._pass(route, scope, receive, sender)
        except NightschoolError as error:
            refusal = JSONResponse({"detail": str(error)}, status_code=error.status)
            await refusal(scope, receive, sender)

    async def _pass(self, route: str, scope: Scope, receive: Receive, send: Send) -> None:
        if route.startswith(STATIC):
            await self._app(scope, receive, send)
            return
        visitor = self._cookie.read(scope)
        if route == "/":
            await self._open_page(visitor, scope, receive, send)
            return
        _check_route(route)
        if visitor is None:
            raise NotAuthenticated("has no identity", subject="request", remedy="Reload the page.")
        scope[VISITOR] = visitor
        with self._stream(visitor, is_stream=route.removeprefix(API).startswith(STREAMS)):
            await self._app(scope, receive, send)

    async def _open_page(self, visitor: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        if visitor is None and self._login is not None:
            answer: Response = RedirectResponse(self._login, status_code=303)
            await answer(scope, receive, send)
            return
        scope[VISITOR] = visitor = visitor or new_id()
        # Handed out again at each load, so that who comes back stays known.
        cookie = self._cookie.header(visitor, is_secure=scope["scheme"] == "https")
        await self._app(scope, receive, _with_headers(send, {"set-cookie": cookie, "cache-control": "no-store"}))

    @contextmanager
    def _stream(self, visitor: str, *, is_stream: bool) -> Iterator[None]:
        """Count a stream of the visitor's for the length of the block. Raises TooManyRequests."""
        if not is_stream:
            yield
            return
        if self._streams[visitor] >= self._max_streams:
            raise TooManyRequests(
                f"holds {self._max_streams} streams open", subject="browser", remedy="Close other tabs of this page."
            )
        self._streams[visitor] += 1
        try:
            yield
        finally:
            self._streams[visitor] -= 1
            if not self._streams[visitor]:
                del self._streams[visitor]


def _check_route(route: str) -> None:
    name = route.removeprefix(API).rstrip("/")
    if route in {"/config", "/config/"} or (route.startswith(API) and (name in API_ROUTES or _is_heartbeat(name))):
        return
    raise NotFound("is not here", subject=route, remedy="Go back to the page.")


def _is_heartbeat(name: str) -> bool:
    return name.startswith("heartbeat/") and name.count("/") == 1


def _with_headers(send: Send, extra: dict[str, str] | None = None) -> Send:
    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in (extra or SECURITY_HEADERS).items():
                headers[name] = value
        await send(message)

    return sender
