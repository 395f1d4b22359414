"""What is read of a snapshot: conversations that may teach or examine, whole, and no others."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nightschool.errors import InvalidInput
from nightschool.files import publish
from tune.snapshot import read_snapshot

from .conftest import SnapshotBuilder


def test_chats_that_nobody_judged_are_not_read(record: SnapshotBuilder) -> None:
    record.talk("unjudged", "Where is it?", "There.", owner="browser:a")
    record.vote(record.talk("taken back", "Where is it?", "Here.", owner="browser:a")[1], "none")
    record.vote(record.talk("voted", "Where?", "Up.", "And now?", "Down.", owner="browser:a")[1], "down")
    record.review(record.talk("ruled", "Who is it?", "Me.", owner="browser:a")[1], approved=False)
    record.talk("brought", "What is it?", "A planter.")
    record.talk("called", "When is it?", "Now.", owner="key:shop")
    read = read_snapshot(record.write())
    assert list(read.talks) == list(read.messages) == ["voted", "ruled", "brought", "called"]
    assert [said.content for said in read.messages["voted"]] == ["Where?", "Up.", "And now?", "Down."]


def test_what_an_operator_ruled_on_is_found_where_nobody_judged_it(record: SnapshotBuilder) -> None:
    _, answer = record.talk("ruled", "Where is my order?", "No idea.", owner="browser:a")
    record.review(answer, approved=False, corrected="On its way.")
    record.talk("says the ruled", "Where is my order?", "no  IDEA.", owner="browser:b")
    record.talk("says the right", "Where is my order?", "On its way.", owner="browser:c")
    record.talk("says another", "Where is my order?", "Lost.", owner="browser:d")
    assert list(read_snapshot(record.write()).talks) == ["ruled", "says the ruled", "says the right"]


def test_other_columns_or_no_parquet_are_told(record: SnapshotBuilder) -> None:
    folder = record.write()
    file = folder / "messages.parquet"
    pq.write_table(pa.table({"message_id": ["a"]}), file)
    for _ in range(2):
        publish(folder, kind="snapshot")
        with pytest.raises(InvalidInput, match="does not hold what a snapshot holds"):
            read_snapshot(folder)
        file.write_text("not Parquet")
