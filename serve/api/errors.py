"""Every failure as OpenAI writes it: `{"error": {"message", "type", "param", "code"}}`, whatever went wrong and where.

The one place where an error becomes HTTP. Does not know why anything fails. A fault of ours is answered without details
and logged once, by uvicorn, to which starlette raises it again after the answer.
"""

import json
import logging
from collections.abc import Mapping
from typing import Final, TypedDict

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from nightschool.errors import EngineStarting, NightschoolError, TooManyRequests, full_disk
from serve.api.faults import invalid_request

log = logging.getLogger(__name__)

TYPES: Final[Mapping[int, str]] = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
"""OpenAI's names; every other status below 500 is `invalid_request_error`, the rest `server_error`."""
CODES: Final[Mapping[int, str]] = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large"}
REMEDIES: Final[Mapping[int, str]] = {
    404: "is not here. docs/api.md lists the endpoints.",
    405: "is not a method of this endpoint. docs/api.md lists the endpoints.",
}
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PATHS: Final = ("/v1", "/v1/{rest:path}", "/ops", "/ops/{rest:path}", "/healthz", "/readyz", "/metrics")
CLIENT_CLOSED_REQUEST: Final = 499
"""nginx's word for an asker who left; nobody reads the answer."""


class ErrorDetail(TypedDict):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(TypedDict):
    error: ErrorDetail


def install_error_handlers(app: FastAPI) -> None:
    """Answer every error of `app`'s routes in OpenAI's shape."""
    app.add_exception_handler(NightschoolError, _on_known_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(Exception, _on_fault)


def fallback_router() -> APIRouter:
    """404 and 405 under the API's paths. Include it last of the API's routers, before a page takes what is left."""
    router = APIRouter()

    async def refuse(request: Request) -> Response:
        others = [route for route in request.app.routes if route.matches(request.scope)[0] is Match.PARTIAL]
        allowed = sorted({method for route in others for method in route.methods or ()})
        if allowed:
            raise HTTPException(405, headers={"Allow": ", ".join(allowed)})
        raise HTTPException(404)

    for path in PATHS:
        router.add_api_route(path, refuse, methods=list(METHODS))
    return router


def error_body(error: Exception) -> ErrorBody:
    """OpenAI's object for any error; what is not ours to explain keeps its details to itself."""
    error = full_disk(error) or error
    if isinstance(error, NightschoolError):
        code = getattr(error, "openai_code", error.code)
        return _body(str(error), status=error.status, param=error.param, code=code)
    return _body(
        "server: something went wrong here, not in your request. Try again; the server's log has the details.",
        status=500,
        param=None,
        code=NightschoolError.code,
    )


def error_response(error: NightschoolError) -> Response:
    """The answer to a request that failed for a reason we know."""
    headers = {}
    if isinstance(error, TooManyRequests | EngineStarting):
        headers["Retry-After"] = str(error.retry_after_s)
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return _response(error_body(error), status=error.status, headers=headers)


async def _on_known_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, NightschoolError)
    if error.status >= 500:
        log.warning("%s %s failed: %s", request.method, request.url.path, error)
    return error_response(error)


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return await _on_known_error(request, invalid_request(error.errors()))


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"{request.method} {request.url.path}: {REMEDIES.get(error.status_code, f'{error.detail}.')}"
    body = _body(message, status=error.status_code, param=None, code=CODES.get(error.status_code))
    return _response(body, status=error.status_code, headers=error.headers or {})


async def _on_disconnect(_request: Request, _error: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def _on_fault(_request: Request, error: Exception) -> Response:
    known = full_disk(error)
    return error_response(known) if known else _response(error_body(error), status=500, headers={})


def _body(message: str, *, status: int, param: str | None, code: str | None) -> ErrorBody:
    kind = TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _response(body: ErrorBody, *, status: int, headers: Mapping[str, str]) -> Response:
    # ASCII, since a message may quote what has no UTF-8: half of a surrogate pair.
    return Response(json.dumps(body), status_code=status, headers=dict(headers), media_type="application/json")
