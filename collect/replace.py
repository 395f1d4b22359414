"""Put another record in the place of the one that is there: killed at any moment, either the old one stands or the new.

A note beside the record says what is to be done; from then on it is done, by us or by the next start. The record that
stood there is kept aside, with its log. Does not know where the new one comes from.
"""

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from collect.integrity import log_of, mark_of
from nightschool.files import replace_file, write_atomic

NOTE: Final = ".replacing"
DRAFT: Final = ".restored"


class Replacing(BaseModel):
    model_config = ConfigDict(frozen=True)

    draft: Path
    aside: Path


def draft_of(file: Path) -> Path:
    """Where the new record is to be built: on the same disk."""
    return file.with_name(file.name + DRAFT)


def discard_draft(file: Path) -> None:
    """Clear away what an earlier try left."""
    for path in (draft_of(file), log_of(draft_of(file))):
        path.unlink(missing_ok=True)


def replace_record(file: Path, *, aside: Path) -> None:
    """Put `draft_of(file)`, whole and closed, in the place of `file`, whose files go into the new folder `aside`."""
    write_atomic(_note(file), Replacing(draft=draft_of(file), aside=aside).model_dump_json())
    finish_replacing(file)


def finish_replacing(file: Path) -> bool:
    """Do what a note says that is not done yet; whether there was one. Before every look at the record."""
    note = _note(file)
    if not note.exists():
        return False
    wanted = Replacing.model_validate_json(note.read_bytes())
    if wanted.draft.exists():
        wanted.aside.mkdir(parents=True, exist_ok=True)
        for path in (file, log_of(file), mark_of(file)):
            if path.exists():
                path.rename(wanted.aside / path.name)
        replace_file(wanted.draft, file)
    note.unlink()
    return True


def _note(file: Path) -> Path:
    return file.with_name(file.name + NOTE)
