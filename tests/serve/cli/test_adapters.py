"""`nightschool adapters add`: a folder from outside becomes a bot's candidate, and sits the exam."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from collect import events, registry
from nightschool.engine import Engine
from nightschool.errors import TooLittleMemory
from nightschool.records import Adapter, BotName, Stage
from nightschool.weights import is_whole
from serve.parts import Parts

from ...fake_seat import FakeSeat
from ...pupils import Pupils
from .test_evaluate import ROWS, hold_out

Nightschool = Callable[..., Awaitable[Any]]
Register = Callable[..., Awaitable[Adapter]]
SUPPORT = BotName("support")


@pytest.fixture
def engine() -> Engine:
    return Pupils()


def make_folder(folder: Path, *, weights: bytes = b"weights", is_model: bool = False) -> Path:
    folder.mkdir()
    (folder / ("config.json" if is_model else "adapter_config.json")).write_text("{}")
    (folder / ("model.safetensors" if is_model else "adapter_model.safetensors")).write_bytes(weights)
    (folder / "training_args.bin").write_bytes(b"a pickle")
    (folder / "checkpoint-4").mkdir()
    return folder


async def test_an_adapter_from_outside_is_a_candidate_that_is_examined(
    nightschool: Nightschool, parts: Parts, tmp_path: Path
) -> None:
    folder = make_folder(tmp_path / "my-lora")
    done = (await nightschool("adapters", "add", str(folder), "--bot", "support", "--json")).json
    assert (done["candidate"], done["stage"], done["kind"], done["share"]) == (
        "support@1",
        "candidate",
        "adapter",
        None,
    )
    again = await nightschool("adapters", "add", str(folder), "--bot", "support")
    assert (again.code, "same weights" in again.err) == (5, True)
    newer = make_folder(tmp_path / "newer", weights=b"other")
    said = await nightschool("adapters", "add", str(newer), "--bot", "support", "--reason", "it is kinder")
    assert (said.code, "support@2, a candidate" in said.err) == (0, True)
    found = await parts.store.read(partial(registry.adapters, bot=SUPPORT))
    assert {adapter.version: adapter.stage for adapter in found} == {1: Stage.RETIRED, 2: Stage.CANDIDATE}
    told = await parts.store.read(partial(events.list_events, bot=SUPPORT, limit=10))
    assert ("added", "support@2", "adapter newer: it is kinder") in {(e.action, e.subject, e.reason) for e in told}
    assert list(parts.home.temp.glob("brought-*")) == []
    without = await nightschool("eval", "--adapter", "support@2", "--against", "support@base", *ROWS)
    assert (without.code, "comes from outside, and the bot has no dataset" in without.err) == (3, True)
    hold_out(parts, conversations=3)
    examined = await nightschool("eval", "--adapter", "support@2", "--against", "support@base", *ROWS)
    assert examined.out.startswith("support@2 against support@base: ")
    assert (await nightschool("promote", "--bot", "support", "--reason", "it is better")).code == 0


async def test_of_a_whole_model_it_is_told_how_much_of_it_is_served(
    nightschool: Nightschool, parts: Parts, tmp_path: Path
) -> None:
    folder = make_folder(tmp_path / "trained", is_model=True)
    said = await nightschool("adapters", "add", str(folder), "--bot", "support")
    assert "rank 8 nearest to it holds 40% of what it learnt and goes 75% of the way" in said.err
    told = await parts.store.read(partial(events.list_events, bot=SUPPORT, limit=10))
    assert any("model trained (its nearest adapter of rank 8 holds 40%" in event.reason for event in told)


class SmallMachine(Pupils):
    """Has no memory for whole models once `is_full`."""

    is_full = False

    async def load_adapter(self, name: str, folder: Path) -> None:
        if self.is_full and is_whole(folder):
            raise TooLittleMemory("needs 9 GiB", subject="whole model", remedy="Free some.")
        await super().load_adapter(name, folder)


async def test_a_whole_model_that_stays_one_is_a_candidate_with_a_place_of_its_own(
    nightschool: Nightschool, parts: Parts, tmp_path: Path
) -> None:
    folder = make_folder(tmp_path / "trained", is_model=True)
    done = (await nightschool("adapters", "add", str(folder), "--bot", "support", "--as", "whole", "--json")).json
    assert (done["kind"], done["served"], done["rank"], done["share"]) == ("model", "whole", 0, None)
    loaded = await parts.engine.loaded_adapters()
    assert is_whole(loaded["support@1"])
    told = await parts.store.read(partial(events.list_events, bot=SUPPORT, limit=10))
    assert any(event.reason == "model trained (served whole): no reason given" for event in told)
    hold_out(parts, conversations=3)
    examined = await nightschool("eval", "--adapter", "support@1", "--against", "support@base", *ROWS)
    assert examined.out.startswith("support@1 against support@base: ")
    assert (await nightschool("promote", "--bot", "support", "--reason", "it is better")).code == 0
    assert (await nightschool("rollback", "--bot", "support", "--reason", "it is not")).code == 0
    said = await nightschool("adapters", "add", str(folder), "--bot", "support", "--as", "somehow")
    assert (said.code, "whole" in said.err) == (2, True)


@pytest.fixture
def seat() -> FakeSeat:
    return FakeSeat()


async def test_one_that_answers_alone_is_loaded_only_as_it_goes_live_with_a_pause_that_was_allowed(
    nightschool: Nightschool, parts: Parts, seat: FakeSeat, tmp_path: Path
) -> None:
    folder = make_folder(tmp_path / "trained", is_model=True)
    added = await nightschool("adapters", "add", str(folder), "--bot", "support", "--as", "alone")
    assert (added.code, "answers alone once it is live, and is proved then" in added.err) == (0, True)
    assert await parts.engine.loaded_adapters() == {}
    promote = ("promote", "--bot", "support", "--reason", "it is better")
    refused = await nightschool(*promote)
    assert (refused.code, "nobody is answered for about 47 s" in refused.err, seat.given) == (5, True, [])
    said = await nightschool(*promote, "--yes")
    assert said.out == "support@1 answers now\n", said.err
    assert (await nightschool("night", "--bot", "reviewer")).code == 6
    back = ("rollback", "--bot", "support", "--reason", "it is not")
    no = await nightschool(*back, typed=b"n\n")
    assert (no.code, "nobody is answered for about 47 s" in no.err, seat.given) == (1, True, ["support@1"])
    assert (await nightschool(*back, typed=b"y\n")).out.endswith("support@base answers now\n")
    assert seat.given == ["support@1", "base"]


@pytest.mark.parametrize("engine", [SmallMachine()])
async def test_a_whole_model_for_which_there_is_no_memory_leaves_nothing(
    nightschool: Nightschool, parts: Parts, engine: SmallMachine, tmp_path: Path
) -> None:
    engine.is_full = True
    folder = make_folder(tmp_path / "trained", is_model=True)
    refused = await nightschool("adapters", "add", str(folder), "--bot", "support", "--as", "whole")
    assert (refused.code, "needs 9 GiB" in refused.err) == (6, True)
    assert list(parts.home.adapters(SUPPORT).glob("*")) == []
    engine.is_full = False
    assert (await nightschool("adapters", "add", str(folder), "--bot", "support", "--as", "whole")).code == 0


async def test_what_cannot_be_taken_leaves_nothing(nightschool: Nightschool, parts: Parts, tmp_path: Path) -> None:
    strange = make_folder(tmp_path / "strange", weights=b"strange")
    refused = await nightschool("adapters", "add", str(strange), "--bot", "support")
    assert (refused.code, "strange: is strange. Bring another." in refused.err) == (2, True)
    broken = make_folder(tmp_path / "broken", weights=b"broken")
    failed = await nightschool("adapters", "add", str(broken), "--bot", "support")
    assert (failed.code, "the last words of a child" in failed.err) == (6, True)
    assert await parts.store.read(partial(registry.adapters, bot=SUPPORT)) == []
    assert list(parts.home.temp.glob("brought-*")) == []


async def test_a_folder_is_looked_at_before_anything_is_sent(nightschool: Nightschool, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "mine")
    (folder / "adapter_model.bin").write_bytes(b"a pickle")
    pickled = await nightschool("adapters", "add", str(folder), "--bot", "support")
    assert (pickled.code, "holds adapter_model.bin, a pickle" in pickled.err) == (2, True)
    gone = await nightschool("adapters", "add", str(tmp_path / "gone"), "--bot", "support")
    assert (gone.code, "Name a folder that is there" in gone.err) == (2, True)
    assert (await nightschool("adapters", "add", str(make_folder(tmp_path / "b")), "--bot", "nobody")).code == 3


async def test_a_file_that_is_gone_once_it_is_sent_is_named(
    nightschool: Nightschool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder(tmp_path / "mine")
    monkeypatch.setattr("serve.cli.adapters._choose", lambda _: ("adapter_config.json", "gone.safetensors"))
    broken = await nightschool("adapters", "add", str(folder), "--bot", "support")
    assert (broken.code, "gone.safetensors: cannot be read" in broken.err) == (2, True)


async def test_a_user_adds_nothing(client: httpx.AsyncClient) -> None:
    sent = await client.post("/ops/adapters", params={"bot": "support", "name": "mine"}, content=b"")
    assert sent.status_code == 403
