"""Ask a model behind any OpenAI-compatible endpoint, patiently, and tell in words why there is no answer.

The key is read from an environment variable when it is needed, and is written nowhere. Does not know what is asked, nor
what for.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import httpx
from pydantic import BaseModel, ValidationError

from nightschool.records import ChatMessage

PAUSES_S: Final = (2.0, 10.0, 30.0)
"""Before each further try with an endpoint that is busy; where it says how long, that is waited for instead."""
LONGEST_PAUSE_S: Final = 60.0
MAX_BYTES: Final = 1_000_000
"""Of one reply."""
BUSY: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
THOUGHT_ENDS: Final = "</think>"
"""Models that think aloud put what they thought before this."""


class Said(NamedTuple):
    text: str
    is_whole: bool


class _Message(BaseModel):
    content: str


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Reply(BaseModel):
    """Of it what is needed."""

    choices: list[_Choice]


class _ListedModel(BaseModel):
    id: str
    root: str | None = None


class _Listed(BaseModel):
    data: list[_ListedModel]


class NoAnswer(Exception):
    """In words; where `is_final`, there will be none to any question."""

    def __init__(self, why: str, *, is_final: bool = False) -> None:
        super().__init__(why)
        self.is_final = is_final


class Endpoint:
    """One model there."""

    def __init__(
        self,
        *,
        url: str,
        model: str,
        key_variable: str,
        timeout_s: float,
        max_tokens: int,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Raises NoAnswer where the key is not there."""
        self._root, self._model = url.rstrip("/"), model
        self._timeout_s, self._max_tokens, self._pause = timeout_s, max_tokens, pause
        self._key = _read_key(key_variable)
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._http = httpx.Client(headers=headers, timeout=timeout_s, follow_redirects=False)

    def close(self) -> None:
        self._http.close()

    def answer(self, messages: Sequence[ChatMessage]) -> Said:
        """Raises NoAnswer."""
        for pause_s in (*PAUSES_S, None):
            status, headers, raw = self._post(messages)
            if status == 200:
                return _read_reply(raw)
            if status not in BUSY:
                raise NoAnswer(f"the endpoint answered {status}{self._quote(raw)}", is_final=True)
            if pause_s is not None:
                self._pause(_wanted_pause(headers, otherwise_s=pause_s))
        raise NoAnswer(f"the endpoint is busy ({status}{self._quote(raw)})")

    def models(self) -> Mapping[str, str]:
        """What it serves, and what each was made from where it says so; none where it tells nothing. Raises NoAnswer
        where it cannot be reached."""
        status, _, raw = self._send("GET", "models", body=None)
        try:
            listed = _Listed.model_validate_json(raw).data if status == 200 else []
        except ValidationError:
            return {}
        return {model.id: model.root or "" for model in listed}

    def _post(self, messages: Sequence[ChatMessage]) -> tuple[int, httpx.Headers, bytes]:
        body = {
            "model": self._model,
            "messages": [{"role": m["role"], "content": m["content"]} for m in messages],
            "max_tokens": self._max_tokens,
            "temperature": 0,
        }
        return self._send("POST", "chat/completions", body=body)

    def _send(self, method: str, path: str, *, body: object) -> tuple[int, httpx.Headers, bytes]:
        ends_s = time.monotonic() + self._timeout_s
        try:
            with self._http.stream(method, f"{self._root}/{path}", json=body) as response:
                raw = b""
                for some in response.iter_bytes():
                    raw += some
                    if len(raw) > MAX_BYTES:
                        raise NoAnswer(f"the endpoint's reply is longer than {MAX_BYTES} bytes")
                    # httpx counts from byte to byte: one a minute would never end.
                    if time.monotonic() > ends_s:
                        raise NoAnswer(f"the endpoint took longer than {self._timeout_s:g} s")
                return response.status_code, response.headers, raw
        except httpx.TimeoutException as error:
            raise NoAnswer(f"the endpoint took longer than {self._timeout_s:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoAnswer(f"the endpoint cannot be reached ({type(error).__name__})") from error

    def _quote(self, raw: bytes) -> str:
        """What it says of itself, without the key, which some repeat."""
        text = " ".join(raw.decode(errors="replace").split())
        if self._key:
            text = text.replace(self._key, "***")
        return f": {text[:120]!r}" if text else ""


def _read_key(variable: str) -> str:
    key = os.environ.get(variable, "") if variable else ""
    if variable and not key:
        raise NoAnswer(f"the environment variable {variable}, which is to hold the endpoint's key, is not set")
    if not all("!" <= character <= "~" for character in key):
        raise NoAnswer(f"the environment variable {variable} holds no key: blanks, or letters outside ASCII")
    return key


def _read_reply(raw: bytes) -> Said:
    try:
        choice = _Reply.model_validate_json(raw).choices[0]
    except (ValidationError, IndexError) as error:
        raise NoAnswer("the endpoint answered what is no chat completion") from error
    return Said(choice.message.content.rpartition(THOUGHT_ENDS)[2].strip(), choice.finish_reason == "stop")


def _wanted_pause(headers: Mapping[str, str], *, otherwise_s: float) -> float:
    with suppress(ValueError):
        wanted_s = float(headers.get("retry-after", ""))
        if wanted_s >= 0:
            return min(wanted_s, LONGEST_PAUSE_S)
    return otherwise_s
