"""Verbs of a bot's documents: what is indexed, what a question would find, which questions find nothing."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from serve.cli.options import BULK_TIMEOUT_S, BotOption, JsonFlag, server_of
from serve.cli.talk import give_json, give_table, say
from serve.cli.verified import verified


def knowledge_app() -> typer.Typer:
    app = typer.Typer(help="The documents that a bot's answers stand on.", no_args_is_help=True, rich_markup_mode=None)
    app.command("status")(status)
    app.command("show")(show)
    app.command("check")(check)
    app.command("verified")(verified)
    return app


def status(context: typer.Context, bot: BotOption = "support", as_json: JsonFlag = False) -> None:
    """Say what is indexed, and which files cannot be read."""
    with server_of(context, timeout_s=BULK_TIMEOUT_S) as server:
        found = server.get(_path(bot))
    if as_json:
        give_json(found)
        return
    give_table(
        found["documents"], {"file": "file", "title": "title", "passages": "passages"}, empty="no document is read"
    )
    for fault in found["faults"]:
        say(f"not read: {fault['file']} {fault['reason']}")
    if found["folder"]:
        say(f"{found['passages']} passages of {found['folder']}, index {found['index_hash'][:16] or 'none yet'}")
    if found["answers"]:
        say(f"{found['answers']} answers of the team")


def show(
    context: typer.Context,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What somebody might ask.")],
    *,
    after: Annotated[str | None, typer.Option("--after", help="The question before it.")] = None,
    bot: BotOption = "support",
    as_json: JsonFlag = False,
) -> None:
    """Show which passages a question finds, best first, and how near they are."""
    said = [question] if after is None else [after, question]
    with server_of(context, timeout_s=BULK_TIMEOUT_S) as server:
        found = server.post(f"{_path(bot)}/show", {"said": said})
    if as_json:
        give_json(found)
        return
    columns = {"score": "near", "served": "served", "place": "from", "text": "passage"}
    give_table([_row(passage) for passage in found["passages"]], columns, empty="nothing is found")


def check(context: typer.Context, bot: BotOption = "support", as_json: JsonFlag = False) -> None:
    """List the questions of the record on which the documents hold nothing."""
    with server_of(context, timeout_s=BULK_TIMEOUT_S) as server:
        found = server.get(f"{_path(bot)}/check")
    if as_json:
        give_json(found)
        return
    rows = [one | {"exam": "yes" if one["is_held_out"] else ""} for one in found["unanswered"]]
    give_table(rows, {"times": "times", "exam": "in exams", "question": "question"}, empty="every question finds some")
    say(f"{len(rows)} different questions of the newest {found['questions']} find nothing")


def _path(bot: str) -> str:
    return f"/ops/knowledge/{quote(bot, safe='')}"


def _row(passage: dict[str, Any]) -> dict[str, Any]:
    place = " > ".join(part for part in (passage["document"], passage["heading"]) if part)
    return passage | {"place": place, "served": "yes" if passage["is_served"] else "no"}
