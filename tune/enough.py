"""Whether enough is left of a dataset to train on, once its rows are tokens; and the run's word for it where not.

A dataset counts rows, but what is learnt is what fits into max_tokens. So the trainer asks here behind encoding, before
it loads the model: where too little is left it leaves INSUFFICIENT in the run folder, with the reason, and ends;
whoever started it reads that file. Does not know tokens, nor what becomes of the night.
"""

from pathlib import Path
from typing import Final

from nightschool.errors import NotEnoughRows
from nightschool.files import write_atomic

INSUFFICIENT: Final = "INSUFFICIENT"


def check_enough(run: Path, *, rows: int, of: int, min_rows: int, max_tokens: int) -> None:
    """Raises NotEnoughRows where of the dataset's `of` rows only `rows` can be trained on and `min_rows` are wanted."""
    if rows >= min_rows:
        (run / INSUFFICIENT).unlink(missing_ok=True)
        return
    why = (
        f"{rows} of {of} training rows are left within recipe.max_tokens = {max_tokens}; "
        f"recipe.min_examples asks for {min_rows}"
    )
    write_atomic(run / INSUFFICIENT, f"{why}\n")
    raise not_enough(run, why)


def read_insufficient(run: Path) -> str | None:
    """Why the run would not train; None where it did not say so."""
    file = run / INSUFFICIENT
    return file.read_text(encoding="utf-8").strip() if file.exists() else None


def not_enough(run: Path, why: str) -> NotEnoughRows:
    return NotEnoughRows(
        why, subject=run.name, remedy="Raise recipe.max_tokens, lower recipe.min_examples, or wait for more rows."
    )
