"""Run a stranger's `grade(sample, item)` in a process that can compute and nothing else.

Begun by `eval.graders.sandbox` as a script with the standard library alone. What it needs is read and imported first;
then the kernel (seccomp) refuses every call but those that compute, take memory, tell the time and write to what is
open: no file, no network, no process. Whatever the code does to this process, those stay refused. In: JSON on stdin,
and as arguments seconds of processor time and seconds. Out: one line of JSON on stdout.
"""

import ctypes
import importlib
import json
import math
import os
import platform
import resource
import signal
import sys

MEMORY_BYTES = 512 * 2**20
CPU_S = 5
WALL_S = 20
OUTPUT_BYTES = 64_000
CANNOT_LOCK = 77
"""Exit code where the kernel offers no such lock."""
MODULES = (
    "_strptime", "ast", "base64", "bisect", "collections", "copy", "csv", "dataclasses", "datetime", "decimal",
    "difflib", "enum", "fractions", "functools", "heapq", "html", "itertools", "json", "math", "operator",
    "random", "re", "statistics", "string", "textwrap", "time", "typing", "unicodedata", "urllib.parse",
    "xml.etree.ElementTree",
)  # fmt: skip
"""What a grader may import."""

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 1, 38, 22, 2
# Of <linux/audit.h>, and the numbers of: read, write, close, fstat, lseek, mmap, mprotect, munmap, brk, mremap,
# madvise, gettimeofday, futex, clock_gettime, clock_nanosleep, getrandom, exit, exit_group.
CALLS = {
    "x86_64": (0xC000003E, (0, 1, 3, 5, 8, 9, 10, 11, 12, 25, 28, 96, 202, 228, 230, 318, 60, 231)),
    "aarch64": (0xC00000B7, (63, 64, 57, 80, 62, 222, 226, 215, 214, 216, 233, 169, 98, 113, 115, 278, 93, 94)),
}
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000 | 1, 0x80000000
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06


class Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("if_true", ctypes.c_ubyte),
        ("if_false", ctypes.c_ubyte),
        ("k", ctypes.c_uint),
    )


class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(Instruction)))


def limit(*, cpu_s: int, wall_s: int) -> None:
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, OUTPUT_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
    # The first bound tells why by its signal; what survived it would meet the second.
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    os.nice(10)
    signal.alarm(wall_s)


def lock() -> None:
    """Exits with CANNOT_LOCK where that is not possible."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if platform.machine() not in CALLS:
        os._exit(CANNOT_LOCK)
    architecture, calls = CALLS[platform.machine()]
    rules = [Instruction(LOAD, 0, 0, 4), Instruction(EQUAL, 1, 0, architecture), Instruction(RETURN, 0, 0, KILL)]
    rules.append(Instruction(LOAD, 0, 0, 0))
    for call in calls:
        rules += [Instruction(EQUAL, 0, 1, call), Instruction(RETURN, 0, 0, ALLOW)]
    rules.append(Instruction(RETURN, 0, 0, REFUSE))
    program = Program(len(rules), (Instruction * len(rules))(*rules))
    is_bound = libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    if not is_bound or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        os._exit(CANNOT_LOCK)


def grade(source: str, sample: object, item: object) -> dict[str, object]:
    names: dict[str, object] = {"__name__": "grader"}
    try:
        exec(compile(source, "grader", "exec"), names)
        score = names["grade"](sample, item)  # type: ignore[operator]  # a stranger's: it may be anything
        if isinstance(score, bool | int | float) and math.isfinite(score):
            return {"score": float(score)}
        return {"error": f"grade gave {type(score).__name__} and no finite number"}
    except KeyError as error:
        missing = "grade" not in names
        return {"error": "has no function grade(sample, item)" if missing else f"KeyError: {error}"[:300]}
    except BaseException as error:
        return {"error": f"{type(error).__name__}: {error}"[:300]}


def main() -> None:
    limit(cpu_s=int(sys.argv[1]), wall_s=int(sys.argv[2]))
    given = json.load(sys.stdin)
    for name in MODULES:
        importlib.import_module(name)
    result = os.dup(1)
    # What the code prints is nobody's.
    sys.stdout = sys.stderr
    lock()
    told = json.dumps(grade(given["source"], given["sample"], given["item"]))
    os.write(result, told.encode() + b"\n")
    os._exit(0)


if __name__ == "__main__":
    main()
