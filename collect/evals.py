"""Evals that callers made: what is graded, and by which criteria. Each is its owner's alone.

Criteria and sources are kept as they were ordered: this module does not know how anything is graded. Runs are
`collect.eval_runs`', what their rows came to is `collect.eval_outputs`'.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from collect.store import Cursor
from nightschool.errors import NotFound

COLUMNS: Final = "eval_id, owner, name, source_json, criteria_json, metadata_json, created_at, updated_at"
"""Of an eval, in the order of its fields."""
ADD: Final = f"""
insert into evals ({COLUMNS})
values ($eval_id, $owner, $name, $source_json, $criteria_json, $metadata_json, $created_at, $updated_at)
"""
ONE: Final = f"""
select {COLUMNS}
from evals where eval_id = $eval_id and ($owner is null or owner = $owner)
"""
LIST: Final = f"""
select {COLUMNS}
from evals where $owner is null or owner = $owner
order by created_at, eval_id
"""
CHANGE: Final = """
update evals set name = $name, metadata_json = $metadata_json, updated_at = $at where eval_id = $eval_id
"""
DELETE: Final = "delete from evals where eval_id = $eval_id"


@dataclass(frozen=True, slots=True)
class Eval:
    eval_id: str
    owner: str
    name: str
    source_json: str
    """For what kind of rows it is."""
    criteria_json: str
    metadata_json: str
    created_at: datetime
    updated_at: datetime


def add_eval(cursor: Cursor, *, made: Eval) -> Eval:
    cursor.execute(ADD, asdict(made))
    return made


def find_eval(cursor: Cursor, *, eval_id: str, owner: str | None = None) -> Eval:
    """Raises NotFound, also where it is somebody else's; `owner` None is an operator's look."""
    row = cursor.execute(ONE, {"eval_id": eval_id, "owner": owner}).fetchone()
    if row is None:
        raise no_such_eval(eval_id)
    return _eval(row)


def list_evals(cursor: Cursor, *, owner: str | None = None) -> list[Eval]:
    """Oldest first; of everybody where `owner` is None."""
    return [_eval(row) for row in cursor.execute(LIST, {"owner": owner}).fetchall()]


def change_eval(cursor: Cursor, *, eval_id: str, owner: str, name: str, metadata_json: str, at: datetime) -> Eval:
    """Raises NotFound."""
    find_eval(cursor, eval_id=eval_id, owner=owner)
    cursor.execute(CHANGE, {"eval_id": eval_id, "name": name, "metadata_json": metadata_json, "at": at})
    return find_eval(cursor, eval_id=eval_id, owner=owner)


def delete_eval(cursor: Cursor, *, eval_id: str) -> None:
    """The eval alone, whose runs are gone already."""
    cursor.execute(DELETE, {"eval_id": eval_id})


def no_such_eval(eval_id: str) -> NotFound:
    return NotFound(
        "does not exist or is not yours", subject=f"eval {eval_id[:80]!r}", remedy="GET /v1/evals lists yours."
    )


def _eval(row: tuple[Any, ...]) -> Eval:
    return Eval(row[0], row[1], row[2], row[3], row[4], row[5], row[6].astimezone(UTC), row[7].astimezone(UTC))
