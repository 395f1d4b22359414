"""Speak to the running server of this data folder: DuckDB admits one process, so every live verb asks it.

Finds the address in `server.json` and the key in `operator.key`, both of which the server writes at its start. Knows
HTTP and the shapes that /ops answers with, not what a verb does with them.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Literal, NamedTuple, TypedDict
from urllib.parse import quote

import httpx

from nightschool.errors import (
    Busy,
    IllegalMove,
    InvalidInput,
    NightschoolError,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    TooManyRequests,
    Unavailable,
)
from nightschool.home import Home
from serve.cli.training import TrainingRow
from serve.operators import OPERATOR_HEADER, USER_HEADER
from serve.secrets import system_user

VERSION_HEADER: Final = "x-nightschool-version"
CARD_HEADER: Final = "x-nightschool-export"
LOOK_TIMEOUT_S: Final = 5.0
# By the error's own code where it has one of ours, else by the kind of HTTP status.
EXIT_BY_CODE: Final[Mapping[str, int]] = {IllegalMove.code: IllegalMove.exit_code}
EXIT_BY_STATUS: Final[Mapping[int, int]] = {
    **{
        kind.status: kind.exit_code
        for kind in (InvalidInput, NotAuthenticated, NotAllowed, NotFound, Busy, TooManyRequests, Unavailable)
    },
    413: InvalidInput.exit_code,
    502: Unavailable.exit_code,
}


class CycleRow(TypedDict):
    """`serve.status.CycleView`, which the command line does not import: it would bring the store along."""

    cycle: str
    bot: str
    trigger: str
    state: Literal["running", "done", "failed"]
    step: str
    progress: float
    started_at: str
    candidate: int | None
    verdict: str | None
    reasons: list[str]
    figures: dict[str, float]
    training: TrainingRow | None


class BadLineRow(TypedDict):
    line: int
    reason: str
    text: str


class ImportRow(TypedDict):
    imported: int
    skipped: int
    moved: int
    votes: int
    corrections: int
    scores: int
    formats: dict[str, int]
    bad_lines: list[BadLineRow]


class Download(NamedTuple):
    card: dict[str, Any]
    """`collect.exports.ExportCard`."""
    pieces: Iterator[bytes]
    """As they come."""


class Answer(NamedTuple):
    text: str
    version: str
    """`support@3`: who answered."""
    sources: tuple[str, ...]
    """Documents that it stands on: `Plans > Grove`."""


class RemoteError(NightschoolError):
    """What the server answered instead; its message is whole already."""

    def __init__(self, message: str, *, code: str | None, exit_code: int) -> None:
        Exception.__init__(self, message)
        self.subject, self.problem, self.remedy, self.param = "server", message, "", None
        self.code = code or ""  # type: ignore[misc]  # as below
        self.exit_code = exit_code  # type: ignore[misc]  # an instance's own


class Server:
    """A running server, seen by its operator. Every call raises Unavailable where it is gone, else RemoteError."""

    def __init__(self, http: httpx.Client, url: str) -> None:
        self._http = http
        self.url = url

    def get(self, path: str, **query: Any) -> Any:
        return _parsed(self._ask("GET", path, params=_given(query)))

    def text(self, path: str) -> str:
        return self._ask("GET", path).text

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return _parsed(self._ask("POST", path, json=body))

    def delete(self, path: str) -> Any:
        return _parsed(self._ask("DELETE", path))

    def upload(self, path: str, pieces: Iterable[bytes], *, size: int | None = None, **query: Any) -> Any:
        """Send `pieces` as the body, one after the other; a `size` that is known is told before they come."""
        headers = {} if size is None else {"Content-Length": str(size)}
        return _parsed(self._ask("POST", path, params=_given(query), content=pieces, headers=headers))

    @contextmanager
    def download(self, path: str, **query: Any) -> Iterator[Download]:
        """An export, for the length of the block."""
        with self._translated(), self._http.stream("GET", path, params=_given(query)) as response:
            if response.is_error:
                response.read()
            came = _checked(response)
            yield Download(json.loads(came.headers[CARD_HEADER]), came.iter_bytes())

    def lines(self, path: str, body: Mapping[str, Any]) -> Iterator[Any]:
        """What is told line by line, as it comes. Raises RemoteError where a line tells of an error."""
        with self._translated(), self._http.stream("POST", path, json=body) as response:
            if response.is_error:
                response.read()
            for line in _checked(response).iter_lines():
                told = json.loads(line)
                if "error" in told:
                    raise _remote_error(told["error"], status=told["status"])
                yield told

    def answer(self, model: str, question: str, *, max_tokens: int) -> Answer:
        """One greedy answer."""
        messages = [{"role": "user", "content": question}]
        body = {"model": model, "messages": messages, "temperature": 0, "max_tokens": max_tokens}
        response = self._ask("POST", "/v1/chat/completions", json=body)
        reply = _parsed(response)
        content = reply["choices"][0]["message"]["content"]
        found = reply.get("nightschool", {}).get("sources", ())
        sources = (" > ".join(filter(None, (one["document"], one["heading"]))) for one in found)
        return Answer(content or "", response.headers[VERSION_HEADER], tuple(dict.fromkeys(sources)))

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        with self._translated():
            return _checked(self._http.request(method, path, **options))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectError as error:
            raise not_running(self.url) from error
        except httpx.TimeoutException as error:
            raise Unavailable(
                "did not answer in time", subject=self.url, remedy="It may be busy; try again."
            ) from error
        except httpx.TransportError as error:
            raise Unavailable(
                "broke the connection off", subject=self.url, remedy="`nightschool doctor` says whether it runs."
            ) from error


@contextmanager
def connect(home: Home, *, timeout_s: float, operator: str | None = None) -> Iterator[Server]:
    """The server of this data folder, for the operator of that name, else this machine's user.

    Raises Unavailable where none runs, NotAllowed where its key is not ours.
    """
    try:
        url = server_url(home)
        key = home.operator_key.read_text(encoding="ascii", errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        raise not_running(str(home.root)) from None
    except PermissionError as error:
        raise NotAllowed(
            "is another user's", subject=str(error.filename), remedy="Run this as the user who started the server."
        ) from None
    if not (key and key.isascii() and key.isprintable()):
        raise Unavailable("is damaged", subject=str(home.operator_key), remedy="A new start writes another.")
    headers = {"Authorization": f"Bearer {key}", USER_HEADER: quote(system_user())}
    if operator:
        headers[OPERATOR_HEADER] = quote(operator)
    # Not by way of a proxy from the environment: the server is on this machine. Nor behind TLS, whose certificates take
    # longer to read than most answers to come.
    with httpx.Client(base_url=url, headers=headers, timeout=timeout_s, trust_env=False, verify=False) as http:
        yield Server(http, url)


def server_url(home: Home) -> str:
    """Where the folder's server listens, or listened until it was killed. Raises OSError where there is no note."""
    try:
        url: str = json.loads(home.server_state.read_text(encoding="utf-8"))["url"]
        if not url.startswith("http://"):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unavailable(
            "is damaged", subject=str(home.server_state), remedy="Delete it and start again: make up."
        ) from error
    return url


def is_alive(home: Home) -> bool:
    """Whether the folder's server answers at all; ready it may be or not. Raises Unavailable for a damaged note."""
    try:
        return httpx.get(f"{server_url(home)}/healthz", timeout=LOOK_TIMEOUT_S, trust_env=False).is_success
    except (OSError, httpx.TransportError):
        return False


def not_running(where: str) -> Unavailable:
    return Unavailable(
        "no server is running", subject=where, remedy="Start one: make up. Elsewhere? Set NIGHTSCHOOL_HOME."
    )


def _given(query: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in query.items() if value is not None}


def _checked(response: httpx.Response) -> httpx.Response:
    """The response where it is none of an error."""
    if not response.is_error:
        return response
    try:
        raise _remote_error(response.json()["error"], status=response.status_code)
    except (ValueError, KeyError, TypeError):
        unlike = {"message": f"server: answered {response.status_code} {response.text[:200]!r}", "code": None}
        raise _remote_error(unlike, status=response.status_code) from None


def _remote_error(error: Mapping[str, Any], *, status: int) -> RemoteError:
    """By OpenAI's object. Raises KeyError, TypeError where it is none."""
    exit_code = EXIT_BY_CODE.get(error["code"]) or EXIT_BY_STATUS.get(status, 1)
    return RemoteError(str(error["message"]), code=error["code"], exit_code=exit_code)


def _parsed(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise Unavailable(
            "is not Nightschool's", subject=str(response.url), remedy="Another program took the port; start: make up."
        ) from error
