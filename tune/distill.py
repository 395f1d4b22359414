"""Have a larger model answer questions, behind any OpenAI-compatible endpoint, and keep what may be learnt.

The only place of the trainer that speaks to anybody: it sends questions of the record with what was said before them
and the bot's system prompt, and only where a bot's file names an endpoint. Whatever the endpoint does is told in words
and ends no run. Answers are kept as they come, so a kill costs one. Imports no torch. Does not know what is made of the
rows.
"""

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from nightschool.endpoint import Endpoint, NoAnswer, Said
from nightschool.language import load_identifier
from tune.decontaminate import Turn
from tune.lessons import Asked, Reader
from tune.made import FOLDER, Made, MadeRow, read_made, time_for, without_exam, write_made
from tune.recipe import Recipe
from tune.sound import House, Inspector, Unsound

log = logging.getLogger(__name__)

ANSWERED: Final = "distill-answered.jsonl"
FAILURES: Final = 3
"""So many questions in a row without an answer, and no more are asked."""


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
            teacher = Endpoint(
                url=self._recipe.distill_url,
                model=self._recipe.distill_model,
                key_variable=self._recipe.distill_key_variable,
                timeout_s=self._recipe.distill_timeout_s,
                max_tokens=self._recipe.made_tokens,
                pause=self._pause,
            )
        except NoAnswer as error:
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
                except NoAnswer as error:
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
