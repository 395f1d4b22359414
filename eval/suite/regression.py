"""Complaints that were corrected, as a permanent test: does the answer say today what the correction says?

In: a finished dataset, whose pairs hold each corrected answer beside what stands in its place, and whose votes say
which of them people disliked. Nobody's taste decides: an answer passes by the words and figures in which the two
differ. What was corrected and then trained on is asked too: the question is whether the night learnt it, not whether it
generalises.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict

from eval.metrics.text import token_f1
from eval.suite.case import Check, SuiteCase
from nightschool.records import ChatMessage
from nightschool.tables import read_rows
from nightschool.wording import words

NAME: Final = "regression"
SIDES: Final = ("train", "held_out")
_M = TypeVar("_M", bound=BaseModel)


class _Pair(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    item_id: str
    prompt: tuple[ChatMessage, ...]
    chosen: str
    rejected: str


class _Vote(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    prompt: tuple[ChatMessage, ...]
    answer: str
    is_good: bool


class _Item(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    item_id: str
    reviews: tuple[str, ...]


def read_regression(dataset: Path, *, max_cases: int) -> tuple[SuiteCase, ...]:
    """At most so many, half of them the newest, the others by their hash: the same from night to night while the
    record stays. () where nothing was complained about and corrected. Raises InvalidInput."""
    if not (dataset / "items.parquet").exists():
        return ()
    ruled = {item.item_id for item in read_rows(dataset / "items.parquet", _Item, row="an item") if item.reviews}
    disliked = {
        _place(vote.prompt, vote.answer)
        for side in SIDES
        for vote in _rows(dataset / f"votes_{side}.parquet", _Vote)
        if not vote.is_good
    }
    pairs = [
        pair
        for side in SIDES
        for pair in _rows(dataset / f"pairs_{side}.parquet", _Pair)
        if pair.item_id in ruled and _place(pair.prompt, pair.rejected) in disliked
    ]
    newest = pairs[-(max_cases - max_cases // 2) :]
    others = sorted((pair for pair in pairs if pair not in newest), key=lambda pair: pair.item_id)
    return tuple(_case(pair) for pair in [*newest, *others][:max_cases])


def is_fixed(answer: str, *, complained: str, correction: str) -> bool:
    """Nearer to the correction than to what was complained about, with every figure that the correction brought and
    none that it took away."""
    if words(answer) == words(correction):
        return True
    brought, gone = _figures(correction) - _figures(complained), _figures(complained) - _figures(correction)
    said = _figures(answer)
    if not brought <= said or gone & said:
        return False
    return token_f1(answer, reference=correction) > token_f1(answer, reference=complained)


def _case(pair: _Pair) -> SuiteCase:
    def holds(text: str) -> bool:
        return is_fixed(text, complained=pair.rejected, correction=pair.chosen)

    check = Check("says what the correction says", lambda reply: holds(reply.text))
    return SuiteCase(pair.item_id, pair.prompt, (check,), reference=pair.chosen, kind="complaint")


def _figures(text: str) -> set[str]:
    return {word for word in words(text) if any(c.isdigit() for c in word)}


def _place(prompt: Sequence[ChatMessage], answer: str) -> str:
    return json.dumps([[m["role"], m["content"]] for m in prompt] + [answer])


def _rows(file: Path, model: type[_M]) -> Iterator[_M]:
    return read_rows(file, model, row="a row of a dataset") if file.exists() else iter(())
