import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from collect import cycles
from nightschool.errors import TrainingFailed
from nightschool.records import Adapter, BotName, Cycle, CycleState, Outcome, Stage, utc_now
from serve.cli.client import Server
from serve.cli.follow import follow_night
from serve.cli.training import TrainingRow, describe_training
from serve.parts import Parts

Nightschool = Callable[..., Awaitable[Any]]
Register = Callable[..., Awaitable[Adapter]]


async def test_a_night_without_data_is_a_verdict_and_no_failure(nightschool: Nightschool) -> None:
    said = await nightschool("night", "--bot", "support", "--json")
    verdict = said.json
    assert set(verdict) == {"cycle", "candidate", "verdict", "reasons", "figures"}
    assert (verdict["verdict"], verdict["candidate"]) == ("insufficient-data", None)
    assert "recipe.min_examples" in verdict["reasons"][0]
    assert verdict["figures"]["train_rows"] == 0
    shown = await nightschool("night", "--bot", "support", "--force")
    assert (shown.code, shown.out.splitlines()[0]) == (0, "support: insufficient-data")


async def test_a_dry_run_says_what_it_would_do_and_does_nothing(nightschool: Nightschool) -> None:
    plan = (await nightschool("night", "--bot", "support", "--dry-run", "--json")).json
    assert (plan["would_train"], plan["train_rows"]) == (False, 0)
    assert (
        "support would not train: 0 training rows" in (await nightschool("night", "--bot", "support", "--dry-run")).out
    )
    status = (await nightschool("status", "--json")).json
    assert [bot["recent"] for bot in status["bots"]] == [[], []]


async def test_a_night_that_fails_exits_1_with_its_reason(nightschool: Nightschool, parts: Parts) -> None:
    (parts.home.root / "datasets").write_text("in the way of every dataset")
    said = await nightschool("night", "--bot", "support", "--json")
    assert (said.code, said.out) == (1, "")
    assert "nightschool: night of support: failed at step dataset: " in said.err
    assert said.err.endswith(" Production stays.\n")


async def test_a_night_whose_folder_cannot_be_made_does_not_begin(nightschool: Nightschool, parts: Parts) -> None:
    (parts.home.root / "cycles").write_text("in the way of every night's folder")
    said = await nightschool("night", "--bot", "support", "--json")
    assert (said.code, said.out) == (6, "")
    assert "night of support: its folder cannot be written" in said.err
    assert (await nightschool("status", "--json")).json["bots"][0]["recent"] == []


@pytest.mark.parametrize("file", ["support.toml"])
async def test_an_order_that_cannot_be_served_is_refused_before_it_begins(
    nightschool: Nightschool, bots_folder: Path, file: str
) -> None:
    bot = bots_folder / file
    bot.write_text(bot.read_text().replace("[sampling]", "[recipe]\nrank = 64\n[sampling]"))
    said = await nightschool("night", "--bot", "support")
    assert (said.code, said.out) == (2, "")
    assert "recipe of support: trains rank 64" in said.err


async def test_promote_and_roll_back(nightschool: Nightschool, register: Register) -> None:
    for version in (1, 2):
        await register("support", version=version)
    done = (await nightschool("promote", "--bot", "support", "--version", "1", "--reason", "try it", "--json")).json
    assert done == {"bot": "support", "live": "support@1", "stage": "production"}
    assert (await nightschool("promote", "--bot", "support", "--reason", "newest")).out == "support@2 answers now\n"
    back = ("rollback", "--bot", "support", "--reason", "worse")
    assert (await nightschool(*back, "--json")).json == {"bot": "support", "live": "support@1"}
    assert (await nightschool(*back)).out == "support@base answers now\n"
    again = await nightschool(*back)
    assert (again.code, again.out) == (5, "")
    assert "support: is on the base model already" in again.err


async def test_a_hold_is_armed_shown_and_lifted(nightschool: Nightschool, register: Register, parts: Parts) -> None:
    for verb in ("hold", "release"):
        blank = await nightschool(verb, "--bot", "support", "--reason", " ")
        assert (blank.code, "needs a reason" in blank.err) == (2, True)
        assert (await nightschool(verb, "--bot", "nobody", "--reason", "x")).code == 3
    held = ("hold", "--bot", "support", "--reason", "lawyers\x1b[31m [look]", "--json")
    assert (await nightschool(*held)).json == {"bot": "support", "is_held": True}
    support, reviewer = sorted(
        (await nightschool("status", "--json")).json["bots"], key=lambda b: b["bot"] != "support"
    )
    assert (support["held"]["by"], support["held"]["reason"]) == ("key:boss", "lawyers[31m [look]")
    assert reviewer["held"] is None
    shown = (await nightschool("status")).out
    assert "by key:boss: lawyers[31m [look]; `nightschool release --bot support` lifts it" in shown
    lift = ("release", "--bot", "support", "--reason", "they agree")
    assert (await nightschool(*lift)).out == "support is not held now\n"
    again = await nightschool(*lift)
    assert (again.code, "support: is not held" in again.err) == (5, True)
    assert "is held" not in (await nightschool("status")).out
    said = [(e["action"], e["actor"], e["reason"]) for e in (await nightschool("events", "--json")).json]
    assert said == [("released", "key:boss", "they agree"), ("held", "key:boss", "lawyers[31m [look]")]


async def test_a_rollback_holds_and_names_the_way_down(nightschool: Nightschool, register: Register) -> None:
    for version in (1, 2):
        await register("support", version=version)
        await nightschool("promote", "--bot", "support", "--version", str(version), "--reason", "try it")
    down = ("rollback", "--bot", "support", "--version", "0", "--reason", "it insults people")
    assert (await nightschool(*down)).out == "support@base answers now\n"
    assert "support@2 was rolled back: it insults people" in (await nightschool("status")).out


async def test_moves_that_cannot_be_made_are_refused(nightschool: Nightschool, register: Register) -> None:
    await register("support", version=1, stage=Stage.TAINTED)
    tainted = await nightschool("promote", "--bot", "support", "--version", "1", "--reason", "please")
    assert tainted.code == 2
    assert "support@1: is tainted and cannot become production" in tainted.err
    assert (await nightschool("promote", "--bot", "support", "--version", "9", "--reason", "x")).code == 3
    assert (await nightschool("promote", "--bot", "support", "--reason", "no candidate")).code == 3
    blank = await nightschool("promote", "--bot", "support", "--version", "1", "--reason", " ")
    assert (blank.code, "needs a reason" in blank.err) == (2, True)
    assert (await nightschool("rollback", "--bot", "nobody", "--reason", "x")).code == 3


def a_server(looks: Iterator[dict[str, Any] | BaseException]) -> Server:
    """A server that shows a night in these states, one after the other."""

    def show(_: httpx.Request) -> httpx.Response:
        look = next(looks)
        if isinstance(look, BaseException):
            raise look
        usual: dict[str, Any] = {
            "cycle": "c1",
            "bot": "support",
            "candidate": None,
            "verdict": None,
            "reasons": [],
            "figures": {},
            "training": None,
        }
        return httpx.Response(200, content=json.dumps(usual | look))

    return Server(httpx.Client(transport=httpx.MockTransport(show), base_url="http://nightschool"), "nightschool")


def running(step: str, progress: float) -> dict[str, Any]:
    return {"state": "running", "step": step, "progress": progress}


def test_without_a_terminal_steps_are_told_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    done = {"state": "done", "step": "finished", "progress": 1.0, "verdict": "promote", "candidate": 3}
    looks = [running("train", share) for share in (0.0, 0.05, 0.1, 0.15, 0.3)] + [running("evaluate", 0.0), done]
    assert follow_night(a_server(iter(looks)), "c1")["candidate"] == 3
    said = capsys.readouterr()
    assert said.out == ""
    told = ["training", "training: 10%", "training: 30%", "comparing base, production and candidate"]
    assert said.err.splitlines() == told


def test_a_failed_night_raises_its_reason() -> None:
    failed = {"state": "failed", "step": "train", "progress": 0.5, "reasons": ["run: was killed. Lower it."]}
    with pytest.raises(TrainingFailed) as error:
        follow_night(a_server(iter([failed])), "c1")
    assert str(error.value) == "night of support: failed at step train: run: was killed. Lower it. Production stays."


def test_ctrl_c_leaves_the_night_running_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        follow_night(a_server(iter([running("train", 0.1), KeyboardInterrupt()])), "c1")
    assert "the night goes on without you" in capsys.readouterr().err


TRAINING: TrainingRow = {
    "phase": "sft", "step": 12, "steps": 40, "loss": 1.2345, "learning_rate": 1.8e-4, "tokens_per_s": 512.3,
    "left_s": 59.9, "rewards_margin": None, "rewards_accuracy": None, "memory_mb": None,
    "reward": None,
}  # fmt: skip
DONE = {"state": "done", "step": "finished", "progress": 1.0, "verdict": "promote", "candidate": 3}


def test_a_training_by_rewards_tells_the_reward() -> None:
    row: TrainingRow = {**TRAINING, "phase": "grpo", "reward": 0.625}
    assert "grpo 12/40, loss 1.234, reward 0.625, lr" in describe_training(row)


def test_a_training_is_told_with_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    looks = [running("train", 0.0), running("train", 0.3) | {"training": TRAINING}, DONE]
    follow_night(a_server(iter(looks)), "c1")
    figures = "(sft 12/40, loss 1.234, lr 1.8e-04, 512 tokens/s, 1 min left)"
    assert capsys.readouterr().err.splitlines() == ["training", f"training: 30% {figures}"]


def test_a_terminal_shows_the_figures_beside_the_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "180")
    looks = [running("train", 0.3) | {"training": TRAINING}, running("evaluate", 0.5), DONE]
    follow_night(a_server(iter(looks)), "c1")
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    assert "(sft 12/40, loss 1.234, lr 1.8e-04, 512 tokens/s, 1 min left)" in shown
    assert "comparing base, production and candidate" in shown


async def test_a_night_under_way_is_watched_and_none_is_begun(
    nightschool: Nightschool, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = ("night", "--bot", "support", "--watch")
    nobody = await nightschool(*watch)
    assert (nobody.code, nobody.out) == (3, "")
    assert "support: is not at school" in nobody.err
    both = await nightschool(*watch, "--force")
    assert (both.code, "--watch: begins nothing" in both.err) == (2, True)
    assert (await nightschool("status", "--json")).json["bots"][0]["recent"] == []
    night = Cycle("c1", BotName("support"), "schedule", None, CycleState.RUNNING, "train", 0.5, utc_now())
    await parts.store.write(partial(cycles.start_cycle, cycle=night))
    looked, read = asyncio.Event(), parts.store.read

    async def read_and_tell(question: Any) -> Any:
        if getattr(question, "func", None) is cycles.cycle:
            looked.set()
        return await read(question)

    monkeypatch.setattr(parts.store, "read", read_and_tell)
    watching = asyncio.ensure_future(nightschool(*watch, "--json"))
    await looked.wait()
    ended = replace(night, state=CycleState.DONE, outcome=Outcome.REJECT, reasons=("failed: worse",))
    await parts.store.write(partial(cycles.update_cycle, cycle=ended))
    assert (await watching).json["verdict"] == "reject"
