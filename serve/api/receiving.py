"""Take a request's body to a file, and refuse what the disk has no room for: before it comes, where its size is told.

Does not know what the body is.
"""

from pathlib import Path
from typing import IO, Final, NamedTuple

from fastapi import Request

from nightschool.room import check_room
from serve.api.faults import BodyTooLarge

LOOK_BYTES: Final = 64 * 2**20
"""The disk is looked at again after so much."""


class Room(NamedTuple):
    """Where a body goes, and what is to stay free there."""

    folder: Path
    spare_bytes: int
    growth: int
    """What is made of it takes so many times its size, beside the body itself."""
    subject: str

    def check(self, *, received: int, announced: int = 0) -> None:
        """Raises Unavailable where there is too little for what is still to come and what will be made of it."""
        size = max(received, announced)
        wanted = size - received + self.growth * size
        check_room(self.folder, wanted_bytes=wanted, spare_bytes=self.spare_bytes, subject=self.subject)


def announced_bytes(request: Request) -> int:
    """The body's size as its sender tells it; 0 where they do not."""
    told = request.headers.get("content-length", "")
    return int(told) if told.isascii() and told.isdecimal() and len(told) < 19 else 0


async def receive_body(request: Request, body: IO[bytes], *, room: Room, max_bytes: int | None = None) -> None:
    """The request's body as a file, from its start. Raises BodyTooLarge, and Unavailable where the disk is too full."""
    announced = announced_bytes(request)
    _check_size(announced, max_bytes, room.subject)
    room.check(received=0, announced=announced)
    size = looked_at = 0
    async for piece in request.stream():
        size += len(piece)
        _check_size(size, max_bytes, room.subject)
        if size - looked_at > LOOK_BYTES:
            looked_at = size
            room.check(received=size, announced=announced)
        body.write(piece)
    room.check(received=size)
    body.seek(0)


def _check_size(size: int, max_bytes: int | None, subject: str) -> None:
    if max_bytes is not None and size > max_bytes:
        remedy = "Import it in parts, or raise server.max_body_bytes."
        raise BodyTooLarge(f"is larger than {max_bytes} bytes", subject=subject, remedy=remedy)
