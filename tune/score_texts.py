"""Have a run's reward model score answers that stand in a file: a process of its own, on the processor.

In: a folder with `texts.json`, which names the run. Out: `scores.json` beside it, a number for each text in their
order, null for one that is too long for the model or has none. Does not know who answered, nor what for.
Run: python -m tune.score_texts FOLDER. Exit code 0 done, 2 bad input, 1 anything else.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from nightschool.errors import InvalidInput, NightschoolError
from nightschool.files import write_atomic
from nightschool.prompt import Neutraliser
from nightschool.records import ChatMessage
from tune.lessons import Reader
from tune.recipe import read_recipe

TEXTS: Final = "texts.json"
SCORES: Final = "scores.json"
ROWS_AT_ONCE: Final = 4
"""Beside an engine that serves there is no room for a trainer's batch."""
_SCORES: Final = TypeAdapter(list[float | None])


class Text(BaseModel):
    """An answer, and what was said before it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    messages: tuple[ChatMessage, ...]
    answer: str


class TextsFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    run: str
    """The folder of the run whose reward model scores."""
    texts: tuple[Text, ...]


def score_texts(folder: Path) -> None:
    """Raises InvalidInput."""
    asked = _read(folder / TEXTS)
    run = Path(asked.run)
    from tune import model as models  # noqa: PLC0415 - torch takes seconds, and bad input is told at once
    from tune.methods.reward import Judge  # noqa: PLC0415

    recipe = read_recipe(run).model_copy(update={"micro_batch_size": ROWS_AT_ONCE})
    tokenizer = models.load_tokenizer(recipe.base_model)
    reader = Reader(
        tokenizer,
        ends=models.read_end_tokens(tokenizer, recipe.base_model),
        max_tokens=recipe.max_tokens,
        neutraliser=Neutraliser(models.read_control_tokens(tokenizer)),
    )
    rows = [reader.answered(str(at), text.messages, text.answer) for at, text in enumerate(asked.texts)]
    whole = [row for row in rows if row is not None]
    found = dict(zip((row.item_id for row in whole), Judge(recipe, run, device="cpu").score(whole), strict=True))
    scores = (found.get(str(at), math.nan) for at in range(len(rows)))
    write_atomic(folder / SCORES, json.dumps([score if math.isfinite(score) else None for score in scores]) + "\n")


def read_scores(folder: Path) -> list[float | None]:
    """What `score_texts` left."""
    return _SCORES.validate_json((folder / SCORES).read_bytes())


def _read(file: Path) -> TextsFile:
    try:
        return TextsFile.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise InvalidInput("holds no texts to score", subject=str(file), remedy="Examine again.") from error


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tune.score_texts", description="Score answers by a run's reward model.")
    parser.add_argument("folder", type=Path, help="folder that holds texts.json")
    folder = parser.parse_args(arguments).folder
    os.environ.setdefault("TQDM_DISABLE", "1")  # bars would fill the log
    try:
        score_texts(folder)
    except NightschoolError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
