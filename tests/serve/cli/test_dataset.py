"""Datasets are built without a night, and shown and compared from the disk, where a server runs and where none does."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from nightschool.records import BotName
from serve.parts import Parts

from .conftest import conversation

Nightschool = Callable[..., Awaitable[Any]]
SUPPORT = ("--bot", "support")
THINGS = ("lamp", "kettle", "scarf", "radio", "mirror", "clock", "vase")
NASTY = "May I pay in \x1b[31mred\x1b[0m, [bold]please?"


def lines(first: int, last: int) -> str:
    """Conversations that do not repeat one another."""
    return "\n".join(
        conversation(
            f"Where do I find the {THINGS[n]} number {n}?", f"The {THINGS[n]} stands on shelf {n * 7}, left of it."
        )
        for n in range(first, last)
    )


async def take_in(nightschool: Nightschool, text: str, *, held_out: bool = False) -> None:
    side = "--held-out" if held_out else "--training"
    said = await nightschool("import", "-", *SUPPORT, side, stdin=text.encode())
    assert said.code == 0, said.err


async def build(nightschool: Nightschool) -> Any:
    return (await nightschool("dataset", "build", *SUPPORT, "--json")).json


async def test_a_dataset_is_built_shown_and_kept_without_a_night(nightschool: Nightschool, parts: Parts) -> None:
    await take_in(nightschool, lines(0, 4))
    await take_in(nightschool, lines(4, 6), held_out=True)
    built = await build(nightschool)
    assert built["rows"] == {
        "sft": {"train": 4, "held-out": 2}, "pairs": {"train": 0, "held-out": 0}, "votes": {"train": 0, "held-out": 0},
    }  # fmt: skip
    assert (built["would_train"], "recipe.min_examples" in built["reason"]) == (False, True)
    assert Path(built["folder"]).parent == parts.home.root / "datasets" / "support"
    assert "| import | 6 | " in built["card"]
    assert (Path(built["folder"]) / "card.svg").exists()
    assert await build(nightschool) == built
    status = (await nightschool("status", "--json")).json
    assert [bot["recent"] for bot in status["bots"]] == [[], []]
    shown = await nightschool("dataset", "build", *SUPPORT)
    for words in (built["hash"][:16], built["folder"], "sft\t4\t2", "# Dataset"):
        assert words in shown.out
    assert "a night would not train: 4 training rows" in shown.err
    assert [folder.name for folder in parts.home.temp.glob("plan-*")] == []


async def test_those_that_build_at_once_all_have_it(nightschool: Nightschool, parts: Parts) -> None:
    await take_in(nightschool, lines(0, 6))
    plans = await asyncio.gather(*(parts.nights.build(BotName("support")) for _ in range(4)))
    assert len({plan.data.content_hash for plan in plans}) == 1
    folder = parts.home.datasets(BotName("support"))
    assert [found.name for found in folder.iterdir()] == [plans[0].data.folder_name]


async def test_rows_are_shown_with_nothing_alive_in_them(nightschool: Nightschool) -> None:
    await take_in(nightschool, conversation(NASTY, "Yes,\nyou may."))
    built = await build(nightschool)
    shown = (await nightschool("dataset", "show", *SUPPORT, "--rows", "3")).out
    assert "  user: May I pay in [31mred[0m, [bold]please?\n  assistant: Yes, you may.\n" in shown
    assert "\x1b" not in shown
    for name in ("latest", built["hash"], built["hash"][:6]):
        found = (await nightschool("dataset", "show", name, *SUPPORT, "--rows", "3", "--json")).json
        assert found["hash"] == built["hash"]
        [sample] = found["samples"]
        assert (sample["kind"], sample["side"], sample["weight"]) == ("sft", "train", 1.0)
        assert [line["who"] for line in sample["lines"]] == ["system", "user", "assistant"]


async def test_what_differs_is_told_by_row_and_by_setting(nightschool: Nightschool, bots_folder: Path) -> None:
    await take_in(nightschool, lines(0, 5))
    before = await build(nightschool)
    await take_in(nightschool, lines(5, 7))
    file = bots_folder / "support.toml"
    file.write_text(file.read_text() + "[recipe]\nsplit_seed = 99\n")
    after = await build(nightschool)
    found = (await nightschool("dataset", "diff", before["hash"][:8], "latest", *SUPPORT, "--json")).json
    assert (found["before"], found["after"]) == (before["hash"][:16], after["hash"][:16])
    assert (len(found["rows"]["sft"]["added"]), found["rows"]["sft"]["removed"]) == (2, [])
    assert found["about"]["seed"] == {"before": 17, "after": 99}
    assert {line["words"] for row in found["added"] for line in row["lines"] if line["who"] == "user"} == {
        "Where do I find the clock number 5?", "Where do I find the vase number 6?",
    }  # fmt: skip
    shown = (await nightschool("dataset", "diff", before["hash"], after["hash"], *SUPPORT)).out
    assert "seed\t17\t99" in shown
    assert "+ sft " in shown
    back = (await nightschool("dataset", "diff", after["hash"], before["hash"], *SUPPORT, "--rows", "1", "--json")).json
    assert (len(back["rows"]["sft"]["removed"]), len(back["removed"]), back["added"]) == (2, 1, [])
    same = await nightschool("dataset", "diff", "latest", "latest", *SUPPORT)
    assert "no setting, filter or count differs" in same.err


async def test_an_unknown_dataset_names_those_that_are_near(nightschool: Nightschool) -> None:
    nothing = await nightschool("dataset", "show", *SUPPORT)
    assert (nothing.code, "support: has no dataset. `nightschool dataset build` makes one." in nothing.err) == (3, True)
    await take_in(nightschool, lines(0, 3))
    name = (await build(nightschool))["hash"][:16]
    typo = await nightschool("dataset", "show", f"{name[:-1]}x", *SUPPORT)
    assert (typo.code, f"Did you mean {name}?" in typo.err) == (3, True)
    for odd in ("../../secrets", "zzz", "\u202e"):
        said = await nightschool("dataset", "show", odd, *SUPPORT)
        assert (said.code, said.out, f"The newest are {name}" in said.err) == (3, "", True)
    nobody = await nightschool("dataset", "show", "--bot", "../nobody")
    assert (nobody.code, "../nobody: has no dataset" in nobody.err) == (3, True)


async def test_a_damaged_dataset_is_told_in_words(nightschool: Nightschool) -> None:
    await take_in(nightschool, lines(0, 3))
    built = await build(nightschool)
    (Path(built["folder"]) / "sft_train.parquet").write_bytes(b"half of it")
    said = await nightschool("dataset", "show", *SUPPORT, "--rows", "1")
    assert (said.code, "cannot be read as Parquet" in said.err) == (2, True)


@pytest.mark.parametrize("verb", [("show",), ("diff", "latest")])
def test_what_lies_on_the_disk_needs_no_server(lonely: Callable[..., Any], verb: tuple[str, ...]) -> None:
    said = lonely("dataset", *verb, *SUPPORT)
    assert (said.code, said.out) == (3, "")
    assert lonely("dataset", "build", *SUPPORT).code == 6
