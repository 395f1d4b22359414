"""Speak to the running server of this data folder: DuckDB admits one process, so every live verb asks it.

Finds the address in `server.json` and the key in `operator.key`, both of which the server writes at its start.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from nightschool.errors import NightschoolError, NotAllowed, Unavailable
from nightschool.home import Home

TIMEOUT_S = 120.0


class RemoteError(NightschoolError):
    """What the server answered instead; its message is whole already."""

    def __init__(self, message: str, *, exit_code: int) -> None:
        Exception.__init__(self, message)
        self.subject, self.problem, self.remedy, self.param = "server", message, "", None
        self.exit_code = exit_code  # type: ignore[misc]  # an instance's own


EXIT_CODES = {400: 2, 401: 4, 403: 4, 404: 3, 409: 5, 413: 2, 429: 5, 502: 6, 503: 6}


class Server:
    """A running server, seen by its operator."""

    def __init__(self, http: httpx.Client, url: str) -> None:
        self._http = http
        self.url = url

    def get(self, path: str, **query: Any) -> Any:
        return self._ask("GET", path, params={k: v for k, v in query.items() if v is not None}).json()

    def text(self, path: str, **query: Any) -> str:
        return self._ask("GET", path, params=query).text

    def post(self, path: str, body: Any = None, *, raw: bytes | None = None, **query: Any) -> Any:
        params = {k: v for k, v in query.items() if v is not None}
        if raw is not None:
            return self._ask("POST", path, params=params, content=raw).json()
        return self._ask("POST", path, params=params, json=body).json()

    def delete(self, path: str) -> Any:
        return self._ask("DELETE", path).json()

    def answer(self, model: str, messages: list[dict[str, str]], *, max_tokens: int) -> str:
        """One greedy answer, as text."""
        body = {"model": model, "messages": messages, "temperature": 0, "max_tokens": max_tokens}
        completion = self.post("/v1/chat/completions", body)
        return str(completion["choices"][0]["message"]["content"])

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise not_running(self.url) from error
        if response.is_error:
            raise RemoteError(_message(response), exit_code=EXIT_CODES.get(response.status_code, 1))
        return response


@contextmanager
def connect(home: Home, *, timeout_s: float = TIMEOUT_S) -> Iterator[Server]:
    """The server of this data folder. Raises Unavailable where none runs, NotAllowed where its key is not ours."""
    try:
        url = str(json.loads(home.server_state.read_text())["url"])
    except (FileNotFoundError, NotADirectoryError):
        raise not_running(str(home.root)) from None
    try:
        key = home.operator_key.read_text().strip()
    except PermissionError:
        raise NotAllowed(
            "is another user's", subject=str(home.operator_key), remedy="Run this as the user who started the server."
        ) from None
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=timeout_s) as http:
        yield Server(http, url)


def not_running(where: str) -> Unavailable:
    return Unavailable(
        "no server is running", subject=where, remedy="Start one: make up. Elsewhere? Set NIGHTSCHOOL_HOME."
    )


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"{response.status_code} {response.text[:300]}"
