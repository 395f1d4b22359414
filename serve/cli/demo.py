"""The whole loop on the shipped conversations, with the running installation or one of its own.

Import, a night, and the same held-out questions asked of the base model and of what is live now. A second run finds
nothing new, says so, and shows the answers again. How they are shown is `serve.cli.compare`'s.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console

from nightschool.bots import Bot, load_bots
from nightschool.child import Child, run_child
from nightschool.errors import NotFound, Unavailable
from nightschool.folder import hold_folder
from nightschool.home import Home
from nightschool.records import BotName
from nightschool.settings import Settings
from serve.cli.client import ImportRow, RemoteError, Server, connect, is_alive
from serve.cli.compare import Pair, show_pairs, show_verdict
from serve.cli.data import open_input, pieces
from serve.cli.follow import follow_night
from serve.cli.options import BULK_TIMEOUT_S
from serve.cli.talk import give_json, say
from serve.secrets import open_secrets

DATA: Final = "lumafern"
QUESTIONS: Final = 6
MAX_TOKENS: Final = 160
LISTEN_TIMEOUT_S: Final = 300
"""How long a server of our own may take to listen; the default model is converted before that."""
READY_POLL_S: Final = 0.5
GRACE_S: Final = 15


def run_demo(settings: Settings, *, bot: str, environment: Mapping[str, str], as_json: bool) -> None:
    """Raises NotFound where the shipped data or the bot is missing, and what the server answers.

    `environment` is that of a server of our own, which must see the same settings.
    """
    data = settings.bots / DATA
    found = load_bots(settings.bots).get(BotName(bot))
    if found is None or not data.is_dir():
        raise NotFound(
            f"has no bot {bot!r} beside conversations in {DATA}/",
            subject=str(settings.bots),
            remedy="Run this in Nightschool's own folder.",
        )
    began_s = time.monotonic()
    if is_alive(settings.paths):
        say("using the installation that runs")
        _run(settings, bot=found, data=data, as_json=as_json)
    else:
        demo = partial(_run, settings, bot=found, data=data, as_json=as_json)
        asyncio.run(_run_with_own_server(settings, demo, environment=environment))
    say(f"the demo took {(time.monotonic() - began_s) / 60:.1f} minutes")


async def _run_with_own_server(settings: Settings, demo: Callable[[], None], *, environment: Mapping[str, str]) -> None:
    log = settings.paths.logs / "demo-server.log"
    say(f"no installation runs here: starting one for the demo (its log: {log})")
    if password := _new_password(settings.paths):
        say(f"console password: {password}   (shown once)")
    command = [sys.executable, "-m", "serve.cli", "up", "--quiet"]
    async with run_child(command, log=log, environment=environment, grace_s=GRACE_S) as child:
        await _until_it_listens(settings.paths, child)
        try:
            await asyncio.to_thread(demo)
        except Unavailable:
            if child.is_running:
                raise
            raise _ended(child) from None
        say("stopping the demo's installation; `make up` starts it again, with what it has learned")


def _new_password(home: Home) -> str | None:
    """The console's, where the folder is new: made here, since it is told once and the child's log is no place."""
    with hold_folder(home):
        return open_secrets(home).new_password


async def _until_it_listens(home: Home, child: Child) -> None:
    try:
        async with asyncio.timeout(LISTEN_TIMEOUT_S):
            while not await asyncio.to_thread(is_alive, home):
                if not child.is_running:
                    raise _ended(child)
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise Unavailable("did not start in time", subject="server", remedy=f"See {child.log}.") from None


def _ended(child: Child) -> Unavailable:
    return Unavailable(
        f"ended with these words:\n{child.log_tail()}\n", subject="the demo's server", remedy="`nightschool doctor`."
    )


def _run(settings: Settings, *, bot: Bot, data: Path, as_json: bool) -> None:
    name, held_out = bot.name, data / "heldout.jsonl"
    with connect(settings.paths, timeout_s=BULK_TIMEOUT_S) as server:
        _wait_until_ready(server, timeout_s=settings.engine.start_timeout_s)
        _import(server, data / "train.jsonl", bot=name, is_held_out=False)
        _import(server, held_out, bot=name, is_held_out=True)
        verdict = follow_night(server, server.post("/ops/night", {"bot": name})["cycle"])
        if not as_json:
            show_verdict(name, verdict)
        pairs = _ask_both(server, bot, held_out)
    if as_json:
        give_json({**verdict, "answers": pairs})
    else:
        show_pairs(pairs)


def _import(server: Server, file: Path, *, bot: str, is_held_out: bool) -> None:
    with open_input(file) as opened:
        done: ImportRow = server.upload("/ops/import", pieces(opened, file=file), bot=bot, held_out=is_held_out)
    say(f"{file.name}: {done['imported']} imported, {done['skipped']} known already")


def _wait_until_ready(server: Server, *, timeout_s: float) -> None:
    deadline_s = time.monotonic() + timeout_s
    with _spinning("waiting for the engine's first answer"):
        while True:
            try:
                server.get("/readyz")
            except RemoteError as error:
                # The server is there and says that the engine is not ready yet.
                if error.exit_code != Unavailable.exit_code or time.monotonic() > deadline_s:
                    raise
                time.sleep(READY_POLL_S)
            else:
                return


def _ask_both(server: Server, bot: Bot, held_out: Path) -> list[Pair]:
    """The bot's starters and the first question of some held-out conversations, answered by the base model and by what
    is live."""
    rows = [json.loads(line)["messages"] for line in held_out.read_text(encoding="utf-8").splitlines()]
    asked = [(starter, "") for starter in bot.starters]
    for question, answer, *_ in rows[:: max(1, len(rows) // QUESTIONS)][:QUESTIONS]:
        asked.append((question["content"], answer["content"]))
    with _spinning(f"asking both {len(asked)} questions"):
        return [_pair(server, bot.name, question, reference) for question, reference in asked]


def _pair(server: Server, bot: str, question: str, reference: str) -> Pair:
    base = server.answer(f"{bot}@base", question, max_tokens=MAX_TOKENS)
    tuned = server.answer(bot, question, max_tokens=MAX_TOKENS)
    return Pair(
        question=question, base=base.text, tuned=tuned.text, tuned_version=tuned.version,
        sources=list(tuned.sources), reference=reference,
    )  # fmt: skip


@contextmanager
def _spinning(text: str) -> Iterator[None]:
    console = Console(stderr=True)
    if not console.is_terminal:
        say(text)
        yield
        return
    with console.status(text):
        yield
