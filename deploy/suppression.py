"""What was erased stays erased, also where an older record comes back: a list of erasures beside the record.

A backup holds what was erased after it was taken, and knows nothing of that. So each erasure is kept as a file of ids
too, never a word of anybody, and what a restored record brings back is erased again. Does not know what an erasure
removes (`deploy.erasing`).
"""

import json
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from collect.erase import Wish, erase_rows, find_erasure
from collect.offline import opened
from collect.writer import Cursor
from nightschool.errors import NotFound, RecordError
from nightschool.files import write_atomic

WISHES: Final = TypeAdapter(Wish)
ENDING: Final = ".wish"
AGAIN: Final = "again, since a backup from before it was restored"


def keep_wish(folder: Path, wish: Wish) -> None:
    """What goes for its age is not kept: the clock finds it again."""
    if wish.kind == "age":
        return
    folder.mkdir(parents=True, exist_ok=True)
    kept = {"schema_version": 1, **WISHES.dump_python(wish, mode="json")}
    write_atomic(folder / f"{wish.erasure_id}{ENDING}", json.dumps(kept) + "\n")


def erase_again(record: Path, *, temp: Path, folder: Path, now: datetime) -> list[str]:
    """Erase from a record that was restored just now what the list in `folder` names and it does not know; the ids.

    Not for one in use: whoever was forgotten may have come back, and has a right to what they said since. Raises
    RecordError where the list is damaged.
    """
    with opened(record, temp=temp) as connection:
        connection.begin()
        again = _erase(connection, folder=folder, now=now)
        connection.commit()
    return again


def _erase(cursor: Cursor, *, folder: Path, now: datetime) -> list[str]:
    found = [_read(file) for file in folder.glob(f"*{ENDING}")]
    again = []
    for kept in sorted(found, key=lambda kept: (kept.at, kept.erasure_id)):
        reason = f"{kept.reason} ({AGAIN})" if kept.reason else AGAIN
        wish = replace(kept, reason=reason, at=now)
        with suppress(NotFound):
            if find_erasure(cursor, wish.erasure_id) is None:
                erase_rows(cursor, wish=wish)
                again.append(wish.erasure_id)
    return again


def _read(file: Path) -> Wish:
    try:
        return WISHES.validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        # Without the library's words, which quote what stands in the file.
        raise RecordError(
            "cannot be read, and says what was erased since the backup",
            subject=str(file),
            remedy="Put a copy of it there. Or move it away: what it names is back then.",
        ) from error
