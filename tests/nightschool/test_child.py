"""Children end with their block, with their parent and with their warden, grandchildren too."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.training import LAUNCHER
from nightschool.child import LOG_BYTES, run_child
from nightschool.leftovers import end_leftovers, write_mark
from nightschool.memory import count_memory_kills


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
    ("code", "expected"),
    [
        ("import sys; sys.exit(7)", 7),
        ("import sys; sys.exit(130)", 130),
        ("import sys; sys.exit(200)", 200),
        ("import os; os.kill(os.getpid(), 9)", -9),
        ("import os; os.kill(os.getpid(), 15)", -15),
        ("import os, signal; signal.signal(13, signal.SIG_DFL); os.kill(os.getpid(), 13)", -13),
        ("import os; os.abort()", -6),
        ("", 0),
    ],
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


@pytest.mark.parametrize(("niceness", "expected"), [(19, ["19", "800"]), (0, ["0", "800"])])
async def test_a_background_child_yields_to_everyone(tmp_path: Path, niceness: int, expected: list[str]) -> None:
    look = "import os; print(os.nice(0)); print(open('/proc/self/oom_score_adj').read())"
    inner = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {look!r}])"
    async with run_child([sys.executable, "-c", inner], log=tmp_path / "log", niceness=niceness) as child:
        await child.wait(timeout_s=20)
    assert child.log_tail().split() == expected


async def test_a_child_of_a_nice_server_is_no_less_nice(tmp_path: Path) -> None:
    """Below its own a process may not go without privileges."""
    script = f"import asyncio, os\nfrom pathlib import Path\nfrom nightschool.child import run_child\n{NICE_PARENT}"
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, capture_output=True, text=True)
    assert done.stdout == "0 15\n"


NICE_PARENT = """
import sys
async def main(folder):
    os.nice(15)
    async with run_child(["nice"], log=Path(folder) / "log", niceness=10) as child:
        print(await child.wait(), child.log_tail())
asyncio.run(main(sys.argv[1]))
"""


WITH_GRANDCHILD = "trap '' TERM; sleep 1000 & echo $! > grandchild; echo $$ > child; wait"


async def test_kill_9_of_the_warden_leaves_nobody_behind(tmp_path: Path) -> None:
    async with run_child(["bash", "-c", f"cd {tmp_path}; {WITH_GRANDCHILD}"], log=tmp_path / "log") as child:
        of_child, grandchild = await pid_in(tmp_path / "child"), await pid_in(tmp_path / "grandchild")
        child.process.kill()
        assert await child.wait(timeout_s=10) == -9
    assert wait_until_dead(of_child)
    assert wait_until_dead(grandchild)
    assert not (tmp_path / "log.pid").exists()


async def test_kill_9_of_the_child_ends_its_group(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with run_child(["bash", "-c", f"cd {tmp_path}; {WITH_GRANDCHILD}"], log=log, grace_s=0.2) as child:
        of_child, grandchild = await pid_in(tmp_path / "child"), await pid_in(tmp_path / "grandchild")
        os.kill(of_child, signal.SIGKILL)
        assert await child.wait(timeout_s=10) == -9
        assert wait_until_dead(grandchild)


async def test_what_outlived_both_is_ended_by_the_next_run(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)])
    of_child, grandchild = await pid_in(tmp_path / "child"), await pid_in(tmp_path / "grandchild")
    warden = int((tmp_path / "log.pid").read_text().split()[1])
    parent.send_signal(signal.SIGSTOP)  # it must not clean up between the two
    os.kill(warden, signal.SIGKILL)
    parent.kill()
    parent.wait()
    assert wait_until_dead(of_child)
    assert is_alive(grandchild)
    async with run_child(["true"], log=tmp_path / "log") as child:
        await child.wait(timeout_s=10)
    assert wait_until_dead(grandchild)


async def test_a_mark_whose_numbers_others_have_now_ends_nobody(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as stranger:
        write_mark(tmp_path / "log.pid", warden=stranger.pid, child=stranger.pid)
        words = (tmp_path / "log.pid").read_text().split()
        for stale in (
            f"{words[0]} {words[1]} {int(words[2]) - 1} {words[3]}",  # another process of that number
            f"{words[0][::-1]} {' '.join(words[1:])}",  # another boot
            "cut",
            f"{words[0]} x y z",
            "",
        ):
            (tmp_path / "log.pid").write_text(stale)
            assert end_leftovers(tmp_path / "log.pid") == 0
            assert stranger.poll() is None
        stranger.kill()


async def test_only_the_kernel_says_that_memory_was_short(tmp_path: Path) -> None:
    kill_itself = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    async with run_child(kill_itself, log=tmp_path / "log") as child:
        await child.wait(timeout_s=10)
    assert not child.was_killed_for_memory()
    assert replace(child, memory_kills_before=-1).was_killed_for_memory()
    assert not replace(child, memory_kills_before=None).was_killed_for_memory()


LAUNCHED = "  exitcode  : -9 (pid: 77)  (SIGKILL)"


@pytest.mark.parametrize(
    ("script", "was_killed"),
    [
        ("bash -c 'kill -9 $$'; exit $?", True),  # 137
        (f"echo '{LAUNCHED}'; exit 1", True),
        (f"echo '{LAUNCHED}'", False),
        ("echo '  exitcode  : -15 (pid: 77)  (SIGTERM)'; exit 1", False),
        ("echo 'it ended with exitcode: -9 or so'; exit 1", False),
        ("exit 1", False),
        ("kill -15 $$", False),
    ],
)
async def test_what_was_killed_below_a_launcher_counts_where_the_kernel_says_so(
    tmp_path: Path, script: str, was_killed: bool
) -> None:
    async with run_child(["bash", "-c", script], log=tmp_path / "log") as child:
        await child.wait(timeout_s=10)
    assert replace(child, memory_kills_before=-1).was_killed_for_memory() is was_killed
    assert not replace(child, memory_kills_before=count_memory_kills()).was_killed_for_memory()


@pytest.mark.train
async def test_so_does_the_launcher_of_a_training_tell(tmp_path: Path) -> None:
    (tmp_path / "victim.py").write_text(
        "import os, time\nif os.environ['RANK'] == '1':\n    os.kill(os.getpid(), 9)\ntime.sleep(60)\n"
    )
    command = [sys.executable, *LAUNCHER, "--num_processes", "2", str(tmp_path / "victim.py")]
    async with run_child(command, log=tmp_path / "log") as child:
        assert await child.wait(timeout_s=60) == 1
    assert replace(child, memory_kills_before=-1).was_killed_for_memory()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"proc/vmstat": "pgfault 7\noom_kill 3\n"}, 3),
        ({"proc/vmstat": "oom_kill 3\n", "proc/self/cgroup": "4:memory:/x\n0::/\n"}, 3),
        (
            {
                "proc/vmstat": "oom_kill 3\n",
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/b/memory.events": "oom 9\noom_kill 1\n",
            },
            1,
        ),
    ],
)
def test_where_the_kernel_counts(tmp_path: Path, files: dict[str, str], expected: int | None) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert count_memory_kills(tmp_path) == expected


async def test_a_long_log_is_put_aside_at_the_next_start(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    with log.open("wb") as file:
        file.truncate(LOG_BYTES + 1)
    for _ in range(2):
        async with run_child(["echo", "hello"], log=log) as child:
            await child.wait(timeout_s=10)
    assert log.read_text() == "hello\nhello\n"
    assert (tmp_path / "train.log.1").stat().st_size > LOG_BYTES


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
    script = f"cd {folder}; sleep 1000 & echo $! > grandchild; echo $$ > child; wait"
    async with run_child(["bash", "-c", script], log=Path(folder) / "log", grace_s=0.2) as child:
        await child.wait()

asyncio.run(main(sys.argv[1]))
"""
