"""Connect to the record's file, and say in plain words why that cannot be.

Only a damaged file wants its backup back; every other cause has a remedy of its own. Does not know what is in the file
(`collect.store`), nor whether one of its files is missing (`collect.integrity`).
"""

from pathlib import Path
from typing import Final

import duckdb

from collect.causes import RESTORE, find_cause
from collect.integrity import foreign_log
from nightschool.errors import RecordError, Unavailable

NEVER: Final = "1TB"
"""A log of this size DuckDB would fold in by itself, inside of a commit; the writer does before, between two."""
FORMAT: Final = "v1.4.0"
"""Of a new file: from this on DuckDB names the file in each of its logs, and refuses another's."""
SPILL_FACTOR: Final = 4
"""A question may put this many times its memory into the temporary folder, and not fill the disk."""
FOREIGN_LOG: Final = "WAL does not match database"


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
    cause = find_cause(error)
    if cause is None or cause.is_damage:
        return RecordError(f"is damaged ({error})", subject=str(file), remedy=RESTORE)
    return Unavailable(cause.problem, subject=str(file), remedy=cause.remedy)


def cannot_use(folder: Path, error: OSError) -> Unavailable:
    """The record's folder is not ours to use."""
    cause = find_cause(error)
    problem = cause.problem if cause else f"cannot be used ({error.strerror})"
    remedy = cause.remedy if cause else "Set NIGHTSCHOOL_HOME to another folder."
    return Unavailable(problem, subject=error.filename or str(folder), remedy=remedy)
