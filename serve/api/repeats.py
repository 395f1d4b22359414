"""Answer a request that is sent again as it was answered the first time: one `Idempotency-Key`, one answer, one turn.

A client whose connection broke sends the same once more. It is handed the reply of the first one from its beginning,
whether that has ended or still comes. Kept in memory for a while, so not beyond a restart; a reply that failed is not
kept, since whoever sends it again wants another try. Does not know what the replies are.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Final, NamedTuple

from pydantic import BaseModel
from starlette.datastructures import Headers

from nightschool.errors import Unavailable
from serve.api.faults import BadParameter

HEADER: Final = "idempotency-key"
LONGEST: Final = 255
RETURN_S: Final = 10.0
"""Whoever sent a key and left may be back so soon; OpenAI's clients wait eight seconds at most between two tries."""
KEEP_S: Final = 600.0
MOST: Final = 1_000
MOST_BYTES: Final = 32 * 2**20
"""Of replies that have ended."""


class Made(NamedTuple):
    """A reply as it is made, its headers first."""

    headers: Mapping[str, str]
    pieces: AsyncGenerator[bytes, None]
    last: bytes | None = None
    """By which a whole one ends; None: by its end."""


Make = Callable[[], Awaitable[Made]]


def in_one_piece(make: Callable[[], Awaitable[bytes]]) -> Make:
    """Of a reply that is there at once."""

    async def made() -> Made:
        whole = await make()

        async def piece() -> AsyncGenerator[bytes, None]:
            yield whole

        return Made({}, piece())

    return made


class Kept:
    """One reply, for all who ask for it. `hear` and `begun` may be left at any time."""

    def __init__(self, fingerprint: str, *, return_s: float) -> None:
        self.fingerprint = fingerprint
        self._return_s = return_s
        self.headers: Mapping[str, str] | None = None
        self.pieces: list[bytes] = []
        self.size_bytes = 0
        self.failure: Exception | None = None
        self.is_over = False
        self.is_given_up = False
        self.ended_at = 0.0
        self.listeners = 0
        self.making: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    def add(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self.size_bytes += len(piece)
        self.tell()

    def tell(self) -> None:
        """There is something to look at."""
        self._news.set()
        self._news = asyncio.Event()

    async def made(self) -> Made:
        """As the first one was given it. Raises as `begun` does."""
        return Made(await self.begun(), self.hear())

    async def begun(self) -> Mapping[str, str]:
        """The headers, once there are some. Raises what the reply failed for before it had any."""
        async with aclosing(self._listening()) as listening:
            async for _ in listening:
                if self.headers is not None:
                    return self.headers
        assert self.failure, "it had no headers, so it failed"
        raise self.failure

    async def hear(self) -> AsyncGenerator[bytes, None]:
        """Every piece from the first one on. Raises what the reply failed for."""
        said = 0
        async with aclosing(self._listening()) as listening:
            async for _ in listening:
                while said < len(self.pieces):
                    yield self.pieces[said]
                    said += 1
        if self.failure:
            raise self.failure

    async def whole(self) -> bytes:
        """All of it. Raises what the reply failed for."""
        return await joined(self.hear())

    async def _listening(self) -> AsyncGenerator[None, None]:
        """A look now, one at each news, and one when it is over."""
        self.listeners += 1
        try:
            while True:
                is_over, news = self.is_over, self._news
                yield
                if is_over:
                    return
                if not self.is_over:
                    await news.wait()
        finally:
            self.listeners -= 1
            if not self.listeners and not self.is_over:
                asyncio.get_running_loop().call_later(self._return_s, self._give_up)

    def _give_up(self) -> None:
        """Nobody came back for it."""
        if not self.listeners and self.making:
            self.is_given_up = True
            self.making.cancel()


class Repeats:
    """The replies of one server to requests that carry a key."""

    def __init__(self, *, return_s: float = RETURN_S, now: Callable[[], float] = time.monotonic) -> None:
        self._return_s = return_s
        self._now = now
        self._kept: OrderedDict[tuple[str, str], Kept] = OrderedDict()

    def once(self, owner: str, key: str, *, fingerprint: str, make: Make) -> Kept:
        """The reply to that key of that owner: the one that is there, or the one that `make` makes from now on.

        Raises BadParameter where the key came with another request, of which `fingerprint` is a hash.
        """
        self._tidy()
        kept = self._kept.get((owner, key))
        if kept is None or kept.is_given_up:
            kept = self._kept[owner, key] = Kept(fingerprint, return_s=self._return_s)
            kept.making = asyncio.create_task(self._make(owner, key, kept, make))
        elif kept.fingerprint != fingerprint:
            raise BadParameter(
                "was sent with another request before", param="Idempotency-Key", openai_code="idempotency_key_reused",
                remedy="Send a new key with each new request.",
            )  # fmt: skip
        return kept

    async def _make(self, owner: str, key: str, kept: Kept, make: Make) -> None:
        is_whole = False
        try:
            made = await make()
            kept.headers = made.headers
            kept.tell()
            async with aclosing(made.pieces):
                async for piece in made.pieces:
                    kept.add(piece)
            is_whole = made.last is None or kept.pieces[-1:] == [made.last]
        except asyncio.CancelledError:
            kept.failure = Unavailable(
                "was stopping and cut the answer off", subject="server", remedy="Ask again in a moment."
            )
            raise
        except Exception as error:
            # Whoever listens is told; of a reply that nobody listens to nobody needs to know.
            kept.failure = error
        finally:
            if not is_whole and self._kept.get((owner, key)) is kept:
                del self._kept[owner, key]
            kept.is_over, kept.ended_at = True, self._now()
            kept.tell()

    def _tidy(self) -> None:
        """Let go of what ended long ago, and of the oldest that ended while there are too many or too large ones."""
        over = [(name, kept) for name, kept in self._kept.items() if kept.is_over]
        size_bytes = sum(kept.size_bytes for _, kept in over)
        for name, kept in over:
            is_old = kept.ended_at < self._now() - KEEP_S
            if not is_old and len(self._kept) < MOST and size_bytes <= MOST_BYTES:
                break
            size_bytes -= kept.size_bytes
            del self._kept[name]


async def joined(pieces: AsyncGenerator[bytes, None]) -> bytes:
    """All of a reply; its pieces are closed however that ends."""
    async with aclosing(pieces):
        return b"".join([piece async for piece in pieces])


def hash_body(body: BaseModel) -> str:
    """By which a request is known again."""
    return hashlib.sha256(body.model_dump_json().encode()).hexdigest()


def read_key(headers: Headers) -> str | None:
    """The request's key; None where it has none. Raises BadParameter for one that is too long."""
    key = headers.get(HEADER)
    if key and len(key) > LONGEST:
        raise BadParameter(
            f"is longer than {LONGEST} characters", param="Idempotency-Key", openai_code="string_above_max_length",
            remedy="Send a shorter one, such as a UUID.",
        )  # fmt: skip
    return key or None
