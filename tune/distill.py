"""Have a larger model answer questions, behind any OpenAI-compatible endpoint, and keep what may be learnt.

The only place of the trainer that speaks to anybody: it sends questions of the record with what was said before them
and the bot's system prompt, and only where a bot's file names an endpoint. The key is read from an environment variable
when it is needed, and is written nowhere. Whatever the endpoint does is told in words and ends no run. Answers are kept
as they come, so a kill costs one. Imports no torch. Does not know what is made of the rows.
"""

import json
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import httpx
from pydantic import BaseModel, ValidationError

from nightschool.language import load_identifier
from nightschool.records import ChatMessage
from tune.decontaminate import Turn
from tune.lessons import Asked, Reader
from tune.made import FOLDER, Made, MadeRow, read_made, time_for, without_exam, write_made
from tune.recipe import Recipe
from tune.sound import House, Inspector, Unsound

log = logging.getLogger(__name__)

ANSWERED: Final = "distill-answered.jsonl"
PAUSES_S: Final = (2.0, 10.0, 30.0)
"""Before each further try with an endpoint that is busy; where it says how long, that is waited for instead."""
LONGEST_PAUSE_S: Final = 60.0
FAILURES: Final = 3
"""So many questions in a row without an answer, and no more are asked."""
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


class _NoAnswer(Exception):
    """In words; where `is_final`, there will be none to any question."""

    def __init__(self, why: str, *, is_final: bool = False) -> None:
        super().__init__(why)
        self.is_final = is_final


class Teacher:
    """The endpoint."""

    def __init__(self, recipe: Recipe, *, pause: Callable[[float], None] = time.sleep) -> None:
        """Raises _NoAnswer where the key is not there."""
        self._recipe, self._pause = recipe, pause
        self._key = _read_key(recipe.distill_key_variable)
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._http = httpx.Client(headers=headers, timeout=recipe.distill_timeout_s, follow_redirects=False)

    def close(self) -> None:
        self._http.close()

    def answer(self, messages: Sequence[ChatMessage]) -> Said:
        """Raises _NoAnswer."""
        for pause_s in (*PAUSES_S, None):
            status, headers, raw = self._post(messages)
            if status == 200:
                return _read_reply(raw)
            if status not in BUSY:
                raise _NoAnswer(f"the endpoint answered {status}{self._quote(raw)}", is_final=True)
            if pause_s is not None:
                self._pause(_wanted_pause(headers, otherwise_s=pause_s))
        raise _NoAnswer(f"the endpoint is busy ({status}{self._quote(raw)})")

    def _post(self, messages: Sequence[ChatMessage]) -> tuple[int, httpx.Headers, bytes]:
        body = {
            "model": self._recipe.distill_model,
            "messages": [{"role": m["role"], "content": m["content"]} for m in messages],
            "max_tokens": self._recipe.made_tokens,
            "temperature": 0,
        }
        ends_s = time.monotonic() + self._recipe.distill_timeout_s
        url = f"{self._recipe.distill_url.rstrip('/')}/chat/completions"
        try:
            with self._http.stream("POST", url, json=body) as response:
                raw = b""
                for some in response.iter_bytes():
                    raw += some
                    if len(raw) > MAX_BYTES:
                        raise _NoAnswer(f"the endpoint's reply is longer than {MAX_BYTES} bytes")
                    # httpx counts from byte to byte: one a minute would never end.
                    if time.monotonic() > ends_s:
                        raise _NoAnswer(f"the endpoint took longer than {self._recipe.distill_timeout_s:g} s")
                return response.status_code, response.headers, raw
        except httpx.TimeoutException as error:
            raise _NoAnswer(f"the endpoint took longer than {self._recipe.distill_timeout_s:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _NoAnswer(f"the endpoint cannot be reached ({type(error).__name__})") from error

    def _quote(self, raw: bytes) -> str:
        """What it says of itself, without the key, which some repeat."""
        text = " ".join(raw.decode(errors="replace").split())
        if self._key:
            text = text.replace(self._key, "***")
        return f": {text[:120]!r}" if text else ""


class Distillation:
    """Makes the rows of one run."""

    def __init__(
        self,
        recipe: Recipe,
        reader: Reader,
        *,
        run: Path,
        house: House,
        exam: Callable[[], Iterable[Turn]] = tuple,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._recipe, self._reader, self._run, self._house, self._exam = recipe, reader, run, house, exam
        self._pause, self._clock = pause, clock

    def make(self, asked: Sequence[Asked], *, most: int) -> Made:
        """At most `most` rows, those of the first questions. Done once a run; never fails."""
        if (known := read_made(self._run, "distill")) is not None:
            return known
        wanted = asked[: self._recipe.distill_answers]
        answered, remarks = self._ask(wanted)
        made = self._choose(wanted, answered, most=most)
        made = without_exam(made.model_copy(update={"remarks": remarks}), self._exam())
        write_made(self._run, "distill", made)
        return made

    def _ask(self, asked: Sequence[Asked]) -> tuple[Mapping[str, Said], tuple[str, ...]]:
        """Answers by question, and what went wrong; those that a former start was given are not asked for again."""
        file = self._run / FOLDER / ANSWERED
        answered = _read(file)
        left = [one for one in asked if one.row.item_id not in answered]
        if not left:
            return answered, ()
        try:
            teacher = Teacher(self._recipe, pause=self._pause)
        except _NoAnswer as error:
            return answered, (str(error),)
        file.parent.mkdir(parents=True, exist_ok=True)
        ends_s = time_for(self._run, now_s=self._clock())
        trouble: list[str] = []
        in_a_row = 0
        try:
            for one in left:
                if self._clock() > ends_s:
                    return answered, (*trouble, f"{len(answered)} were asked, to be done in time")
                try:
                    said = teacher.answer(self._reader.neutraliser.chat(one.row.prompt))
                except _NoAnswer as error:
                    trouble.append(str(error))
                    in_a_row += 1
                    if error.is_final or in_a_row == FAILURES:
                        break
                else:
                    in_a_row = 0
                    answered[one.row.item_id] = said
                    _append(file, one.row.item_id, said)
        finally:
            teacher.close()
        return answered, tuple(_count(trouble))

    def _choose(self, asked: Sequence[Asked], answered: Mapping[str, Said], *, most: int) -> Made:
        refused: Counter[str] = Counter()
        rows: list[MadeRow] = []
        inspector = Inspector(self._house, self._reader.neutraliser, load_identifier())
        for one in asked:
            if (said := answered.get(one.row.item_id)) is None:
                continue
            fault: str | None = inspector.find_unsound(
                said.text, one.row.prompt, is_whole=said.is_whole, before=one.row.answer
            )
            if fault is None and self._reader.answered(one.row.item_id, one.row.prompt, said.text) is None:
                fault = Unsound.LONG
            if fault is not None:
                refused[fault] += 1
                continue
            rows.append(
                MadeRow(
                    item_id=one.row.item_id,
                    conversation_id=one.row.conversation_id,
                    prompt=one.row.prompt,
                    answer=said.text,
                    source=self._recipe.distill_model,
                )
            )
        return Made(asked=len(asked), answers=len(answered), refused=dict(refused), rows=tuple(rows[:most]))


def _read_key(variable: str) -> str:
    key = os.environ.get(variable, "") if variable else ""
    if variable and not key:
        raise _NoAnswer(f"the environment variable {variable}, which is to hold the endpoint's key, is not set")
    if not all("!" <= character <= "~" for character in key):
        raise _NoAnswer(f"the environment variable {variable} holds no key: blanks, or letters outside ASCII")
    return key


def _read_reply(raw: bytes) -> Said:
    try:
        choice = _Reply.model_validate_json(raw).choices[0]
    except (ValidationError, IndexError) as error:
        raise _NoAnswer("the endpoint answered what is no chat completion") from error
    return Said(choice.message.content.rpartition(THOUGHT_ENDS)[2].strip(), choice.finish_reason == "stop")


def _wanted_pause(headers: Mapping[str, str], *, otherwise_s: float) -> float:
    with suppress(ValueError):
        wanted_s = float(headers.get("retry-after", ""))
        if wanted_s >= 0:
            return min(wanted_s, LONGEST_PAUSE_S)
    return otherwise_s


def _count(trouble: Sequence[str]) -> list[str]:
    return [why if count == 1 else f"{why} ({count} times)" for why, count in Counter(trouble).items()]


def _append(file: Path, item_id: str, said: Said) -> None:
    with file.open("a", encoding="utf-8") as out:
        # Behind half a line, which would spoil this one.
        out.write(f"\n{json.dumps([item_id, *said])}\n")


def _read(file: Path) -> dict[str, Said]:
    """Every whole line; a kill may have cut the last one off."""
    answered: dict[str, Said] = {}
    for line in file.read_bytes().splitlines() if file.exists() else ():
        with suppress(ValueError):
            item_id, text, is_whole = json.loads(line)
            answered[item_id] = Said(text, is_whole)
    return answered
