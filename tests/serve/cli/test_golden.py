"""`nightschool golden`: what an operator keeps, and a file that is checked without a server."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

Nightschool = Callable[..., Awaitable[Any]]


async def test_a_case_is_added_listed_and_removed(nightschool: Nightschool) -> None:
    added = await nightschool("golden", "add", "tank/éà", "--ask", "How large?", "--must-say", "2 litres | two litres")
    assert (added.code, "next exam" in added.err) == (0, True)
    listed = {row["case"]["id"]: row for row in (await nightschool("golden", "list", "--json")).json}
    assert listed["tank/éà"]["case"]["must_say"] == [["2 litres", "two litres"]]
    assert "tank/éà\tHow large?\tadded here" in (await nightschool("golden", "list")).out
    assert (await nightschool("golden", "remove", "tank/éà")).code == 0
    assert (await nightschool("golden", "remove", "tank/éà")).code == 3


async def test_a_case_without_a_fact_is_refused(nightschool: Nightschool) -> None:
    said = await nightschool("golden", "add", "tank", "--ask", "How large?")
    assert (said.code, "asks nothing of the answer" in said.err) == (2, True)


async def test_a_file_is_checked_line_by_line(nightschool: Nightschool, tmp_path: Path) -> None:
    file = tmp_path / "golden.yaml"
    file.write_text("cases:\n- id: a\n  ask: why?\n  must_say: [because]\n- id: b\n  ask: why not?\n  must_sya: [x]\n")
    said = await nightschool("golden", "check", str(file))
    assert (said.code, "line 7" in said.err) == (2, True)
    file.write_text(file.read_text().replace("must_sya", "must_say"))
    said = await nightschool("golden", "check", str(file))
    assert (said.code, "2 golden cases, no fault" in said.err) == (0, True)
