"""Verbs of golden cases: list, add and remove a bot's own through its server; check a file without one."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from serve.cli.options import BotOption, JsonFlag, server_of
from serve.cli.talk import give_json, give_table, say

CaseArgument = Annotated[str, typer.Argument(metavar="ID", help="What the case is called, for good.")]


def golden_app() -> typer.Typer:
    app = typer.Typer(
        help="Questions that each night's exam asks, with what their answers must say.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    app.command("list")(list_all)
    app.command("add")(add)
    app.command("remove")(remove)
    app.command("check")(check)
    return app


def list_all(context: typer.Context, bot: BotOption = "support", as_json: JsonFlag = False) -> None:
    """List a bot's cases: those of its file, and those added here."""
    with server_of(context) as server:
        rows = server.get(f"/ops/golden/{quote(bot, safe='')}")
    if as_json:
        give_json(rows)
        return
    shown = [{"id": row["case"]["id"], "ask": row["case"]["ask"], "from": _origin(row)} for row in rows]
    give_table(shown, {"id": "id", "ask": "question", "from": "from"}, empty="no golden case")


def add(
    context: typer.Context,
    case_id: CaseArgument,
    *,
    ask: Annotated[str, typer.Option("--ask", help="The question.")],
    say_this: Annotated[
        list[str] | None,
        typer.Option("--must-say", help="A fact that must be said; with | between them, any of these. Repeat."),
    ] = None,
    not_this: Annotated[list[str] | None, typer.Option("--must-not-say", help="May not be said. Repeat.")] = None,
    reference: Annotated[str | None, typer.Option("--reference", help="A good answer.")] = None,
    bot: BotOption = "support",
    as_json: JsonFlag = False,
) -> None:
    """Add a case; the next exam asks it."""
    case: dict[str, Any] = {"id": case_id, "ask": ask}
    case |= {"must_say": [_choices(fact) for fact in say_this]} if say_this else {}
    case |= {"must_not_say": not_this} if not_this else {}
    case |= {"reference": reference} if reference else {}
    with server_of(context) as server:
        made = server.post("/ops/golden", {"bot": bot, "case": case})
    if as_json:
        give_json(made)
    say(f"golden case {case_id!r} of {bot} is asked from the next exam on")


def remove(
    context: typer.Context, case_id: CaseArgument, bot: BotOption = "support", as_json: JsonFlag = False
) -> None:
    """Ask a case no more."""
    with server_of(context) as server:
        done = server.delete(f"/ops/golden/{quote(bot, safe='')}/{quote(case_id, safe='')}")
    if as_json:
        give_json(done)
    say(f"golden case {case_id!r} of {bot} is removed")


def check(
    context: typer.Context,  # noqa: ARG001  # every verb has it
    file: Annotated[Path, typer.Argument(help="A YAML file of cases, or a folder of them.")],
) -> None:
    """Check a file or folder of cases, without a server: every fault is told with its line."""
    from eval.suite.golden import read_golden  # noqa: PLC0415

    cases = read_golden(file, system_prompt="")
    say(f"{file}: {len(cases)} golden {'case' if len(cases) == 1 else 'cases'}, no fault")


def _choices(fact: str) -> str | list[str]:
    choices = [choice.strip() for choice in fact.split("|")]
    return choices if len(choices) > 1 else fact


def _origin(row: dict[str, Any]) -> str:
    return "added here" if row["is_ours"] else str(row["file"])
