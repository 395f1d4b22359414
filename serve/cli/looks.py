"""Verbs that look: status, waiting, gaps, prove, events."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from serve.cli.options import AnyBotOption, BotOption, JsonFlag, server_of
from serve.cli.talk import give, give_json, give_table, local_time


def add_looking_verbs(app: typer.Typer) -> None:
    app.command("status")(status)
    app.command("waiting")(waiting)
    app.command("gaps")(gaps)
    app.command("prove")(prove)
    app.command("events")(events)


def status(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Show engine, live versions, schedules and nights."""
    from serve.cli.training import describe_training  # noqa: PLC0415

    with server_of(context) as server:
        found = server.get("/ops/status")
    if as_json:
        give_json(found)
        return
    engine = found["engine"]
    give(" ".join(f"engine: {engine['state']} ({engine['kind']}, {engine['model']}) {engine['detail']}".split()))
    if engine["alone"]:
        give(f"{engine['alone']} has it alone: no other bot and no other version is answered, and no night begins")
    for name, own in engine["whole_models"].items():
        give(f"engine of {name}: {own['state']} {own['detail']}".rstrip())
    if engine["kind"] == "echo":
        give("NOTE: the echo engine is in use; its answers are fake")
    if found["disk"]["is_low"]:
        give(f"disk: low, {found['disk']['free_gib']:g} GiB free; no night begins below night.min_free_gib. Free some")
    give("")
    rows = [bot | {"next": _next_night(bot), "now": _now(bot)} for bot in found["bots"]]
    columns = {
        "bot": "bot", "live": "live", "now": "now", "next": "next night", "conversations": "conversations",
        "answers": "answers", "votes_up": "up", "votes_down": "down",
    }  # fmt: skip
    give_table(rows, columns, empty="no bots")
    for bot in found["bots"]:
        if bot["running"] and bot["running"]["training"]:
            give(f"{bot['bot']} trains: {describe_training(bot['running']['training'])}")
        if bot["held"]:
            give(_held(bot["bot"], bot["held"]))
        for line in _side_by_side(bot["bot"], bot["side_by_side"]):
            give(line)
        for name in bot["tainted"]:
            give(f"{name} is tainted: something that it had learnt was erased; the next night trains without it")
    give("")
    nights = [_night(cycle) for bot in found["bots"] for cycle in bot["recent"]]
    give_table(
        sorted(nights, key=lambda night: str(night["started_at"]), reverse=True),
        {"bot": "bot", "when": "night of", "trigger": "by", "outcome": "outcome", "why": "why"},
        empty="no nights yet",
    )


def waiting(
    context: typer.Context,
    bot: AnyBotOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many.")] = 50,
    as_json: JsonFlag = False,
) -> None:
    """Show what people suggested and no operator has ruled on.

    What most independent persons agree on comes first, then the oldest: newcomers, and those of one address, are one.
    Nothing of it is learnt before an operator takes it up.
    """
    columns = {
        "when": "since", "persons": "persons", "independent": "independent", "bot": "bot", "question": "question",
        "answer": "answer", "proposal": "suggested",
    }  # fmt: skip
    with server_of(context) as server:
        rows = server.get("/ops/waiting", bot=bot, limit=limit)
    _give_dated(rows, columns, by="first_at", empty="nothing waits", as_json=as_json)


def gaps(
    context: typer.Context,
    bot: AnyBotOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000, help="How many.")] = 50,
    as_json: JsonFlag = False,
) -> None:
    """Show what is answered badly and nothing in the record answers.

    Questions with thumbs down, or that people came back to, and that neither an imported conversation nor an answer
    that was let in asks alike: what somebody should write down. What was asked most comes first.
    """
    with server_of(context) as server:
        rows = server.get("/ops/gaps", bot=bot, limit=limit)
    columns = {"times": "times", "when": "last asked", "bot": "bot", "question": "question", "answer": "answered"}
    _give_dated(rows, columns, by="last_at", empty="no gaps", as_json=as_json)


def prove(context: typer.Context, bot: BotOption, as_json: JsonFlag = False) -> None:
    """Prove that what answers is the adapter in production.

    Its files must be those that the record knows, and the engine must give its proof texts the log-probabilities that
    training measured. Exit 6 where the engine answers as somebody else, 2 where the files were changed.
    """
    from urllib.parse import quote  # noqa: PLC0415

    with server_of(context) as server:
        found = server.get(f"/ops/prove/{quote(bot, safe='')}")
    if as_json:
        give_json(found)
    elif not found["hash"]:
        give(f"{found['live']} answers: no adapter is live")
    elif not found["is_proved"]:
        give(f"{found['live']} answers by files of {found['hash'][:12]}; the echo engine has no weights to prove")
    else:
        give(
            f"{found['live']} is in use: the engine answers as adapter {found['hash'][:12]} does "
            f"({found['to_adapter']:.3f} nats a token from it, {found['to_base']:.3f} from the base model)"
        )


def events(
    context: typer.Context,
    bot: AnyBotOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many.")] = 50,
    as_json: JsonFlag = False,
) -> None:
    """Show the newest lines of the audit: who did what, when and why. `audit list` finds older ones."""
    with server_of(context) as server:
        give_events(server.get("/ops/events", bot=bot, limit=limit), as_json=as_json)


def give_events(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    """Lines of the audit."""
    columns = {"when": "at", "actor": "who", "action": "did", "subject": "to", "reason": "why"}
    _give_dated(rows, columns, by="at", empty="nothing happened yet", as_json=as_json)


def _give_dated(rows: list[dict[str, Any]], columns: Mapping[str, str], *, by: str, empty: str, as_json: bool) -> None:
    """As they came, or as a table whose column `when` is the field `by` in the reader's own time."""
    if as_json:
        give_json(rows)
    else:
        give_table([row | {"when": local_time(row[by])} for row in rows], columns, empty=empty)


def _now(bot: dict[str, Any]) -> str:
    running = bot["running"]
    return f"{running['step']} {running['progress']:.0%}" if running else ""


def _held(bot: str, hold: dict[str, Any]) -> str:
    return (
        f"{bot} is held since {local_time(hold['since'])} by {hold['by']}: {hold['reason']}; "
        f"`nightschool release --bot {bot}` lifts it"
    )


def _side_by_side(bot: str, seen: dict[str, Any]) -> Iterator[str]:
    """How often production won where people saw two answers at once, and why nobody is asked who should be."""
    if seen["problem"]:
        yield f"{bot} has nobody compare two answers: {seen['problem']}"
    for one in seen["results"]:
        decided = one["production_won"] + one["other_won"]
        rate = ""
        if decided:
            rate = f", {one['win_rate']:.0%} (95 %: {one['low']:.0%} to {one['high']:.0%})"
        people = "1 person" if one["persons"] == 1 else f"{one['persons']} people"
        yield (
            f"{one['production']} won {one['production_won']} of {decided} against {one['other']}{rate}; {people}, "
            f"{one['same']} the same, {one['both_bad']} both bad, asked {one['asked']} times"
        )


def _next_night(bot: dict[str, Any]) -> str:
    return local_time(bot["next_night"]) or "off"


def _night(cycle: dict[str, Any]) -> dict[str, Any]:
    return cycle | {
        "when": local_time(cycle["started_at"]),
        "outcome": cycle["verdict"] or cycle["state"],
        "why": _decisive(cycle["reasons"]),
    }


def _decisive(reasons: list[str]) -> str:
    """What stood in the way, else what carried it; `report` has them all."""
    failed = [reason for reason in reasons if not reason.startswith("passed: ")]
    return " ".join(failed or reasons[:1])
