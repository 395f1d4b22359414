"""Verbs that change what is live: night, promote, rollback, hold, release."""

import sys
from typing import Annotated, Any, Final

import typer

from nightschool.errors import InvalidInput
from serve.cli.options import BotOption, JsonFlag, ReasonOption, VersionOption, WayDownOption, server_of
from serve.cli.talk import give, give_json

PauseFlag = Annotated[
    bool, typer.Option("--yes", help="Change the engine for it, though nobody is answered meanwhile.")
]
MOVE_TIMEOUT_S: Final = 3_600.0
"""An engine may have to start."""


def add_moving_verbs(app: typer.Typer) -> None:
    app.command("night")(night)
    app.command("promote")(promote)
    app.command("rollback")(rollback)
    app.command("hold")(hold)
    app.command("release")(release)


def night(
    context: typer.Context,
    bot: BotOption,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would do.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Train also where nothing is new.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Begin none: follow the one under way.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Run one cycle now and follow it until it ends.

    Builds the dataset, trains, evaluates, and promotes what passes the gate. Ctrl-C leaves the cycle running in the
    server, and --watch follows it again. Whatever the verdict, exit 0; a cycle that failed exits 1.
    """
    from serve.cli.follow import find_running, follow_night  # noqa: PLC0415

    if watch and (dry_run or force):
        raise InvalidInput("begins nothing", subject="--watch", remedy="Leave --dry-run and --force out.")
    with server_of(context) as server:
        if watch:
            cycle = find_running(server, bot)
        else:
            begun = server.post("/ops/night", {"bot": bot, "force": force, "dry_run": dry_run})
            if dry_run:
                _give_plan(begun, as_json=as_json)
                return
            cycle = begun["cycle"]
        verdict = follow_night(server, cycle)
    if as_json:
        give_json(verdict)
        return
    give(f"{bot}: {verdict['verdict']}")
    for reason in verdict["reasons"]:
        give(f"  {reason}")


def promote(
    context: typer.Context,
    bot: BotOption,
    reason: ReasonOption,
    version: VersionOption = None,
    *,
    may_pause: PauseFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Make a version live; without --version the newest candidate."""
    body = {"bot": bot, "version": version, "reason": reason, "pause": may_pause}
    _move(context, "/ops/promote", body, as_json=as_json)


def rollback(
    context: typer.Context,
    bot: BotOption,
    reason: ReasonOption,
    version: WayDownOption = None,
    *,
    may_pause: PauseFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Take the live version back.

    Goes to the version before it, or to --version; what cannot be loaded is passed over, at last for the base model.
    The bot is held from then on: nothing goes live by itself until `release`.
    """
    body = {"bot": bot, "version": version, "reason": reason, "pause": may_pause}
    _move(context, "/ops/rollback", body, as_json=as_json)


def hold(context: typer.Context, bot: BotOption, reason: ReasonOption, as_json: JsonFlag = False) -> None:
    """Let no version go live by itself until `release`."""
    _set_hold(context, "/ops/hold", bot=bot, reason=reason, as_json=as_json)


def release(context: typer.Context, bot: BotOption, reason: ReasonOption, as_json: JsonFlag = False) -> None:
    """Lift a hold that a rollback or `hold` armed."""
    _set_hold(context, "/ops/release", bot=bot, reason=reason, as_json=as_json)


def _set_hold(context: typer.Context, path: str, *, bot: str, reason: str, as_json: bool) -> None:
    with server_of(context) as server:
        done = server.post(path, {"bot": bot, "reason": reason})
    if as_json:
        give_json(done)
    else:
        give(f"{bot} is {'held' if done['is_held'] else 'not held'} now")


def _move(context: typer.Context, path: str, body: dict[str, Any], *, as_json: bool) -> None:
    """Whoever sits before it is asked where nobody would be answered for a while; a script says it with --yes."""
    from serve.cli.client import RemoteError  # noqa: PLC0415

    with server_of(context, timeout_s=MOVE_TIMEOUT_S) as server:
        try:
            done = server.post(path, body)
        except RemoteError as error:
            if error.code != "needs_pause" or not sys.stdin.isatty():
                raise
            typer.confirm(f"{error.problem}\nGo on?", abort=True, err=True)
            done = server.post(path, body | {"pause": True})
    if as_json:
        give_json(done)
    else:
        give(f"{done['live']} answers now")


def _give_plan(plan: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        give_json(plan)
        return
    will = "would train" if plan["would_train"] else f"would not train: {plan['reason']}"
    give(
        f"{plan['bot']} {will}; {plan['train_rows']} training rows ({plan['new_rows']} new), "
        f"{plan['held_out_rows']} held-out rows, {plan['pairs']} pairs, {plan['votes']} votes"
    )
