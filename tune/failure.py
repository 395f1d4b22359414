"""Why a run ended before its end, in the words of the process that failed first, for whoever started it.

Of several processes the others fail for want of the first one, and their launcher has much to say of its own. Whoever
starts a run forgets the words of the start before.
"""

from contextlib import suppress
from pathlib import Path
from typing import Final

from nightschool.errors import NightschoolError

FAILED: Final = "FAILED"


def note_failure(run: Path, error: BaseException) -> None:
    """Leave its words, unless there are some already or there is no folder for them."""
    words = str(error) if isinstance(error, NightschoolError) else f"{type(error).__name__}: {error}"
    with suppress(OSError), (run / FAILED).open("x", encoding="utf-8") as file:
        file.write(words + "\n")


def read_failure(run: Path) -> str:
    """Empty where nobody said anything."""
    file = run / FAILED
    return file.read_text(encoding="utf-8").strip() if file.exists() else ""


def forget_failure(run: Path) -> None:
    (run / FAILED).unlink(missing_ok=True)
