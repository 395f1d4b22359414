"""Look a record or a backup of it over, every row: python -m collect.check FILE|FOLDER

By hand of another process, since a damaged file may end the one that reads it. Nothing is changed. The last line is one
JSON object: what was found, or what is wrong in words for people.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import duckdb

from collect.causes import RESTORE
from collect.integrity import check_files
from collect.migrations.runner import check_known
from collect.opening import cannot_open, connect_record
from collect.whole import MAKE_ANEW, TABLES, examine_whole, quoted
from collect.writer import Cursor
from nightschool.errors import NightschoolError, RecordError

NICENESS: Final = 10
TIMEOUT_S: Final = 3600
MEMORY_GIB: Final = 1.0
THREADS: Final = 2
READ: Final = "select count(*), sum(hash(kept)::hugeint) from {table} as kept"
LOOSE: Final[Mapping[str, str]] = {
    "messages of no conversation": """
select count(*) from messages as m where not exists (
    select 1 from conversations as c where c.conversation_id = m.conversation_id)""",
    "messages whose parent is in no or in another conversation": """
select count(*) from messages as m where m.parent_id is not null and not exists (
    select 1 from messages as p where p.message_id = m.parent_id and p.conversation_id = m.conversation_id)""",
    "messages twice in one place": "select count(*) - count(distinct position) from messages",
    "votes on no message": """
select count(*) from feedback as f where not exists (select 1 from messages as m where m.message_id = f.message_id)""",
    "rulings on no message": """
select count(*) from reviews as r where not exists (select 1 from messages as m where m.message_id = r.message_id)""",
}


class Found(NamedTuple):
    """What was read."""

    tables: Mapping[str, int]
    """Rows of each."""
    faults: tuple[str, ...] = ()
    content_hash: str = ""
    """Of a backup."""

    @property
    def messages(self) -> int:
        return self.tables.get("messages", 0)


def examine_in_child(path: Path, *, timeout_s: float = TIMEOUT_S) -> Found:
    """What another process finds in a record or a backup. Raises what it could not read, or RecordError."""
    command = [sys.executable, "-m", "collect.check", str(path)]
    try:
        ended = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", check=False, timeout=timeout_s
        )
    except subprocess.TimeoutExpired as error:
        slow = f"was not read through within {timeout_s:g} s"
        raise RecordError(slow, subject=str(path), remedy="Look at the disk that it lies on.") from error
    lines = ended.stdout.splitlines()
    if ended.returncode or not lines:
        why = ended.stderr.strip().splitlines()[-1:] or [f"it ended by signal {-ended.returncode}"]
        remedy = MAKE_ANEW if path.is_dir() else RESTORE
        raise RecordError(f"cannot be read through ({why[0]})", subject=str(path), remedy=remedy)
    told: dict[str, Any] = json.loads(lines[-1])
    if "problem" in told:
        raise RecordError(told["problem"], subject=told["subject"], remedy=told["remedy"])
    return Found(told["tables"], tuple(told["faults"]), told["content_hash"])


def examine_tables(cursor: Cursor) -> Found:
    """Read every row of an open record, and look for what belongs to nothing."""
    names = [name for (name,) in cursor.execute(TABLES).fetchall()]
    tables = {name: _rows(cursor, name) for name in names}
    is_record = {"messages", "conversations", "feedback", "reviews"} <= set(names)
    counts = {what: _count(cursor, question) for what, question in LOOSE.items()} if is_record else {}
    return Found(tables, tuple(f"{count:,} {what}" for what, count in counts.items() if count))


def _rows(cursor: Cursor, name: str) -> int:
    [(rows, _)] = cursor.execute(READ.format(table=quoted(name))).fetchall()
    return int(rows)


def _count(cursor: Cursor, question: str) -> int:
    [(count,)] = cursor.execute(question).fetchall()
    return int(count)


def _examine_file(file: Path) -> Found:
    check_files(file)
    if not file.exists():
        raise RecordError("is missing", subject=str(file), remedy=RESTORE)
    temp = file.parent / "temp"
    connection = connect_record(file, temp=temp, memory_gib=MEMORY_GIB, threads=THREADS, read_only=True)
    try:
        check_known(connection)
        return examine_tables(connection)
    except duckdb.Error as error:
        raise cannot_open(file, error) from error
    finally:
        connection.close()


def _examine(path: Path) -> dict[str, Any]:
    try:
        if path.is_dir():
            taken = examine_whole(path)
            rows = {name: table.rows for name, table in taken.card.tables.items()}
            return Found(rows, content_hash=taken.content_hash)._asdict()
        return _examine_file(path)._asdict()
    except NightschoolError as error:
        return {"problem": error.problem, "subject": error.subject, "remedy": error.remedy}


if __name__ == "__main__":
    os.nice(NICENESS)
    sys.stdout.write(json.dumps(_examine(Path(sys.argv[1]))) + "\n")
