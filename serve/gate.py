"""The door before a Gradio page: who is this, may they pass, how much at once.

Gradio's own doors stand open in places (uploads, files, streams, cancel), so only the routes that a page needs lead
through, each with a signed HttpOnly cookie and from this page alone; nobody reaches another's answers by guessing a
session hash. Does not know what a page shows, nor whose conversation is whose: that is checked in every handler.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import parse_qs

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from nightschool.errors import NightschoolError, NotAuthenticated, NotFound, TooManyRequests
from nightschool.records import new_id
from serve.crowd import Crowd, Guest
from serve.origin import check_host, check_origin
from serve.page_queue import VISITOR, guest_of
from serve.sub_path import UNBUFFERED

API: Final = "/gradio_api/"
API_ROUTES: Final = frozenset(
    {"queue/join", "queue/data", "cancel", "reset", "startup-events", "app_id", "info", "theme.css"}
)
STREAMS: Final = ("queue/data", "heartbeat/")
"""Routes that stay open: one of each for every open tab."""
STATIC: Final = ("/assets/", "/static/", "/svelte/", "/favicon.ico", "/theme.css", "/robots.txt", "/manifest.json")
JOIN: Final = API + "queue/join"
LISTEN: Final = API + "queue/data"
FOREIGN: Final = ("access-control-allow-origin", "access-control-allow-credentials")
"""Headers by which Gradio would let other sites read."""
# What Gradio's own queue says of a session that it does not know; the page then loads itself anew.
UNKNOWN_SESSION: Final = (
    'data: {"msg": "unexpected_error", "message": "", "session_not_found": true, "success": false}\n\n'
)

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
    key: Callable[[], str]
    path: str
    max_age_s: int
    is_framed: bool = False
    """Kept in a frame on another site too, apart for each such site; by TLS alone, or on the browser's own machine."""

    def read(self, scope: Scope) -> str | None:
        """The value, or None where it is absent, forged or too old.

        A browser sends along what others of the same host gave it, also under our name, and words that are no cookie.
        """
        for cookie in Headers(scope=scope).get("cookie", "").split(";"):
            name, _, signed = cookie.strip().partition("=")
            if name == self.name and (value := self._open(signed)) is not None:
                return value
        return None

    def header(self, value: str, *, is_secure: bool) -> str:
        """The Set-Cookie header that hands the value out."""
        return self._header(self._serializer().dumps(value), self.max_age_s, is_secure=is_secure)

    def removal(self, *, is_secure: bool) -> str:
        return self._header("", 0, is_secure=is_secure)

    def _header(self, value: str, max_age_s: int, *, is_secure: bool) -> str:
        flags = "SameSite=Lax; Secure" if is_secure else "SameSite=Lax"
        if self.is_framed:
            flags = "SameSite=None; Secure; Partitioned"
        return f"{self.name}={value}; Path={self.path}; Max-Age={max_age_s}; HttpOnly; {flags}"

    def _open(self, signed: str) -> str | None:
        try:
            value = self._serializer().loads(signed, max_age=self.max_age_s)
        except BadSignature:
            return None
        return value if isinstance(value, str) else None

    def _serializer(self) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self.key(), salt=self.name)


class Cookie(Protocol):
    """What a gate knows of whoever comes."""

    def read(self, scope: Scope) -> str | None: ...

    def header(self, value: str, *, is_secure: bool) -> str: ...


Tell = Callable[[NightschoolError, Scope], str]
"""What to do, in words for whoever asked."""


def visitor_of(request: Request) -> str | None:
    """Who the gate found, for Gradio's `auth_dependency`."""
    found = request.scope.get(VISITOR)
    return found if isinstance(found, str) else None


class Queue(Protocol):
    """What `serve.page_queue` tells of the page behind the gate."""

    def waiting(self) -> Iterator[Guest]: ...

    def has_session(self, session: str) -> bool: ...

    def check_event(self, body: bytes) -> None: ...

    async def end_answers(self, session: str) -> None: ...


class IdentityGate:
    """ASGI middleware around one mounted page."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        cookie: Cookie,
        tell: Tell,
        login: str | None,
        queue: Queue,
        crowd: Crowd,
        max_body_bytes: int,
        hosts: Set[str] = frozenset(),
        framed_by: Sequence[str] = (),
    ) -> None:
        """`login` is where visitors without a cookie are sent; None gives each newcomer an identity of their own.

        `hosts` are the names by which the page may be asked for; none means any. `framed_by` are the sites that may
        show it inside of theirs.
        """
        self._app = app
        self._guarded = RequestBodyLimitMiddleware(self._pass, max_body_size=max_body_bytes)
        self._cookie = cookie
        self._login = login
        self._tell = tell
        self._queue = queue
        self._crowd = crowd
        self._hosts = hosts
        self._headers = framed_headers(framed_by) if framed_by else SECURITY_HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
        elif scope["type"] == "http":
            await self._guarded(scope, receive, _with_headers(send, self._headers))

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._check_and_pass(scope, receive, send)
        except NightschoolError as error:
            # Whoever sits before the page reads this in a toast.
            waits = {"retry-after": str(error.retry_after_s)} if isinstance(error, TooManyRequests) else None
            told = self._tell(error, scope)
            refusal = JSONResponse({"detail": told}, status_code=error.status, headers=waits)
            await refusal(scope, receive, send)

    async def _check_and_pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        headers = Headers(scope=scope)
        check_host(headers, hosts=self._hosts)
        check_origin(headers, is_navigation=route == "/" and scope["method"] in {"GET", "HEAD"})
        if route.startswith(STATIC):
            await self._app(scope, receive, send)
            return
        visitor = self._cookie.read(scope)
        if route == "/":
            await self._open_page(visitor, scope, receive, send)
            return
        _check_route(route)
        if visitor is None:
            remedy = "Reload the page." if self._login is None else "Reload the page and sign in again."
            raise NotAuthenticated("has no identity", subject="request", remedy=remedy)
        scope[VISITOR] = visitor
        await self._serve(route.rstrip("/"), scope, receive, send)

    async def _open_page(self, visitor: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        if visitor is None and self._login is not None:
            answer: Response = RedirectResponse(self._login, status_code=303)
            await answer(scope, receive, send)
            return
        scope[VISITOR] = visitor = visitor or new_id()
        self._crowd.open_page(guest_of(scope))
        # Handed out again at each load, so that who comes back stays known.
        cookie = self._cookie.header(visitor, is_secure=scope["scheme"] == "https")
        await self._app(scope, receive, _with_headers(send, {"set-cookie": cookie, "cache-control": "no-store"}))

    async def _serve(self, route: str, scope: Scope, receive: Receive, send: Send) -> None:
        guest = guest_of(scope)
        if route == JOIN:
            with self._crowd.join(guest):
                body = await Request(scope, receive).body()
                self._queue.check_event(body)
                await self._app(scope, _replay(body, receive), send)
        elif route == LISTEN and not self._queue.has_session(_session(scope)):
            await Response(UNKNOWN_SESSION, media_type="text/event-stream")(scope, receive, send)
        elif route == LISTEN:
            with self._crowd.stream(guest):
                await self._listen(scope, receive, _with_headers(send, UNBUFFERED))
        elif route.removeprefix(API).startswith(STREAMS):
            with self._crowd.stream(guest):
                await self._app(scope, receive, _with_headers(send, UNBUFFERED))
        else:
            await self._app(scope, receive, send)

    async def _listen(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What comes for a session; one that leaves before it is whole wants no more of it.

        Gradio would notice with the next word, for which an engine may take minutes.
        """
        is_whole = False

        async def sender(message: Message) -> None:
            nonlocal is_whole
            await send(message)
            is_whole = message["type"] == "http.response.body" and not message.get("more_body", False)

        try:
            await self._app(scope, receive, sender)
        finally:
            if not is_whole:
                await self._queue.end_answers(_session(scope))


def _session(scope: Scope) -> str:
    query: bytes = scope["query_string"]
    return parse_qs(query.decode("latin-1")).get("session_hash", [""])[0]


def _replay(body: bytes, receive: Receive) -> Receive:
    """`receive` once more from the beginning of a body that was read."""
    unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return unread.pop() if unread else await receive()

    return again


def _check_route(route: str) -> None:
    name = route.removeprefix(API).rstrip("/")
    if route in {"/config", "/config/"} or (route.startswith(API) and (name in API_ROUTES or _is_heartbeat(name))):
        return
    raise NotFound("is not here", subject=route, remedy="Go back to the page.")


def _is_heartbeat(name: str) -> bool:
    return name.startswith("heartbeat/") and name.count("/") == 1


def framed_headers(origins: Sequence[str]) -> dict[str, str]:
    """`SECURITY_HEADERS` of a page that these sites, and nobody else, may show inside of theirs."""
    headers = {name: value for name, value in SECURITY_HEADERS.items() if name != "x-frame-options"}
    policy = headers["content-security-policy"].replace(
        "frame-ancestors 'none'", f"frame-ancestors {' '.join(origins)}"
    )
    return {**headers, "content-security-policy": policy}


def _with_headers(send: Send, headers: Mapping[str, str]) -> Send:
    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            sent = MutableHeaders(scope=message)
            for name in FOREIGN:
                del sent[name]
            for name, value in headers.items():
                sent[name] = value
        await send(message)

    return sender
