"""Children end with their block and with their parent, grandchildren too."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nightschool.child import run_child


def is_alive(pid: int) -> bool:
    try:
        # A zombie is dead for everyone but its parent.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_dead(pid: int) -> bool:
    subprocess.run(["timeout", "10", "tail", "-s", "0.05", f"--pid={pid}", "-f", "/dev/null"], check=False)
    return not is_alive(pid)


@pytest.mark.parametrize(
    ("code", "expected"), [("import sys; sys.exit(7)", 7), ("import os; os.kill(os.getpid(), 9)", -9), ("", 0)]
)
async def test_the_exit_code_comes_back(tmp_path: Path, code: str, expected: int) -> None:
    async with run_child([sys.executable, "-c", code], log=tmp_path / "log") as child:
        assert await child.wait(timeout_s=20) == expected


async def test_what_it_prints_is_in_the_log(tmp_path: Path) -> None:
    async with run_child(
        [sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr)"], log=tmp_path / "log"
    ) as child:
        await child.wait(timeout_s=20)
    assert sorted(child.log_tail().split()) == ["err", "out"]


async def test_the_end_of_the_block_ends_grandchildren_that_ignore_sigterm(tmp_path: Path) -> None:
    script = "trap '' TERM; sleep 1000 & echo $! > grandchild; echo started; wait"
    async with run_child(["bash", "-c", f"cd {tmp_path}; {script}"], log=tmp_path / "log", grace_s=0.2):
        grandchild = await pid_in(tmp_path / "grandchild")
        assert is_alive(grandchild)
    assert wait_until_dead(grandchild)


async def test_kill_9_of_the_parent_leaves_nobody_behind(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)])
    grandchild = await pid_in(tmp_path / "grandchild")
    assert is_alive(grandchild)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert wait_until_dead(grandchild)


async def test_a_background_child_yields_to_everyone(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import os, time; time.sleep(0.3); print(os.nice(0))"]
    async with run_child(command, log=tmp_path / "log", background=True) as child:
        await child.wait(timeout_s=20)
    assert child.log_tail() == "19"


async def test_a_wait_that_takes_too_long_says_so_and_leaves_the_child_running(tmp_path: Path) -> None:
    async with run_child(["sleep", "1000"], log=tmp_path / "log") as child:
        with pytest.raises(TimeoutError):
            await child.wait(timeout_s=0.05)
        assert child.is_running
    assert not child.is_running


async def pid_in(file: Path) -> int:
    """Watches through a child rather than by sleeping here."""
    watch = f"until [ -s {file} ]; do sleep 0.02; done"
    subprocess.run(["timeout", "10", "bash", "-c", watch], check=True)
    return int(file.read_text())


PARENT = """
import asyncio, sys
from pathlib import Path
from nightschool.child import run_child

async def main(folder):
    script = f"cd {folder}; sleep 1000 & echo $! > grandchild; wait"
    async with run_child(["bash", "-c", script], log=Path(folder) / "log", grace_s=0.2) as child:
        await child.wait()

asyncio.run(main(sys.argv[1]))
"""
