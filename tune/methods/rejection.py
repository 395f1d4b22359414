"""Best of several answers: a model answers questions anew, a judge and checks choose, and the best is a row to imitate.

Questions are those of the record that nobody answered well. They are answered by the adapter in production, or by the
base model where there is none; each answer is checked (`tune.sound`), what is left is scored by the reward model, and
the best one counts where it scores like what people preferred, and higher than what they turned down. Without a reward
model whose held-out agreement with people is shown to be good enough nothing is made. Killed, it goes on with the
answers that it has: they are drawn in fixed groups with dice of their own.
"""

import gc
import hashlib
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from peft import PeftModel

from nightschool.errors import TrainingFailed
from nightschool.language import load_identifier
from tune import model as models
from tune.decontaminate import Turn
from tune.encode import Encoded
from tune.generate import Draw, generate
from tune.lessons import Asked, Reader
from tune.made import FOLDER, Made, MadeRow, read_made, time_for, without_exam, write_made
from tune.methods.memory import is_out_of_memory
from tune.methods.reward import Judge
from tune.recipe import Recipe
from tune.sound import House, Inspector, Unsound
from tune.start import Start

log = logging.getLogger(__name__)

DRAWN: Final = "rejection-drawn.jsonl"
GROUP: Final = 4
"""Questions that are answered at once, and so many a kill loses at most."""


class Told(NamedTuple):
    text: str
    is_whole: bool


class Rejection:
    """Makes the rows of one run."""

    def __init__(
        self,
        recipe: Recipe,
        reader: Reader,
        *,
        run: Path,
        device: str,
        house: House,
        exam: Callable[[], Iterable[Turn]] = tuple,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._recipe, self._reader, self._run, self._device = recipe, reader, run, device
        self._house, self._exam, self._clock = house, exam, clock

    def make(self, asked: Sequence[Asked], *, by: Start, most: int) -> Made:
        """At most `most` rows, the best-scored ones; `by` answers. Done once a run. Raises TrainingFailed."""
        if (known := read_made(self._run, "rejection")) is not None:
            return known
        try:
            drawn = self._draw(asked, by)
            gc.collect()  # or two models would be in memory at once
            made = self._choose(asked, drawn, source=by.content_hash[:16] or "base", most=most)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise TrainingFailed(
                "has too little memory to answer questions",
                subject="the training",
                remedy="Lower recipe.made_answers or recipe.made_tokens.",
            ) from error
        in_time = [f"{len(drawn)} were asked, to be done in time"] if len(drawn) < len(asked) else []
        made = made.model_copy(update={"remarks": (*([by.remark] if by.remark else []), *in_time)})
        made = without_exam(made, self._exam())
        write_made(self._run, "rejection", made)
        return made

    def _draw(self, asked: Sequence[Asked], by: Start) -> Mapping[str, Sequence[Told]]:
        """Answers by question; those that a former start drew are not drawn again."""
        file = self._run / FOLDER / DRAWN
        drawn = _read(file)
        by_length = sorted(asked, key=lambda one: (len(one.prompt_ids), one.row.item_id))
        groups = [by_length[at : at + GROUP] for at in range(0, len(by_length), GROUP)]
        left = [group for group in groups if any(one.row.item_id not in drawn for one in group)]
        speaker = _Speaker(self._recipe, by, device=self._device) if left else None
        ends_s = time_for(self._run, now_s=self._clock())
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as out:
            for group in left:
                if speaker is None or self._clock() > ends_s:
                    break
                found = speaker.answer(group)
                lines = [json.dumps([name, answers], ensure_ascii=False) for name, answers in found.items()]
                out.write("\n" + "".join(f"{line}\n" for line in lines))
                out.flush()
                drawn |= found
        return {one.row.item_id: drawn[one.row.item_id] for one in asked if one.row.item_id in drawn}

    def _choose(self, asked: Sequence[Asked], drawn: Mapping[str, Sequence[Told]], *, source: str, most: int) -> Made:
        refused: Counter[str] = Counter()
        sound: list[tuple[Asked, str, Encoded]] = []
        inspector = Inspector(self._house, self._reader.neutraliser, load_identifier())
        for one in asked:
            for told in dict.fromkeys(drawn.get(one.row.item_id, ())):
                fault: str | None = inspector.find_unsound(
                    told.text, one.row.prompt, is_whole=told.is_whole, before=one.row.answer
                )
                row = None if fault else self._reader.answered(one.row.item_id, one.row.prompt, told.text)
                if row is None:
                    refused[fault or Unsound.LONG] += 1
                else:
                    sound.append((one, told.text, row))
        best = self._best(sound, refused)
        rows = sorted(best, key=lambda row: (-(row.score or 0.0), row.item_id))[:most]
        answers = sum(len(dict.fromkeys(told)) for told in drawn.values())
        return Made(
            asked=len(asked),
            answers=answers,
            refused=dict(refused),
            rows=tuple(row.model_copy(update={"source": source}) for row in rows),
        )

    def _best(self, sound: Sequence[tuple[Asked, str, Encoded]], refused: Counter[str]) -> list[MadeRow]:
        """Of each question the answer that scores highest, where that is high enough."""
        if not sound:
            return []
        before = {one.row.item_id: self._before(one) for one, _, _ in sound}
        judge = Judge(self._recipe, self._run, device=self._device)
        given = [row for row in before.values() if row is not None]
        scores = judge.score([*(row for _, _, row in sound), *given])
        was = {row.item_id: score for row, score in zip(given, scores[len(sound) :], strict=True)}
        best: dict[str, MadeRow] = {}
        for (one, text, _), score in zip(sound, scores, strict=False):
            asked = one.row
            if score <= max(judge.bar, was.get(asked.item_id, judge.bar)):
                refused["scored too low"] += 1
            elif asked.item_id not in best or score > (best[asked.item_id].score or 0.0):
                best[asked.item_id] = MadeRow(
                    item_id=asked.item_id,
                    conversation_id=asked.conversation_id,
                    prompt=asked.prompt,
                    answer=text,
                    source="",
                    score=score,
                )
        return list(best.values())

    def _before(self, one: Asked) -> Encoded | None:
        """What people got, where there is anything to be compared with."""
        return (
            self._reader.answered(one.row.item_id, one.row.prompt, one.row.answer) if one.row.answer.strip() else None
        )


class _Speaker:
    """The model that answers."""

    def __init__(self, recipe: Recipe, by: Start, *, device: str) -> None:
        self._recipe = recipe
        self._tokenizer = models.load_tokenizer(recipe.base_model)
        dtype, in_four_bits = models.choose_dtype(device), recipe.adapter == "qlora"
        base = models.load_base(recipe.base_model, device=device, dtype=dtype, is_quantized=in_four_bits)
        self._model: Any = PeftModel.from_pretrained(base, by.folder) if by.folder else base
        self._end_ids = models.read_end_ids(self._tokenizer, recipe.base_model)

    def answer(self, group: Sequence[Asked]) -> dict[str, list[Told]]:
        recipe = self._recipe
        prompts = [one.prompt_ids for one in group for _ in range(recipe.made_answers)]
        found = generate(
            self._model,
            prompts,
            end_ids=self._end_ids,
            max_new_tokens=min(recipe.made_tokens, recipe.max_tokens - max(map(len, prompts))),
            draw=Draw(recipe.made_temperature, seed=_seed(recipe.seed, group)),
        )
        texts = [Told(self._text(answer.ids), answer.is_whole) for answer in found]
        size = recipe.made_answers
        return {one.row.item_id: texts[at * size : (at + 1) * size] for at, one in enumerate(group)}

    def _text(self, ids: Iterable[int]) -> str:
        return str(self._tokenizer.decode([token for token in ids if token not in self._end_ids])).strip()


def _seed(seed: int, group: Sequence[Asked]) -> int:
    """Dice of its own for each group, so that it does not matter which was drawn before."""
    names = "\0".join([str(seed), *(one.row.item_id for one in group)])
    return int.from_bytes(hashlib.sha256(names.encode()).digest()[:4])


def _read(file: Path) -> dict[str, list[Told]]:
    """Every whole line; a kill may have cut the last one off."""
    drawn: dict[str, list[Told]] = {}
    for line in file.read_bytes().splitlines() if file.exists() else ():
        with suppress(ValueError):
            name, answers = json.loads(line)
            drawn[name] = [Told(text, is_whole) for text, is_whole in answers]
    return drawn
