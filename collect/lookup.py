"""Find rows by an indexed column, for one name or many, in the way for which DuckDB asks the index soonest.

Few names stand as values in the statement: as one list they cost three times as much. Many are one list: as values each
is planned for itself. Does not know what is stored.
"""

from collections.abc import Sequence
from typing import Any, Final

from collect.store import Cursor

LISTED_FROM: Final = 64
"""Here both take as long."""
LISTED: Final = "select unnest($names::text[])"


def find_rows(cursor: Cursor, question: str, names: Sequence[str]) -> list[tuple[Any, ...]]:
    """What `question` finds for these names, which it has as `in ({names})`, once or more."""
    if not names:
        return []
    if len(names) >= LISTED_FROM:
        return cursor.execute(question.format(names=LISTED), {"names": names}).fetchall()
    values = ", ".join(f"${place}" for place in range(1, len(names) + 1))
    return cursor.execute(question.format(names=values), names).fetchall()
