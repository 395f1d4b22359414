"""The server below a path of a site that it shares with others, `https://shop.example/support/`, where a proxy puts it.

What comes in is read whether the proxy sends the path along or takes it off; redirects and cookies that go out name it.
So every face speaks as at the root of a host, and every page by relative addresses. Does not know the proxy.
See docs/proxy.md.
"""

from typing import Final

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

UNBUFFERED: Final = {"cache-control": "no-cache", "x-accel-buffering": "no"}
"""Headers of a stream of events: a proxy that buffers would hold the words back."""
COOKIE_PATH: Final = b"; Path=/"


class SubPath:
    """ASGI middleware around the whole server. `root_path` begins with a slash and ends without."""

    def __init__(self, app: ASGIApp, *, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] == self._root_path:
            await self._to_the_slash(scope, receive, send)
        else:
            path = scope["path"]
            if not path.startswith(f"{self._root_path}/"):
                path = self._root_path + path
            below = {**scope, "path": path, "root_path": self._root_path}
            await self._app(below, receive, self._outward(send))

    async def _to_the_slash(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Without it a browser would look for what a page names beside the path, not below."""
        query = scope["query_string"].decode("latin-1")
        address = f"{self._root_path}/?{query}" if query else f"{self._root_path}/"
        await RedirectResponse(address, status_code=307)(scope, receive, send)

    def _outward(self, send: Send) -> Send:
        async def sender(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [(name, self._named(name, value)) for name, value in message["headers"]]
            await send(message)

        return sender

    def _named(self, name: bytes, value: bytes) -> bytes:
        root_path = self._root_path.encode()
        if name == b"location" and value.startswith(b"/"):
            return root_path + value
        if name == b"set-cookie":
            return value.replace(COOKIE_PATH, b"; Path=" + root_path + b"/")
        return value
