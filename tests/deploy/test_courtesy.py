"""Trainings stand still while somebody waits for a first word. Real processes, whose states the kernel tells."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deploy.courtesy import Courtesy
from deploy.training import Means, train
from nightschool.child import Child, run_child
from nightschool.errors import TrainingFailed

SLEEPER = ["bash", "-c", "sleep 100 & wait"]


def state_of(child: Child) -> str:
    """As the kernel calls it: S sleeps, T is stopped."""
    return Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0]


async def until(child: Child, state: str) -> None:
    async with asyncio.timeout(20):
        while child.pid is None or state_of(child) != state:
            await asyncio.sleep(0.01)


@asynccontextmanager
async def sleeper(folder: Path) -> AsyncIterator[Child]:
    async with run_child(SLEEPER, log=folder / "log", grace_s=0.2) as child:
        await until(child, "S")
        yield child


async def test_a_child_stands_still_until_the_first_word_is_said(tmp_path: Path) -> None:
    courtesy = Courtesy()
    async with sleeper(tmp_path) as child:
        with courtesy.shown_by(child):
            with courtesy.first_word() as word:
                await until(child, "T")
                word.is_said()
                await until(child, "S")
            with courtesy.first_word():
                await until(child, "T")
            await until(child, "S")


async def test_it_stands_still_as_long_as_anybody_waits(tmp_path: Path) -> None:
    courtesy = Courtesy()
    async with sleeper(tmp_path) as child:
        with courtesy.shown_by(child), courtesy.first_word() as later:
            with courtesy.first_word() as word:
                await until(child, "T")
                word.is_said()
                word.is_said()
            assert state_of(child) == "T"
            later.is_said()
            await until(child, "S")


async def test_who_comes_while_somebody_waits_stands_still_too_and_goes_on_when_it_leaves(tmp_path: Path) -> None:
    courtesy = Courtesy()
    async with sleeper(tmp_path) as child:
        with courtesy.first_word():
            with courtesy.shown_by(child):
                await until(child, "T")
            await until(child, "S")


async def test_a_crowd_that_always_waits_leaves_it_half_of_the_time(tmp_path: Path) -> None:
    courtesy = Courtesy(longest_s=0.05)
    async with sleeper(tmp_path) as child:
        with courtesy.shown_by(child), courtesy.first_word():
            for _ in range(3):
                await until(child, "T")
                await until(child, "S")


async def test_after_a_wait_it_goes_on_for_as_long_before_it_stops_again(tmp_path: Path) -> None:
    courtesy, loop = Courtesy(), asyncio.get_running_loop()
    async with sleeper(tmp_path) as child:
        with courtesy.shown_by(child):
            began = loop.time()
            with courtesy.first_word():
                await asyncio.sleep(0.2)
            waited_s = loop.time() - began
            with courtesy.first_word():
                await until(child, "T")
                assert loop.time() - began >= 2 * waited_s - 0.01


async def test_a_trainer_that_ends_while_somebody_waits_is_told_of(tmp_path: Path) -> None:
    courtesy = Courtesy(longest_s=0.05)
    run = tmp_path / "run"
    run.mkdir()
    with courtesy.first_word(), pytest.raises(TrainingFailed, match="ended with code 3"):
        await train(
            run,
            timeout_s=20,
            on_progress=lambda _: None,
            means=Means(courtesy=courtesy),
            command=["bash", "-c", "sleep 0.1; exit 3"],
        )


async def test_a_stopped_child_hears_that_it_is_to_end(tmp_path: Path) -> None:
    """SIGTERM alone is kept for it until it runs again."""
    script = "trap 'echo ended; exit' TERM; sleep 100 & wait"
    async with run_child(["bash", "-c", script], log=tmp_path / "log", grace_s=20) as child:
        await until(child, "S")
        assert child.pid is not None
        os.killpg(child.pid, signal.SIGSTOP)
        await until(child, "T")
    assert child.log_tail() == "ended"


async def test_nobody_stays_stopped_behind_a_server_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STOPPING_PARENT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    async with asyncio.timeout(20):
        while Path(f"/proc/{pid}").exists():
            await asyncio.sleep(0.02)


STOPPING_PARENT = """
import asyncio, sys
from pathlib import Path
from deploy.courtesy import Courtesy
from nightschool.child import run_child
async def main(folder):
    courtesy = Courtesy(longest_s=1000)
    async with run_child(["sleep", "1000"], log=folder / "log", grace_s=0.2) as child:
        while child.pid is None:
            await asyncio.sleep(0.01)
        with courtesy.shown_by(child), courtesy.first_word():
            print(child.pid, flush=True)
            await asyncio.sleep(1000)
asyncio.run(main(Path(sys.argv[1])))
"""
