"""Rows are found by their names, few or many, also where a question has the names twice."""

import pytest

from collect.lookup import LISTED_FROM, find_rows
from collect.store import Cursor

BOTH = """
select a.name, b.number
from (select name from named where name in ({names})) as a
left join (select name, number from named where number < 3 and name in ({names})) as b using (name) order by all
"""


@pytest.mark.parametrize("count", [0, 1, 2, LISTED_FROM - 1, LISTED_FROM, 2_000])
def test_few_and_many_names_are_found_alike(cursor: Cursor, count: int) -> None:
    cursor.execute("create table named (name text primary key, number integer)")
    cursor.execute("insert into named select 'name ' || lpad(i::text, 4, '0'), i from range(3_000) as numbers(i)")
    names = [f"name {number:04}" for number in range(count)]
    wanted = [(name, number if number < 3 else None) for number, name in enumerate(names)]
    assert find_rows(cursor, BOTH, [*names, "nobody"]) == wanted
