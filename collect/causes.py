"""Why DuckDB could not do something, in plain words with the one remedy that helps: told apart by what DuckDB says.

It has no types of its own for these. Only a damaged file wants its backup back. Does not know whether the record was
being opened or was in use.
"""

from typing import Final, NamedTuple

from nightschool.errors import Unavailable

RESTORE: Final = "Bring back a backup: nightschool restore."


class Cause(NamedTuple):
    words: str
    """What DuckDB's message holds."""
    problem: str
    remedy: str
    is_damage: bool = False


FULL_DISK: Final = Cause(
    "No space left on device", "finds no room on its disk", "Free some; the record itself is whole."
)
FULL_FILE: Final = Cause("File too large", "may grow no further", "Raise the limit on a file's size (ulimit -f).")
CAUSES: Final = (
    Cause(
        "Could not set lock on file",
        "another Nightschool server runs on this data folder",
        "Stop that one first, or set NIGHTSCHOOL_HOME to another folder.",
    ),
    Cause(
        "different configuration",
        "is open in this process already",
        "Close it first, or set NIGHTSCHOOL_HOME to another folder.",
    ),
    Cause(
        "Permission denied",
        "belongs to another user or may not be written",
        "Give it and its folder to the user who runs the server.",
    ),
    Cause(
        "Read-only file system",
        "lies on a file system that may only be read",
        "Let that be written, or set NIGHTSCHOOL_HOME to another folder.",
    ),
    FULL_DISK,
    FULL_FILE,
    Cause("Is a directory", "is a folder", "Move it away; a record is one file."),
    Cause("newer version of DuckDB", "was written by a newer Nightschool", "Upgrade Nightschool."),
    Cause("Out of Memory", "wants more memory than store.memory_gib gives", "Raise store.memory_gib."),
    Cause("failed to allocate", "wants more memory than store.memory_gib gives", "Raise store.memory_gib."),
    Cause("Memory must have", "is given a memory that is none", "Mend store.memory_gib."),
    Cause("Corrupt database file", "is damaged", RESTORE, is_damage=True),
    Cause("Could not read enough bytes", "is damaged: its file is cut short", RESTORE, is_damage=True),
    Cause("not a valid DuckDB database file", "is damaged", RESTORE, is_damage=True),
)


def find_cause(error: BaseException) -> Cause | None:
    """The cause that the message names; None where it names none of these."""
    return next((cause for cause in CAUSES if cause.words in str(error)), None)


def closed_record() -> Unavailable:
    """What whoever comes behind the end of the record is told."""
    return Unavailable("is closed", subject="record", remedy="The server is stopping; start it again.")
