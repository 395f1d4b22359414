"""`nightschool up`: prepare, start everything, say where it is, run until Ctrl-C.

One process holds the server and, through a warden, the engine; nothing outlives it. Knows the order of things, not the
things: the model is `tune.base_model`'s, the parts are `serve.app`'s.
"""

import asyncio
import gc
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import FastAPI

from collect import holds, keys
from deploy.giving_way import SERVER
from nightschool.child import LOG_BYTES
from nightschool.errors import NightschoolError, NotAllowed, Unavailable, full_disk
from nightschool.files import free_bytes, write_atomic
from nightschool.folder import hold_folder
from nightschool.home import Home
from nightschool.prompt import Template
from nightschool.records import utc_now
from nightschool.settings import Settings
from serve.app import build_app, open_parts
from serve.audited import make_key
from serve.base_model import check_probe, prepare_default, probe_base
from serve.cli.address import listening_fault, own_url
from serve.cli.doctor import available_memory_gib
from serve.parts import Parts
from serve.secrets import open_secrets
from serve.vllm.supervisor import EngineState, EngineStatus

log = logging.getLogger(__name__)

FIRST_KEY_NAME: Final = "first"
FIRST_START: Final = "the first start"
"""Who made that key, in the audit."""
MODEL_GIB: Final = 2.0
"""Free disk that the conversion of the default model wants."""
MEMORY_GIB: Final = 6.0
"""Free memory below which engine and trainer are likely to be killed."""
GIB: Final = 2**30
CONNECTION_GRACE_S: Final = 1
KEEP_ALIVE_S: Final = 75
"""An idle connection stays open for longer than clients keep theirs (httpx and openai 5 s, proxies up to a minute).

Where both sides give up at the same moment, a question meets a connection that is being closed.
"""


def run_up(settings: Settings, *, is_quiet: bool = False) -> int:
    """Serve until a signal says stop. Returns the exit code."""
    home = settings.paths
    with hold_folder(home):
        _check_port(settings.server.host, settings.server.port)
        write_logs_to(home.logs / "server.log")
        try:
            return asyncio.run(_serve(settings, say=_Talk(is_quiet)))
        except ExceptionGroup as failures:
            raise known_failure(failures) from failures


def known_failure(failures: ExceptionGroup[Exception]) -> Exception:
    """The failure in words for people among those that ended the server; all of them where there is none."""
    known = failures.subgroup(NightschoolError) or failures.subgroup(lambda failure: full_disk(failure) is not None)
    while known is not None:
        first = known.exceptions[0]
        if not isinstance(first, ExceptionGroup):
            return first
        known = first
    return failures


class _Talk:
    """Says what happens on stderr, with the seconds it took."""

    def __init__(self, is_quiet: bool) -> None:
        self.is_quiet = is_quiet
        self._began = time.monotonic()

    def __call__(self, text: str) -> None:
        if not self.is_quiet:
            self.aloud(text)

    def aloud(self, text: str) -> None:
        """Say it even where nothing else is said."""
        print(f"[{time.monotonic() - self._began:5.1f} s] {text}", file=sys.stderr, flush=True)


async def _serve(settings: Settings, *, say: _Talk) -> int:
    home = settings.paths
    base_model = await _base_model(settings, say=say)
    opened = open_secrets(home)
    if opened.new_password:
        # At once and in any case: it is kept nowhere, and an engine that never comes up must not take it along.
        say.aloud(f"console password: {opened.new_password}   (shown once; `nightschool password` makes a new one)")
    template = await _template(settings, base_model, say=say)
    async with open_parts(settings, base_model=base_model, template=template, secrets=opened.secrets) as parts:
        server = uvicorn.Server(configure(build_app(parts), settings))
        # Ours, since uvicorn raises the signal again at its end and would cut the orderly stop short.
        server.capture_signals = nullcontext  # type: ignore[method-assign,assignment]
        write_atomic(home.server_state, _state(settings))
        _spare_what_stays()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_stop_on_signal(server, parts, say=say))
                group.create_task(_greet(parts, say=say))
                await server.serve()
                raise _Stopped
        except* _Stopped:
            pass
        finally:
            home.server_state.unlink(missing_ok=True)
    say("stopped")
    return 0


def _spare_what_stays() -> None:
    """Exempt what is loaded by now from garbage collection.

    A full collection would look through all of it each time, and everybody would wait for half a second.
    """
    gc.collect()
    gc.freeze()


def configure(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How the app is served."""
    return uvicorn.Config(
        app,
        host=settings.server.host,
        port=settings.server.port,
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=settings.server.trusted_proxies,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=CONNECTION_GRACE_S,
    )


class _Stopped(Exception):
    """Ends the tasks beside the server once it has ended."""


async def _stop_on_signal(server: uvicorn.Server, parts: Parts, *, say: _Talk) -> None:
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    await asked.wait()
    say("stopping: answers in flight may finish")
    await parts.turns.stop(grace_s=parts.settings.server.drain_s)
    server.should_exit = True


async def _greet(parts: Parts, *, say: _Talk) -> None:
    """Wait until an answer really comes back, then say where everything is; the first key is shown this once."""
    say("engine: starting (the first start compiles and takes longer)")
    await wait_for_engine(parts.engine_status, say=say)
    server = parts.settings.server
    address = own_url(server.host, server.port) + server.root_path
    lines = ["ready: an answer came back", "", f"  chat      {address}/", f"  console   {address}/console/"]
    # A key that nobody sees would be lost: the first start that is watched makes it.
    if not say.is_quiet and (key := await _first_key(parts)):
        lines.append(f"  API key   {key}   (base URL {address}/v1; shown once)")
    if parts.settings.engine.kind == "echo":
        lines.append("  NOTE      the echo engine is in use: its answers are fake")
    for name in await parts.store.read(partial(holds.taken_down, actor=SERVER)):
        lines.append(f"  NOTE      {name} was rolled back, since its engine did not start: `nightschool status`")
    say("\n".join([*lines, "", "  stop      Ctrl-C"]))


async def wait_for_engine(look: Callable[[], EngineStatus], *, say: Callable[[str], None], pause_s: float = 1) -> None:
    """Returns once it answers; what keeps it from that is said once, however long it does."""
    told = ""
    while (status := look()).state is not EngineState.READY:
        if status.state is EngineState.DOWN and status.detail != told:
            told = status.detail
            say(f"engine: {told}")
        await asyncio.sleep(pause_s)


async def _first_key(parts: Parts) -> str | None:
    known = await parts.store.read(keys.list_keys)
    if any(key.name == FIRST_KEY_NAME for key in known):
        return None
    make = partial(make_key, name=FIRST_KEY_NAME, scope="user", actor=FIRST_START, at=utc_now())
    return await parts.store.write(make)


async def _base_model(settings: Settings, *, say: _Talk) -> str:
    """Folder or hub id of the base model; the default one is prepared where it is not."""
    if settings.engine.kind == "echo":
        return "echo"
    if settings.engine.model is not None:
        return settings.engine.model
    home = settings.paths

    def on_work() -> None:
        _check_disk(home)
        say("model: preparing SmolLM2-135M-Instruct (Apache-2.0), once")

    _warn_of_memory(say)
    await prepare_default(home.base_model, logs=home.logs, on_work=on_work)
    return str(home.base_model)


async def _template(settings: Settings, base_model: str, *, say: _Talk) -> Template:
    """Of the base model, once it was seen that adapters of it can learn and end. Raises InvalidInput, Unavailable."""
    if settings.engine.kind == "echo":
        return Template()
    say(f"model: {base_model}")
    probe = await probe_base(base_model, file=settings.paths.probe, logs=settings.paths.logs)
    check_probe(probe)
    if probe.left_out:
        say(f"model: not adapted: {', '.join(probe.left_out)}")
    return Template(probe.control_tokens, probe.takes_system)


def _check_port(host: str, port: int) -> None:
    if fault := listening_fault(host, port):
        raise Unavailable(
            f"cannot be listened on ({fault})",
            subject=f"{host}:{port}",
            remedy="Stop what uses it, or choose another with NIGHTSCHOOL_PORT or server.host.",
        )


def _check_disk(home: Home) -> None:
    free = free_bytes(home.root) / GIB
    if free < MODEL_GIB:
        raise Unavailable(
            f"only {free:.1f} GiB are free, {MODEL_GIB:g} are needed", subject=str(home.root), remedy="Free some disk."
        )


def _warn_of_memory(say: _Talk) -> None:
    free = available_memory_gib()
    if free < MEMORY_GIB:
        say(f"memory: only {free:.1f} GiB are free; engine and trainer want {MEMORY_GIB:g}. Close other programs.")


def write_logs_to(file: Path) -> None:
    """Whatever is logged from now on. Raises NotAllowed where the file is somebody else's."""
    try:
        handler = RotatingFileHandler(file, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8")
    except OSError as error:
        raise NotAllowed(
            f"cannot be written ({error.strerror})", subject=str(file), remedy="Give it to this user (chown)."
        ) from error
    # A full disk takes the log's lines, and would put a traceback for each of them on the terminal.
    logging.raiseExceptions = False
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in ("httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _state(settings: Settings) -> str:
    state = {"url": own_url(settings.server.host, settings.server.port), "pid": os.getpid()}
    return json.dumps(state) + "\n"
