"""Verbs that change what is live: night, promote, rollback."""

from typing import Annotated, Any

import typer

from nightschool.settings import load_settings
from serve.cli.client import connect
from serve.cli.follow import as_verdict, follow_night
from serve.cli.options import BotOption, JsonFlag, ReasonOption, VersionOption
from serve.cli.talk import give_json, say


def add_moving_verbs(app: typer.Typer) -> None:
    app.command("night")(night)
    app.command("promote")(promote)
    app.command("rollback")(rollback)


def night(
    bot: BotOption,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would do.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Train also where nothing is new.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Run one cycle now and follow it: dataset, training, evaluation, gate, promotion."""
    with connect(load_settings().settings.paths) as server:
        begun = server.post("/ops/night", {"bot": bot, "force": force, "dry_run": dry_run})
        if dry_run:
            _tell_plan(begun, as_json=as_json)
            return
        cycle = follow_night(server, begun["cycle"])
    verdict = as_verdict(cycle)
    if as_json:
        give_json(verdict)
    say(f"{bot}: {verdict['verdict']}")
    for reason in verdict["reasons"]:
        say(f"  {reason}")


def promote(bot: BotOption, reason: ReasonOption, version: VersionOption = None, as_json: JsonFlag = False) -> None:
    """Make a version live; without --version the newest candidate."""
    _move("/ops/promote", {"bot": bot, "version": version, "reason": reason}, as_json=as_json)


def rollback(bot: BotOption, reason: ReasonOption, version: VersionOption = None, as_json: JsonFlag = False) -> None:
    """Take the live version back: to the one before, to --version, or to the base model."""
    _move("/ops/rollback", {"bot": bot, "version": version, "reason": reason}, as_json=as_json)


def _move(path: str, body: dict[str, Any], *, as_json: bool) -> None:
    with connect(load_settings().settings.paths) as server:
        done = server.post(path, body)
    if as_json:
        give_json(done)
    say(f"{done['live']} answers now")


def _tell_plan(plan: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        give_json(plan)
    will = "would train" if plan["would_train"] else f"would not train: {plan['reason']}"
    say(
        f"{plan['bot']} {will}; {plan['train_rows']} training rows ({plan['new_rows']} new), "
        f"{plan['held_out_rows']} held-out rows, {plan['pairs']} pairs, {plan['votes']} votes"
    )
