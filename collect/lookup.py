"""Find rows by an indexed column, for one name or many: as values in the statement, for which DuckDB asks the index.

Names that come as one list parameter cost three times as much where they are few. Does not know what is stored.
"""

from collections.abc import Sequence
from typing import Any

from collect.store import Cursor


def find_rows(cursor: Cursor, question: str, names: Sequence[str]) -> list[tuple[Any, ...]]:
    """What `question` finds for these names, which it has as `in ({names})`."""
    return cursor.execute(question.format(names=", ".join("?" * len(names))), names).fetchall()
