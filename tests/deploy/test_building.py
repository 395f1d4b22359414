"""A dataset that a child builds: the same bytes, a server that answers meanwhile, and a failure with its words."""

import asyncio
import inspect
import os
import sys
from pathlib import Path

import pytest

from deploy.building import BUILDER, have_built
from nightschool.errors import BuildFailed, InvalidInput
from nightschool.files import hash_file
from tune.bounds import Bounds
from tune.build import BuildOrder, main, write_order
from tune.dataset import build_dataset

from ..tune.conftest import SnapshotBuilder


@pytest.fixture
def order(tmp_path: Path) -> BuildOrder:
    record = SnapshotBuilder(tmp_path)
    for number in range(12):
        record.talk(f"c{number}", f"question {number} about parcels", f"answer {number}", owner="import")
    return BuildOrder(
        snapshot=record.write("snapshot"),
        target=tmp_path / "sets",
        system_prompt="Be kind.",
        held_out_share=0.2,
        half_life_days=30.0,
        topic_ratio=2.0,
        suites=(),
        seed=17,
        bounds=Bounds(train_share=0.2),
        known_items=frozenset({"a"}),
        trained_before=frozenset({"c1", "c2"}),
        questions=3,
    )


def shell(script: str) -> list[str]:
    """A builder that does `script`; $1 is its order."""
    return ["sh", "-c", script, "sh"]


def files_of(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): hash_file(file) for file in folder.rglob("*") if file.is_file()}


async def appears(file: Path) -> None:
    while not file.exists() or not file.read_text():
        await asyncio.sleep(0.01)


async def test_a_child_builds_it_to_the_byte_while_the_server_goes_on(order: BuildOrder, tmp_path: Path) -> None:
    go, pid = tmp_path / "go", tmp_path / "pid"
    slow = shell(f"echo $$ > {pid}; while ! [ -e {go} ]; do sleep .01; done; exec {sys.executable} -m tune.build $1")
    elsewhere = order.model_copy(update={"target": tmp_path / "elsewhere"})
    building = asyncio.create_task(
        have_built(elsewhere, order_file=tmp_path / "order" / "build.json", child_from=1, command=slow)
    )
    # The child waits for a file that only this loop can leave.
    await appears(pid)
    assert not building.done()
    assert int(pid.read_text()) != os.getpid()
    go.touch()
    assert await building == await have_built(order, order_file=tmp_path / "build.json")
    assert files_of(tmp_path / "elsewhere") == files_of(order.target)
    assert {file.name for file in (tmp_path / "order").iterdir()} == {"build.log"}


async def test_a_failure_is_told_in_the_childs_words_and_the_next_try_builds(order: BuildOrder, tmp_path: Path) -> None:
    for script, words in (("echo no room >&2; exit 1", "code 1:\nno room"), ("kill -9 $$", r"signal 9"), ("true", "0")):
        with pytest.raises(BuildFailed, match=words):
            await have_built(order, order_file=tmp_path / "build.json", child_from=1, command=shell(script))
    assert (await have_built(order, order_file=tmp_path / "build.json")).conversations == 12


async def test_what_cannot_be_built_is_refused_in_the_same_words_on_both_ways(
    order: BuildOrder, tmp_path: Path
) -> None:
    said = []
    for child_from in (1, 1_000):
        wrong = order.model_copy(update={"suites": (tmp_path / "none.jsonl",)})
        with pytest.raises(InvalidInput) as caught:
            await have_built(wrong, order_file=tmp_path / "build.json", child_from=child_from)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert "none.jsonl" in said[0]
    assert not list(tmp_path.glob("build*.json"))


def test_an_order_says_all_that_a_dataset_is_made_by() -> None:
    assert set(BuildOrder.model_fields) - {"schema_version"} == set(inspect.signature(build_dataset).parameters)


async def test_whoever_stops_waiting_ends_the_child(order: BuildOrder, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    hangs = shell(f"echo $$ > {pid}; exec sleep 1000")
    building = asyncio.create_task(have_built(order, order_file=tmp_path / "b.json", child_from=1, command=hangs))
    await appears(pid)
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()


async def test_few_messages_are_not_worth_a_child(order: BuildOrder, tmp_path: Path) -> None:
    never = shell("exit 1")
    assert (await have_built(order, order_file=tmp_path / "build.json", command=never)).conversations == 12
    assert not list(tmp_path.glob("build*"))


async def test_what_is_no_snapshot_is_refused_as_ever(order: BuildOrder, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        await have_built(order.model_copy(update={"snapshot": tmp_path / "none"}), order_file=tmp_path / "build.json")


def test_the_builder_ends_with_one_clear_line(
    order: BuildOrder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "build.json"
    write_order(file, order.model_copy(update={"snapshot": tmp_path / "none"}))
    assert main([str(file)]) == 2
    file.write_text("{")
    assert main([str(file)]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert BUILDER[1:] == ("-m", "tune.build")
