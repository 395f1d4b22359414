"""Group commit: few commits for many writes, and a fault is the culprit's own."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from collect.integrity import Marker
from collect.writer import Cursor, Writer, record_error
from nightschool.errors import Busy, NightschoolError, RecordError


@pytest.fixture
def connection() -> Iterator[Cursor]:
    with duckdb.connect() as connection:
        connection.execute("create table kept (name text primary key)")
        yield connection


@pytest.fixture
def writer(connection: Cursor, tmp_path: Path) -> Iterator[Writer]:
    writer = Writer(connection.cursor(), Marker(tmp_path / "r.duckdb"), folder=tmp_path)
    yield writer
    writer.close()


def keep(name: str) -> Callable[[Cursor], str]:
    def change(cursor: Cursor) -> str:
        cursor.execute("insert into kept values ($name)", {"name": name})
        return name

    return change


def names(connection: Cursor) -> list[str]:
    return [name for (name,) in connection.execute("select name from kept order by name").fetchall()]


@contextmanager
def held(writer: Writer) -> Iterator[None]:
    """What is submitted inside the block waits together."""
    has_begun, may_go = threading.Event(), threading.Event()

    def hold(cursor: Cursor) -> None:
        has_begun.set()
        may_go.wait()

    holding = writer.submit(hold)
    has_begun.wait()
    yield
    may_go.set()
    holding.result()


def test_twenty_who_write_at_once_share_a_commit(writer: Writer, connection: Cursor) -> None:
    before = writer.commits
    with held(writer):
        waiting = [writer.submit(keep(f"{number:02}")) for number in range(20)]
    assert [each.result() for each in waiting] == names(connection)
    assert writer.commits - before == 2  # the one that held them up, and theirs


def refuse(cursor: Cursor) -> None:
    cursor.execute("insert into kept values ('half done')")
    raise Busy("is taken", subject="it", remedy="Wait.")


def clash(cursor: Cursor) -> None:
    cursor.execute("insert into kept values ('half done')")
    cursor.execute("insert into kept values ('first')")


def misspell(cursor: Cursor) -> None:
    cursor.execute("insert into kept values ('half done')")
    cursor.execute("insert into keptt values ('x')")


def leave(cursor: Cursor) -> None:
    cursor.execute("insert into kept values ('half done')")
    raise SystemExit


def hide(cursor: Cursor) -> None:
    """Pretends that its failed statement was none."""
    try:
        clash(cursor)
    except duckdb.ConstraintException:
        return


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (refuse, Busy),
        (clash, duckdb.ConstraintException),
        (misspell, duckdb.CatalogException),
        (leave, SystemExit),
        (hide, RecordError),
    ],
)
def test_a_change_that_fails_costs_its_neighbours_nothing(
    writer: Writer, connection: Cursor, fault: Callable[[Cursor], None], error: type[BaseException]
) -> None:
    writer.submit(keep("first")).result()
    with held(writer):
        before = writer.submit(keep("before"))
        failing: Future[None] = writer.submit(fault)
        after = writer.submit(keep("after"))
    assert (before.result(), after.result()) == ("before", "after")
    with pytest.raises(error):
        failing.result()
    assert names(connection) == ["after", "before", "first"]


def keep_all(cursor: Cursor, names: Sequence[str]) -> list[str | NightschoolError]:
    """Refuses `refused`, without a statement for it; the same name twice fails in the database."""
    good = [name for name in names if name != "refused"]
    cursor.execute("insert into kept select unnest($names::text[])", {"names": good})
    cursor.execute("insert into calls values ($rows)", {"rows": len(names)})
    return [name if name in good else Busy("is taken", subject=name, remedy="Wait.") for name in names]


def test_rows_of_one_kind_are_kept_by_one_call_and_a_refused_one_costs_the_others_nothing(
    writer: Writer, connection: Cursor
) -> None:
    connection.execute("create table calls (rows integer)")
    with held(writer):
        waiting = [writer.submit_row(keep_all, name) for name in ("a", "refused", "b")]
        between = writer.submit(keep("between"))
        last = writer.submit_row(keep_all, "c")
    assert [waiting[0].result(), between.result(), waiting[2].result(), last.result()] == ["a", "between", "b", "c"]
    with pytest.raises(Busy):
        waiting[1].result()
    assert names(connection) == ["a", "b", "between", "c"]
    assert connection.execute("select rows from calls").fetchall() == [(4,)]


def test_a_row_that_fails_in_the_database_fails_alone(writer: Writer, connection: Cursor) -> None:
    connection.execute("create table calls (rows integer)")
    writer.submit(keep("there")).result()
    with held(writer):
        waiting = [writer.submit_row(keep_all, name) for name in ("a", "there", "b")]
        beside = writer.submit(keep("beside"))
    assert [waiting[0].result(), waiting[2].result(), beside.result()] == ["a", "b", "beside"]
    with pytest.raises(duckdb.ConstraintException):
        waiting[1].result()
    assert names(connection) == ["a", "b", "beside", "there"]


def test_those_beside_a_refused_change_still_share_commits(writer: Writer, connection: Cursor) -> None:
    before = writer.commits
    with held(writer):
        waiting = [writer.submit(keep(f"{number:02}")) for number in range(10)]
        failing: Future[None] = writer.submit(refuse)
        waiting += [writer.submit(keep(f"{number:02}")) for number in range(10, 20)]
    assert [each.result() for each in waiting] == names(connection)
    assert failing.exception() is not None
    assert writer.commits - before == 3  # the one that held them up, those before the refused one, and those after


def test_the_writer_goes_on_after_a_failure(writer: Writer, connection: Cursor) -> None:
    with pytest.raises(Busy):
        writer.submit(refuse).result()
    assert writer.submit(keep("next")).result() == "next"
    assert names(connection) == ["next"]


def test_a_write_that_nobody_waits_for_any_more_is_not_made(writer: Writer, connection: Cursor) -> None:
    with held(writer):
        assert writer.submit(keep("unwanted")).cancel()
        wanted = writer.submit(keep("wanted"))
    wanted.result()
    assert names(connection) == ["wanted"]


@pytest.mark.parametrize("failure", [duckdb.FatalException("disk: secret"), duckdb.IOException("disk: secret")])
def test_a_failing_disk_is_told_with_a_remedy_and_without_content(failure: duckdb.Error) -> None:
    told = str(record_error(failure))
    assert "Free disk space" in told
    assert "secret" not in told
