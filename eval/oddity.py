"""How odd the base model finds answers: nats a token, of those alone whose fault hangs on it (`eval.vetoes.order`).

What base found is kept by prompt and text (`eval.kept`), so the words of a contestant of nights ago cost nothing. Does
not know whose answers they are, nor what comes of it.
"""

import asyncio
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from eval.answers import gather_or_first_failure, score_text
from eval.kept import Kept, digest, kept_file
from eval.suites import SuiteRow
from nightschool.engine import Engine
from nightschool.errors import InvalidInput
from nightschool.records import BASE

WHAT: Final = "oddity"


@dataclass(frozen=True, slots=True)
class Oddity:
    nats: float
    """A token; nan for an answer that has none, or fills the context so that it cannot be scored."""


class Found(NamedTuple):
    nats: tuple[float, ...]
    """In the order of the answers."""
    asked: int
    """How many were asked now; the others were kept."""


async def find_oddities(engine: Engine, said: Sequence[tuple[SuiteRow, str]], *, cache: Path, in_flight: int) -> Found:
    """Of answers beside the rows that they are to; the first failure of the engine is raised."""
    kept = Kept(kept_file(cache, "", what=WHAT), Oddity)
    slots = asyncio.Semaphore(in_flight)
    asked: list[str] = []

    async def one(row: SuiteRow, text: str) -> float:
        key = digest(json.dumps([row.messages, text], ensure_ascii=True, sort_keys=True))
        found = kept.find(key)
        if found is None:
            asked.append(key)
            async with slots:
                found = Oddity(await _score(engine, row, text))
            kept.keep(key, found, row_id=row.row_id)
        return found.nats

    nats = await gather_or_first_failure([one(row, text) for row, text in said])
    return Found(tuple(nats), len(asked))


async def _score(engine: Engine, row: SuiteRow, text: str) -> float:
    """Without the end of turn: a cut answer has none."""
    chat = await engine.tokenize(row.messages, answer=text)
    said = chat.answer_ids[:-1]
    if not said:
        return math.nan
    try:
        logprobs = await score_text(engine, row, model=BASE, prompt_ids=chat.prompt_ids, answer_ids=said)
    except InvalidInput:
        return math.nan
    return -sum(logprobs) / len(said)
