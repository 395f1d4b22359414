"""`nightschool knowledge verified`: what operators let in, how often it would answer, and a switch for each answer."""

from typing import Annotated
from urllib.parse import quote

import typer

from nightschool.errors import InvalidInput
from serve.cli.options import BULK_TIMEOUT_S, BotOption, JsonFlag, server_of
from serve.cli.talk import give, give_json, give_table, local_time


def verified(
    context: typer.Context,
    bot: BotOption = "support",
    *,
    off: Annotated[str | None, typer.Option("--off", metavar="ID", help="Take this answer out of service.")] = None,
    on: Annotated[str | None, typer.Option("--on", metavar="ID", help="Put this answer back into service.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the audit.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Show the answers that are served as operators let them in, or switch one.

    A near question is answered by one where the bot's own record shows that knowledge.verified_precision of them would
    be right.
    """
    if off is not None and on is not None:
        raise InvalidInput("contradict each other", subject="--on and --off", remedy="Give one of them.")
    with server_of(context, timeout_s=BULK_TIMEOUT_S) as server:
        name = on if on is not None else off
        if name is not None:
            said = {"bot": bot, "message_id": name, "is_on": on is not None, "reason": reason}
            done = server.post("/ops/verified", said)
            if as_json:
                give_json(done)
            else:
                give(f"{name} is {'in' if on is not None else 'out of'} service")
            return
        found = server.get(f"/ops/verified/{quote(bot, safe='')}")
    if as_json:
        give_json(found)
        return
    rows = [
        row | {"when": local_time(row["at"]), "is": "in service" if row["is_on"] else f"off: {row['reason']}"}
        for row in found["answers"]
    ]
    columns = {
        "message_id": "id", "question": "question", "answer": "answer", "by": "by", "when": "since", "served": "served",
        "is": "is",
    }  # fmt: skip
    give_table(rows, columns, empty="no verified answer yet")
    give(found["sentence"])
