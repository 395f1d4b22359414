"""The whole loop on the shipped conversations, with the running installation or one of its own.

Import, a night, and the same held-out questions asked of the base model and of what is live now, side by side. A second
run finds nothing new, says so, and shows the answers again.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from nightschool.bots import load_bots
from nightschool.child import run_child
from nightschool.errors import NightschoolError, NotFound, Unavailable
from nightschool.records import BotName
from nightschool.settings import Settings
from serve.cli.client import Server, connect
from serve.cli.follow import as_verdict, follow_night
from serve.cli.talk import err, give_json, say

DATA: Final = "lumafern"
QUESTIONS: Final = 6
START_TIMEOUT_S: Final = 900
FIGURES: Final = (("perplexity", "{:.2f}"), ("rouge_l", "{:.3f}"), ("token_f1", "{:.3f}"))


def run_demo(settings: Settings, *, bot: str, as_json: bool) -> None:
    """Raises NotFound where the shipped data or the bot is missing, and what the server answers."""
    data = settings.bots / DATA
    if BotName(bot) not in load_bots(settings.bots) or not data.is_dir():
        raise NotFound(
            f"has no bot {bot!r} with conversations in {DATA}/",
            subject=str(settings.bots),
            remedy="Run this in Nightschool's own folder.",
        )
    began = time.monotonic()
    if settings.paths.server_state.exists():
        say("using the installation that runs")
        _run(settings, bot=bot, data=data, as_json=as_json)
    else:
        asyncio.run(_run_with_own_server(settings, bot=bot, data=data, as_json=as_json))
    say(f"the demo took {(time.monotonic() - began) / 60:.1f} minutes")


async def _run_with_own_server(settings: Settings, *, bot: str, data: Path, as_json: bool) -> None:
    log = settings.paths.logs / "demo-server.log"
    say(f"no installation runs here: starting one for the demo (its log: {log})")
    async with run_child([sys.executable, "-m", "serve.cli", "up"], log=log, grace_s=15) as child:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not settings.paths.server_state.exists():
            if not child.is_running:
                raise Unavailable(f"could not be started:\n{child.log_tail()}\n", subject="server", remedy="Mend that.")
            if time.monotonic() > deadline:
                raise Unavailable("did not start in time", subject="server", remedy=f"See {log}.")
            await asyncio.sleep(0.5)
        await asyncio.to_thread(_run, settings, bot=bot, data=data, as_json=as_json)
        say("stopping the demo's installation; `make up` starts it again, with what it has learned")


def _run(settings: Settings, *, bot: str, data: Path, as_json: bool) -> None:
    with connect(settings.paths) as server:
        _wait_until_ready(server)
        for name, is_held_out in (("train.jsonl", False), ("heldout.jsonl", True)):
            done = server.post("/ops/import", raw=(data / name).read_bytes(), bot=bot, held_out=is_held_out)
            say(f"{name}: {done['imported']} imported, {done['skipped']} known already")
        cycle = follow_night(server, server.post("/ops/night", {"bot": bot})["cycle"])
        answers = list(_side_by_side(server, bot, data / "heldout.jsonl"))
    verdict = as_verdict(cycle)
    if as_json:
        give_json(verdict | {"answers": answers})
        return
    _show_verdict(bot, verdict)
    _show_answers(answers)


def _wait_until_ready(server: Server) -> None:
    with _spinning("waiting for the engine"):
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                server.get("/readyz")
            except NightschoolError as error:
                if time.monotonic() > deadline:
                    raise
                if isinstance(error, Unavailable):
                    raise
                time.sleep(1)
            else:
                return


def _side_by_side(server: Server, bot: str, held_out: Path) -> Iterator[dict[str, str]]:
    """The first question of some held-out conversations, answered by the base model and by what is live."""
    rows = [json.loads(line) for line in held_out.read_text().splitlines()]
    live = next(view["live"] for view in server.get("/ops/status")["bots"] if view["bot"] == bot)
    for row in rows[:: max(1, len(rows) // QUESTIONS)][:QUESTIONS]:
        question, reference = (message["content"] for message in row["messages"][:2])
        messages = [{"role": "user", "content": question}]
        with _spinning("asking both"):
            base = server.answer(f"{bot}@base", messages, max_tokens=160)
            tuned = server.answer(live, messages, max_tokens=160)
        yield {"question": question, "base": base, "tuned": tuned, "tuned_version": live, "reference": reference}


def _show_verdict(bot: str, verdict: dict[str, Any]) -> None:
    say(f"\n{bot}: {verdict['verdict']}")
    for reason in verdict["reasons"]:
        say(f"  {reason}")
    figures = verdict["figures"]
    if "candidate_perplexity" not in figures:
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("held out", "base", "tuned"):
        table.add_column(heading)
    for key, form in FIGURES:
        table.add_row(key, form.format(figures[f"base_{key}"]), form.format(figures[f"candidate_{key}"]))
    Console(highlight=False).print(table)


def _show_answers(answers: list[dict[str, str]]) -> None:
    table = Table(show_lines=True, title="Held-out questions, greedy answers")
    for heading in ("question", "base", f"tuned ({answers[0]['tuned_version']})" if answers else "tuned"):
        table.add_column(heading, overflow="fold", ratio=1)
    for row in answers:
        table.add_row(row["question"], row["base"], row["tuned"])
    Console(highlight=False).print(table)


@contextmanager
def _spinning(text: str) -> Iterator[None]:
    with err.status(text):
        yield
