"""`nightschool quarantine`: the votes that nights stopped, and an operator's word that they count or never do."""

from typing import Annotated, Any

import typer

from nightschool.errors import InvalidInput
from nightschool.records import VoteState
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
    keep: Annotated[
        str | None, typer.Option("--keep", metavar="VOTER", help="Keep this person's stopped votes out for good.")
    ] = None,
    message: Annotated[
        str | None, typer.Option("--message", metavar="ID", help="Of them only the one on this answer.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the audit.")] = "",
    state: Annotated[VoteState, typer.Option("--state", help="List these.")] = VoteState.STOPPED,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many.")] = 50,
    as_json: JsonFlag = False,
) -> None:
    """Show the votes that the newest dataset was built without, let some count, or keep some out for good.

    Screens stop bursts, votes beyond a day, and those of people who contradict operators and others; the votes stay in
    the record. Those of whom most is stopped come first. What is released counts at the next build; what is kept out
    stays so, also where no screen would stop it, until the person says something else or it is released.
    """
    if release is not None and keep is not None:
        raise InvalidInput("says the opposite of --release", subject="--keep", remedy="Give one of the two.")
    voter = release if keep is None else keep
    if message is not None and voter is None:
        remedy = "Give --release or --keep too."
        raise InvalidInput("says which answer, but not whose vote", subject="--message", remedy=remedy)
    with server_of(context) as server:
        if voter is not None:
            said = {"bot": bot, "voter": voter, "message_id": message, "reason": reason}
            done = server.post(f"/ops/quarantine/{'release' if keep is None else 'keep'}", said)
        else:
            found = server.get("/ops/quarantine", bot=bot, state=state, limit=limit)
    if voter is not None:
        give_json(done) if as_json else give(_told(done))
        return
    if as_json:
        give_json(found)
        return
    rows = [row | {"when": local_time(row["voted_at"])} for row in found]
    columns = {
        "when": "voted", "voter": "voter", "alike": "of theirs", "message_id": "answer's id", "vote": "vote",
        "reason": "because", "question": "question", "answer": "answer", "proposal": "suggested",
    }  # fmt: skip
    give_table(rows, columns, empty="nothing is stopped")


def _told(done: dict[str, Any]) -> str:
    if (kept := done.get("kept_out")) is not None:
        return f"{'1 vote is' if kept == 1 else f'{kept} votes are'} kept out"
    count = done["released"]
    return f"{'1 vote counts' if count == 1 else f'{count} votes count'} from the next build on"
