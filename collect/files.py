"""Which files callers have here, each its owner's alone. The bytes lie in the data folder, by their content hash."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from collect.store import Cursor
from nightschool.errors import NotFound, TooManyRequests

COLUMNS: Final = "file_id, owner, filename, purpose, size_bytes, content_hash, about_json, created_at"
"""Of a file, in the order of its fields."""
ADD: Final = f"""
insert into files ({COLUMNS})
values ($file_id, $owner, $filename, $purpose, $size_bytes, $content_hash, $about_json, $created_at)
"""
ONE: Final = f"""
select {COLUMNS}
from files where file_id = $file_id and owner = $owner
"""
LIST: Final = f"""
select {COLUMNS}
from files where owner = $owner and ($purpose is null or purpose = $purpose)
order by created_at, file_id
"""
DELETE: Final = "delete from files where file_id = $file_id"
USED: Final = "select coalesce(sum(size_bytes), 0) from files where owner = $owner"
KEPT: Final = "select count(*) from files where content_hash = $content_hash"


@dataclass(frozen=True, slots=True)
class StoredFile:
    file_id: str
    owner: str
    filename: str
    purpose: str
    size_bytes: int
    content_hash: str
    about_json: str
    """What a look at it found: format, rows, tokens."""
    created_at: datetime

    @property
    def about(self) -> Mapping[str, Any]:
        found: dict[str, Any] = json.loads(self.about_json)
        return found


class Page(NamedTuple):
    files: list[StoredFile]
    has_more: bool


def add_file(cursor: Cursor, *, file: StoredFile, max_owner_bytes: int) -> None:
    """Raises TooManyRequests where the owner would have more than `max_owner_bytes`."""
    row = cursor.execute(USED, {"owner": file.owner}).fetchone()
    if row and row[0] + file.size_bytes > max_owner_bytes:
        raise TooManyRequests(
            f"has {row[0]} bytes of files, and may have {max_owner_bytes}",
            subject="API key",
            remedy="Delete some first (DELETE /v1/files/ID).",
        )
    cursor.execute(ADD, asdict(file))


def find_file(cursor: Cursor, *, file_id: str, owner: str) -> StoredFile:
    """Raises NotFound, also where it is somebody else's."""
    row = cursor.execute(ONE, {"file_id": file_id, "owner": owner}).fetchone()
    if row is None:
        raise no_such_file(file_id)
    return _file(row)


def list_files(
    cursor: Cursor, *, owner: str, purpose: str | None, after: str | None, limit: int, is_newest_first: bool
) -> Page:
    """At most `limit` behind the file `after`. Raises NotFound where there is no such file."""
    files = [_file(row) for row in cursor.execute(LIST, {"owner": owner, "purpose": purpose}).fetchall()]
    if is_newest_first:
        files.reverse()
    if after is not None:
        places = [place for place, file in enumerate(files, start=1) if file.file_id == after]
        if not places:
            raise no_such_file(after)
        files = files[places[0] :]
    return Page(files[:limit], len(files) > limit)


def delete_file(cursor: Cursor, *, file_id: str, owner: str) -> bool:
    """Whether nobody needs its bytes any more. Raises NotFound."""
    file = find_file(cursor, file_id=file_id, owner=owner)
    cursor.execute(DELETE, {"file_id": file_id})
    row = cursor.execute(KEPT, {"content_hash": file.content_hash}).fetchone()
    return row is not None and row[0] == 0


def no_such_file(file_id: str) -> NotFound:
    return NotFound(
        "does not exist or is not yours", subject=f"file {file_id[:80]!r}", remedy="GET /v1/files lists yours."
    )


def _file(row: tuple[Any, ...]) -> StoredFile:
    return StoredFile(
        row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7].astimezone(UTC),
    )  # fmt: skip
