"""Have a stranger's Python grade a row, in a child that can only compute (`eval.graders.sandbox_child`).

A child a row, with bounds on memory, processor time, time and output, an empty environment, and a folder of its own
with nothing in it. It protects this machine's files, network and processes by the kernel's seccomp; it does not protect
against a fault of the kernel in the few calls that are left, nor against code that lies about its score.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any, Final

from eval.graders.sandbox_child import CANNOT_LOCK, CPU_S, OUTPUT_BYTES, WALL_S
from eval.graders.template import Ungraded

CHILD: Final = Path(__file__).with_name("sandbox_child.py")
GRACE_S: Final = 5.0
"""Beyond its own alarm."""
ENDS: Final[Mapping[int, str]] = {
    -signal.SIGXCPU: "took too much processor time",
    -signal.SIGKILL: "was ended for want of memory",
    -signal.SIGALRM: "took too long",
    CANNOT_LOCK: "cannot be run: this machine's kernel offers no seccomp, without which no stranger's code runs here",
}


def run_python(source: str, values: Mapping[str, Any], *, cpu_s: int = CPU_S, wall_s: int = WALL_S) -> float:
    """What `grade(sample, item)` of the source returns. Raises Ungraded."""
    given = json.dumps({"source": source, "sample": values.get("sample"), "item": values["item"]})
    command = [sys.executable, "-I", "-S", "-X", "utf8", str(CHILD), str(cpu_s), str(wall_s)]
    with TemporaryFile() as asked, TemporaryFile() as told, TemporaryDirectory(prefix="grader-") as folder:
        asked.write(given.encode())
        asked.seek(0)
        child = subprocess.Popen(
            command, stdin=asked, stdout=told, stderr=subprocess.DEVNULL, cwd=folder, env={}, start_new_session=True
        )
        try:
            code = child.wait(wall_s + GRACE_S)
        finally:
            child.kill()
            child.wait()
        told.seek(0)
        said = told.read(OUTPUT_BYTES)
    return _read(said, code=code)


def _read(said: bytes, *, code: int) -> float:
    try:
        match json.loads(said):
            case {"score": float(score)}:
                return score
            case {"error": str(error)}:
                raise Ungraded(f"the grader failed: {error[:300]}")
    except ValueError:
        pass
    raise Ungraded(f"the grader {ENDS.get(code, f'ended with {code} and said nothing that can be read')}")
