"""`nightschool quarantine`: the votes that nights stopped, and an operator's word that they count."""

from typing import Annotated

import typer

from nightschool.errors import InvalidInput
from serve.cli.options import BotOption, JsonFlag, server_of
from serve.cli.talk import give, give_json, give_table, local_time


def add_quarantine_verb(app: typer.Typer) -> None:
    app.command("quarantine")(quarantine)


def quarantine(
    context: typer.Context,
    bot: BotOption = "support",
    *,
    release: Annotated[
        str | None, typer.Option("--release", metavar="VOTER", help="Let this person's stopped votes count.")
    ] = None,
    message: Annotated[
        str | None, typer.Option("--message", metavar="ID", help="Of them only the one on this answer.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why they may count; kept in the audit.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many.")] = 50,
    as_json: JsonFlag = False,
) -> None:
    """Show the votes that the newest dataset was built without, or let some count.

    Screens stop bursts, votes beyond a day, and those of people who contradict operators and others; the votes stay in
    the record. Those of whom most is stopped come first. What is released counts at the next build.
    """
    if message is not None and release is None:
        raise InvalidInput("says which answer, but not whose vote", subject="--message", remedy="Give --release too.")
    with server_of(context) as server:
        if release is not None:
            said = {"bot": bot, "voter": release, "message_id": message, "reason": reason}
            done = server.post("/ops/quarantine/release", said)
        else:
            found = server.get("/ops/quarantine", bot=bot, limit=limit)
    if release is not None:
        count = done["released"]
        words = "1 vote counts" if count == 1 else f"{count} votes count"
        give_json(done) if as_json else give(f"{words} from the next build on")
        return
    if as_json:
        give_json(found)
        return
    rows = [row | {"when": local_time(row["voted_at"])} for row in found]
    columns = {
        "when": "voted", "voter": "voter", "alike": "of theirs", "message_id": "answer's id", "vote": "vote",
        "reason": "stopped since", "question": "question", "answer": "answer", "proposal": "suggested",
    }  # fmt: skip
    give_table(rows, columns, empty="nothing is stopped")
