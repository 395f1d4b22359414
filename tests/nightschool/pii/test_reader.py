"""Personal data is found in another process: in order, whatever became of the question before."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from nightschool.errors import Unavailable
from nightschool.pii.reader import TEXTS_AT_ONCE, open_reader
from nightschool.pii.spans import Kind, Span

MAIL = "ada@mailbox.example"
FAKE = """
import json, pathlib, sys
held = []
for line in sys.stdin:
    texts = json.loads(line)["texts"]
    if "die" in texts:
        sys.exit(1)
    held.append(json.dumps([[[0, len(text), "NAME"]] for text in texts]))
    if "hold" in texts:
        pathlib.Path(sys.argv[1]).touch()
        continue
    print(*held, sep="\\n", flush=True)
    held.clear()
"""
"""Finds that each text is one name; replies to a question that has "hold" with the next one alone."""


def fake(mark: Path) -> Sequence[str]:
    return (sys.executable, "-c", FAKE, str(mark))


async def test_what_has_a_shape_is_found_in_the_texts_order() -> None:
    texts = ["nothing here", f"I am {MAIL}", *("again" for _ in range(TEXTS_AT_ONCE)), f"{MAIL}, {MAIL}"]
    async with open_reader() as reader:
        found = await reader.find(texts, names=False)
        assert await reader.find([], names=False) == []
    assert [len(spans) for spans in found] == [0, 1, *([0] * TEXTS_AT_ONCE), 2]
    assert found[1] == [Span(5, 5 + len(MAIL), Kind.EMAIL)]


async def test_who_leaves_takes_nobody_else_s_reply_along(tmp_path: Path) -> None:
    mark = tmp_path / "asked"
    async with open_reader(fake(mark)) as reader:
        leaving = asyncio.create_task(reader.find(["hold"], names=True))
        while not mark.exists():
            await asyncio.sleep(0.005)
        leaving.cancel()
        await asyncio.wait({leaving})
        assert await reader.find(["four", "a"], names=True) == [[Span(0, 4, Kind.NAME)], [Span(0, 1, Kind.NAME)]]
        assert await reader.find(["seven"], names=True) == [[Span(0, 5, Kind.NAME)]]


async def test_a_child_that_dies_fails_the_question_and_the_next_one_begins_another(tmp_path: Path) -> None:
    async with open_reader(fake(tmp_path / "asked")) as reader:
        with pytest.raises(Unavailable, match="personal data") as failed:
            await reader.find(["die"], names=True)
        assert "die" not in str(failed.value).split()
        assert await reader.find(["four"], names=True) == [[Span(0, 4, Kind.NAME)]]


async def test_a_text_that_holds_the_child_up_costs_no_more_than_the_deadline(tmp_path: Path) -> None:
    async with open_reader(fake(tmp_path / "asked"), deadline_s=0.2) as reader:
        # The first question has longer, and so has the first one to each child after.
        assert await reader.find(["four"], names=True) == [[Span(0, 4, Kind.NAME)]]
        with pytest.raises(Unavailable):
            await reader.find(["hold"], names=True)
        assert await reader.find(["four"], names=True) == [[Span(0, 4, Kind.NAME)]]
    async with open_reader(fake(tmp_path / "asked"), start_s=0.2) as reader:
        with pytest.raises(Unavailable):
            await reader.find(["hold"], names=True)


async def test_where_there_is_no_such_program_it_is_said() -> None:
    async with open_reader(["/nowhere/at/all"]) as reader:
        with pytest.raises(Unavailable, match="Nothing was kept"):
            await reader.find(["text"], names=True)
