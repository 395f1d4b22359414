"""What strangers' Python may do: compute, and nothing to this machine."""

import os
import platform
import time
from pathlib import Path

import pytest

from eval.graders.sandbox import run_python
from eval.graders.template import Ungraded

VALUES = {"item": {"a": "Where?"}, "sample": {"output_text": "where"}}
USEFUL = """
import difflib, json, re, statistics
from datetime import datetime

def grade(sample, item):
    print("nobody reads this")
    year = datetime.strptime("2026", "%Y").year
    words = [re.sub(r"\\W", "", text).lower() for text in (sample["output_text"], item["a"])]
    return statistics.mean([difflib.SequenceMatcher(None, *words).ratio(), float(year == 2026)])
"""
ATTACKS = """
import _thread, ctypes, os, signal

libc = ctypes.CDLL(None, use_errno=True)
TRIES = [
    lambda: open(%(file)r).read(),
    lambda: open("new", "w"),
    lambda: os.listdir("."),
    lambda: os.stat("/etc/passwd"),
    lambda: os.readlink("/proc/self/exe"),
    lambda: __import__('socket').socket(),
    lambda: os.fork(),
    lambda: os.execv("/bin/true", ["true"]),
    lambda: os.posix_spawn("/bin/true", ["true"], {}),
    lambda: os.kill(%(parent)d, 0),
    lambda: os.setuid(0),
    lambda: os.pipe(),
    lambda: os.memfd_create("x"),
    lambda: signal.signal(signal.SIGALRM, signal.SIG_IGN),
    lambda: refused_by_number(),
    lambda: _thread.start_new_thread(print, ()),
]

def refused_by_number():
    for number in %(calls)s:
        assert libc.syscall(number, 0, 0, 0) == -1 and ctypes.get_errno() == 1, number
    raise PermissionError

def grade(sample, item):
    refused = 0
    for number, attack in enumerate(TRIES):
        try:
            attack()
        except (OSError, RuntimeError, ModuleNotFoundError):
            refused += 1
        else:
            raise SystemExit(f"attack {number} came through")
    # Python itself sets a locale where there is none.
    return refused / len(TRIES) if set(os.environ) <= {"LC_CTYPE"} else 0
"""


def test_a_grader_computes_with_what_it_is_given() -> None:
    assert run_python(USEFUL, VALUES) == 1.0
    assert run_python("def grade(sample, item):\n    return sample is None", {"item": {}}) == 1.0


def test_it_reaches_no_file_no_network_and_no_process(tmp_path: Path) -> None:
    secret = tmp_path / "operator.key"
    secret.write_text("secret")
    # open, rt_sigaction, alarm, setitimer, socket, clone, execve, ptrace, prctl, io_uring_setup, and open of the other
    # table (x32).
    calls = (2, 13, 37, 38, 41, 56, 59, 101, 157, 425, 0x40000002) if platform.machine() == "x86_64" else ()
    attacks = ATTACKS % {"file": str(secret), "parent": os.getpid(), "calls": calls}
    assert run_python(attacks, VALUES) == 1.0


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("def grade(sample, item)", "SyntaxError"),
        ("score = 1", "no function grade"),
        ("def grade(sample, item): return item['b']", "KeyError: 'b'"),
        ("def grade(sample, item): return float('nan')", "no finite number"),
        ("def grade(sample, item): return 'good'", "gave str"),
        ("import socket", "ModuleNotFoundError"),
        ("def grade(sample, item): return [0] * 10**9", "MemoryError"),
        ("import os\nwhile True: os.write(1, b'x' * 9999)", "nothing that can be read"),
        ("import os\nos._exit(0)", "ended with 0"),
        ("import ctypes\nctypes.string_at(0)", "ended with -11"),
    ],
)
def test_why_there_is_no_grade_is_told(source: str, why: str) -> None:
    with pytest.raises(Ungraded, match=why):
        run_python(source, VALUES)


def test_its_time_is_bounded() -> None:
    began = time.monotonic()
    with pytest.raises(Ungraded, match="took too much processor time"):
        run_python("while True: pass", VALUES, cpu_s=1)
    with pytest.raises(Ungraded, match="took too long"):
        run_python("import time\nwhile True: time.sleep(9)", VALUES, wall_s=1)
    assert time.monotonic() - began < 15
