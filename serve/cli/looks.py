"""Verbs that look: status, adapters, events, report."""

from datetime import datetime
from typing import Annotated, Any

import typer

from nightschool.settings import load_settings
from serve.cli.client import connect
from serve.cli.options import AnyBotOption, JsonFlag
from serve.cli.talk import give_json, give_table, say


def add_looking_verbs(app: typer.Typer) -> None:
    app.command("status")(status)
    app.command("adapters")(adapters)
    app.command("events")(events)
    app.command("report")(report)


def status(as_json: JsonFlag = False) -> None:
    """Show the engine, each bot's live version and next night, and the night in progress."""
    with connect(load_settings().settings.paths) as server:
        found = server.get("/ops/status")
    if as_json:
        give_json(found)
        return
    engine = found["engine"]
    say(f"engine: {engine['state']} ({engine['kind']}, {engine['model']}) {engine['detail']}")
    if engine["kind"] == "echo":
        say("NOTE: the echo engine is in use; its answers are fake")
    rows = [bot | {"night": _night(bot), "last": _last(bot), "next": _when(bot["next_night"])} for bot in found["bots"]]
    columns = {
        "bot": "bot", "live": "live", "night": "now", "last": "last night", "next": "next night",
        "conversations": "chats", "votes_up": "up", "votes_down": "down",
    }  # fmt: skip
    give_table(rows, columns, empty="no bots")


def adapters(bot: AnyBotOption = None, as_json: JsonFlag = False) -> None:
    """List adapters, newest first, with their stages."""
    with connect(load_settings().settings.paths) as server:
        rows = server.get("/ops/adapters", bot=bot)
    if as_json:
        give_json(rows)
        return
    columns = {
        "bot": "bot", "version": "version", "stage": "stage", "has_passing_verdict": "passed", "hash": "hash",
        "created_at": "created",
    }  # fmt: skip
    give_table([row | {"hash": row["hash"][:12]} for row in rows], columns, empty="no adapters yet")


def events(
    bot: AnyBotOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many.")] = 50,
    as_json: JsonFlag = False,
) -> None:
    """Show the audit: who did what to which adapter, when and why."""
    with connect(load_settings().settings.paths) as server:
        rows = server.get("/ops/events", bot=bot, limit=limit)
    if as_json:
        give_json(rows)
        return
    columns = {"at": "at", "actor": "who", "action": "did", "subject": "to", "reason": "why"}
    give_table(rows, columns, empty="nothing happened yet")


def report(cycle: Annotated[str, typer.Argument(help="The cycle's id, from `status --json`.")]) -> None:
    """Print a night's report as Markdown."""
    with connect(load_settings().settings.paths) as server:
        print(server.text(f"/ops/report/{cycle}"))


def _night(bot: dict[str, Any]) -> str:
    running = bot["running"]
    return f"{running['step']} {running['progress']:.0%}" if running else ""


def _when(moment: str | None) -> str:
    return f"{datetime.fromisoformat(moment):%a %d %b, %H:%M}" if moment else "off"


def _last(bot: dict[str, Any]) -> str:
    ended = [cycle for cycle in bot["recent"] if cycle["state"] != "running"]
    return f"{ended[0]['verdict'] or ended[0]['state']} ({ended[0]['trigger']})" if ended else ""
