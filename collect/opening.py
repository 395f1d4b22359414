"""Connect to the record's file, and say in plain words why that cannot be.

Only a damaged file wants its backup back; every other cause has a remedy of its own. Does not know what is in the file
(`collect.store`), nor whether one of its files is missing (`collect.integrity`).
"""

from pathlib import Path
from typing import Final

import duckdb

from collect.integrity import foreign_log
from nightschool.errors import RecordError, Unavailable

NEVER: Final = "1TB"
"""A log of this size DuckDB would fold in by itself, inside of a commit; the writer does before, between two."""
FORMAT: Final = "v1.4.0"
"""Of a new file: from this on DuckDB names the file in each of its logs, and refuses another's."""
SPILL_FACTOR: Final = 4
"""A question may put this many times its memory into the temporary folder, and not fill the disk."""
FOREIGN_LOG: Final = "WAL does not match database"
WHY: Final = (
    # DuckDB has no types of its own for these, only its words.
    (
        "Could not set lock on file",
        "another Nightschool server runs on this data folder",
        "Stop that one first, or set NIGHTSCHOOL_HOME to another folder.",
    ),
    (
        "different configuration",
        "is open in this process already",
        "Close it first, or set NIGHTSCHOOL_HOME to another folder.",
    ),
    ("Permission denied", "belongs to another user or may not be written", "Give it to the user who runs the server."),
    ("Read-only file system", "lies on a file system that may only be read", "Set NIGHTSCHOOL_HOME to another folder."),
    ("No space left on device", "finds no room on its disk", "Free some; the record itself is whole."),
    ("Is a directory", "is a folder", "Move it away; a record is one file."),
    ("newer version of DuckDB", "was written by a newer Nightschool", "Upgrade Nightschool."),
    ("Out of Memory", "wants more memory than store.memory_gib gives", "Raise store.memory_gib."),
    ("Memory must have", "is given a memory that is none", "Mend store.memory_gib."),
)


def connect_record(
    file: Path, *, temp: Path, memory_gib: float, threads: int, read_only: bool = False
) -> duckdb.DuckDBPyConnection:
    """A connection to the file, made where there is none. Raises Unavailable or RecordError, as `cannot_open` words it.

    Read only, what its log holds is seen, and nothing is changed.
    """
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory_gib}GiB",
        "threads": threads,
        "temp_directory": str(temp),
        "max_temp_directory_size": f"{SPILL_FACTOR * memory_gib}GiB",
        "checkpoint_threshold": NEVER,
        "storage_compatibility_version": FORMAT,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    try:
        return duckdb.connect(file, read_only=read_only, config=settings)
    except duckdb.Error as error:
        raise cannot_open(file, error) from error


def cannot_open(file: Path, error: duckdb.Error) -> Unavailable | RecordError:
    """What to do depends on why; only a damaged file wants its backup back."""
    if FOREIGN_LOG in str(error):
        return foreign_log(file)
    for words, problem, remedy in WHY:
        if words in str(error):
            return Unavailable(problem, subject=str(file), remedy=remedy)
    return RecordError(f"is damaged ({error})", subject=str(file), remedy="Bring back a backup: nightschool restore.")
