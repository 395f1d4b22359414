"""The audit cannot be changed unseen: each line holds the hash of the one before."""

import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from collect.audit import Fault, verify_audit
from collect.events import Sought, append_event, find_events, list_events
from collect.migrations.runner import MIGRATIONS, migrate
from collect.store import Cursor, open_store
from nightschool.records import BotName, Event

from .conftest import AT, BOT

ROOT = Path(__file__).parents[2]
NOTE_UNTIL_KILLED = """
import asyncio, sys
from functools import partial
from pathlib import Path
from collect.events import append_event
from collect.store import open_store
from nightschool.records import BotName, Event, new_id, utc_now

async def note(store):
    while True:
        event = Event(new_id(), utc_now(), BotName("support"), "ada", "held", "support", "why")
        await store.write(partial(append_event, event=event))
        print(event.event_id, flush=True)

async def main():
    folder = Path(sys.argv[1])
    async with open_store(folder / "record.duckdb", temp=folder / "temp", memory_gib=0.5, threads=1) as store:
        await asyncio.gather(*(note(store) for _ in range(8)))

asyncio.run(main())
"""


def line(number: int, *, actor: str = "ada", at_h: int = 0) -> Event:
    return Event(f"e{number}", AT + timedelta(hours=at_h), BOT, actor, "held", f"support@{number}", "")


@pytest.fixture
def chain(cursor: Cursor) -> Cursor:
    """Six lines."""
    for number in range(1, 7):
        append_event(cursor, event=line(number))
    return cursor


def test_what_was_only_added_to_stands(chain: Cursor) -> None:
    append_event(chain, event=line(3))
    found = verify_audit(chain)
    assert (found.lines, found.before, found.faults) == (6, 0, [])
    append_event(chain, event=line(7))
    assert verify_audit(chain, expected=found.head).faults == []
    assert verify_audit(chain).head != found.head


def test_an_empty_audit_stands(cursor: Cursor) -> None:
    assert verify_audit(cursor).faults == []


CHANGED = "was changed"
MISSING = "is missing"


@pytest.mark.parametrize(
    ("harm", "faults"),
    [
        ("update events set reason = 'another' where number = 3", [Fault(3, CHANGED)]),
        ("update events set actor = 'eve' where number = 6", [Fault(6, CHANGED)]),
        ("update events set happened_at = happened_at + interval 1 second where number = 1", [Fault(1, CHANGED)]),
        ("update events set line_hash = 'x' where number = 2", [Fault(2, CHANGED)]),
        ("update events set previous_hash = 'x' where number = 2", [Fault(2, CHANGED)]),
        ("delete from events where number = 1", [Fault(1, MISSING)]),
        ("delete from events where number = 4", [Fault(4, MISSING)]),
        ("delete from events where number = 6", [Fault(6, MISSING)]),
        ("delete from events where number in (3, 4)", [Fault(3, "and all up to 4 are missing")]),
        ("delete from events", [Fault(1, "and all up to 6 are missing")]),
        (
            "update events set number = case number when 2 then 5 else 2 end where number in (2, 5)",
            [Fault(2, "was written as line 5 and moved here"), Fault(5, "was written as line 2 and moved here")],
        ),
    ],
)
def test_what_was_done_to_it_is_named(chain: Cursor, harm: str, faults: list[Fault]) -> None:
    chain.execute(harm)
    found = verify_audit(chain).faults
    assert [fault for fault in found if "was replaced" not in fault.problem] == faults


def test_a_line_that_was_written_anew_with_its_hash_is_given_away_by_the_next(chain: Cursor) -> None:
    with duckdb.connect() as other:
        migrate(other)
        for number in range(1, 7):
            append_event(other, event=line(number, actor="eve" if number == 4 else "ada"))
        [(forged,)] = other.execute("select line_hash from events where number = 4").fetchall()
        head = verify_audit(other).head
    before = verify_audit(chain).head
    chain.execute("update events set actor = 'eve', line_hash = $forged where number = 4", {"forged": forged})
    [fault] = verify_audit(chain).faults
    assert (fault.number, "was replaced" in fault.problem) == (4, True)
    assert before != head


def test_a_line_that_was_put_in_is_named(chain: Cursor) -> None:
    chain.execute("insert into events select * replace ('x' as event_id, 7 as number) from events where number = 6")
    assert {fault.number for fault in verify_audit(chain).faults} == {7}
    chain.execute("update events set number = 6 where event_id = 'x'")
    assert {fault.problem for fault in verify_audit(chain).faults} >= {"stands more than once"}


def test_a_chain_written_anew_is_told_by_a_hash_kept_elsewhere(chain: Cursor) -> None:
    kept = verify_audit(chain).head
    chain.execute("delete from events")
    chain.execute("update audit_head set number = 0, line_hash = ''")
    for number in range(1, 4):
        append_event(chain, event=line(number, actor="eve"))
    assert verify_audit(chain).faults == []
    [fault] = verify_audit(chain, expected=kept).faults
    assert "written anew" in fault.problem


def test_the_chain_of_an_older_record_starts_with_a_hash_of_what_stood_there() -> None:
    with duckdb.connect() as connection:
        age = [m.name for m in MIGRATIONS].index("m019_audit_chain")
        migrate(connection, migrations=MIGRATIONS[:age])
        for number in (1, 2):
            connection.execute(
                "insert into events (event_id, happened_at, bot, actor, action, subject, reason) "
                "values ($id, $at, 'support', 'ada', 'held', 'support', '')",
                {"id": f"old{number}", "at": AT},
            )
        migrate(connection)
        assert verify_audit(connection).faults == []
        append_event(connection, event=line(1))
        found = verify_audit(connection)
        assert (found.lines, found.before, found.faults) == (1, 2, [])
        assert next(event.event_id for event in list_events(connection)) == "e1"
        connection.execute("update events set reason = 'another' where event_id = 'old2'")
        assert [fault.number for fault in verify_audit(connection).faults] == [0]


def test_a_clock_set_back_puts_no_line_behind_an_older_one(cursor: Cursor) -> None:
    for event in (line(1, at_h=5), line(2)):
        append_event(cursor, event=event)
    assert [event.event_id for event in list_events(cursor)] == ["e2", "e1"]


def test_lines_are_found_by_who_what_and_when(cursor: Cursor) -> None:
    for number, actor in enumerate(("Ada (console)", "eve (command line)", "the gate")):
        append_event(cursor, event=line(number, actor=actor, at_h=number))

    def found(sought: Sought) -> list[str]:
        return [event.event_id for event in find_events(cursor, sought=sought, limit=10)]

    assert found(Sought()) == ["e2", "e1", "e0"]
    assert found(Sought(actor="ada")) == ["e0"]
    assert found(Sought(action="HELD", subject="@1")) == ["e1"]
    assert found(Sought(since=AT + timedelta(hours=1))) == ["e2", "e1"]
    assert found(Sought(until=AT + timedelta(hours=1))) == ["e0"]
    assert found(Sought(bot=BotName("reviewer"))) == []
    # Signs of a pattern are letters like any other.
    assert found(Sought(actor="%")) == []


async def test_a_chain_survives_kill_9(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", NOTE_UNTIL_KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as server:
        assert server.stdout
        told = [server.stdout.readline() for _ in range(30)]
        server.kill()
        told += [line for line in server.stdout.readlines() if line.endswith("\n")]
    assert server.returncode == -signal.SIGKILL
    async with open_store(tmp_path / "record.duckdb", temp=tmp_path / "temp", memory_gib=0.5, threads=1) as store:
        found = await store.read(verify_audit)
        kept = {event.event_id for event in await store.read(lambda cursor: list_events(cursor, limit=100_000))}
    assert found.faults == []
    assert found.lines == len(kept)
    assert {line.strip() for line in told} <= kept
