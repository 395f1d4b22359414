"""The tree of errors is drawn as it is."""

import re

from nightschool import errors
from nightschool.errors import NightschoolError

LINE = re.compile(r"^[ |'-]*(\w+)(?: +(\d+))?(?: +exit (\d+))?", re.MULTILINE)


def test_every_error_stands_in_the_tree_with_its_status_and_exit_code() -> None:
    drawn = LINE.findall(str(errors.__doc__).partition("\n\n    ")[2].rstrip())
    found = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, NightschoolError)]
    kinds = {kind.__name__: kind for kind in found}
    assert sorted(name for name, _, _ in drawn) == sorted(kinds)
    assert [name for name, status, _ in drawn if status and int(status) != kinds[name].status] == []
    assert [name for name, _, code in drawn if code and int(code) != kinds[name].exit_code] == []
