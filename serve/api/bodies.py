"""Read a request's body: no more of it than allowed, and only as what the endpoint declared.

The JSON is read by pydantic itself, which refuses half surrogates, deep nesting and numbers without end. Does not know
what a body means.
"""

from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from serve.api.faults import BodyTooLarge, invalid_request
from serve.api.receiving import announced_bytes

M = TypeVar("M", bound=BaseModel)


async def read_body(request: Request, model: type[M], *, max_bytes: int) -> M:
    """The body as `model`. Raises BodyTooLarge, and BadParameter that names the first fault."""
    raw = await read_bytes(request, max_bytes=max_bytes)
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise invalid_request(error.errors(include_url=False, include_context=False)) from error


async def read_bytes(request: Request, *, max_bytes: int) -> bytes:
    """The body. Raises BodyTooLarge, before reading it where its length is announced."""
    if announced_bytes(request) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(body)


def _too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"is larger than {max_bytes} bytes", subject="body", remedy="Send less, or raise server.max_body_bytes."
    )
