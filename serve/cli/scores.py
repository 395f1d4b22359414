"""`nightschool scores`: what the named scores come to that callers gave."""

from typing import Any, Final

import typer

from serve.cli.options import AnyBotOption, JsonFlag, server_of
from serve.cli.talk import give_json, give_table

SHOWN: Final = 4
"""Categories of a line; the rest is one."""


def add_scoring_verb(app: typer.Typer) -> None:
    app.command("scores")(scores)


def scores(context: typer.Context, bot: AnyBotOption = None, as_json: JsonFlag = False) -> None:
    """Show what the named scores come to, by who answered.

    Means of numbers, shares of booleans and categories, of answers and of conversations as a whole; a conversation
    counts for whoever gave its last answer. Nothing is learnt of them.
    """
    with server_of(context) as server:
        rows = server.get("/ops/scores", bot=bot)
    if as_json:
        give_json(rows)
        return
    columns = {
        "name": "score", "of": "of", "answered_by": "answered by", "count": "times", "told": "came to",
    }  # fmt: skip
    give_table([row | {"told": _told(row)} for row in rows], columns, empty="no scores yet")


def _told(row: dict[str, Any]) -> str:
    match row["kind"]:
        case "boolean":
            return f"{row['mean']:.0%} true"
        case "number":
            return f"mean {row['mean']:.4g}"
    shares = [(name, count / row["count"]) for name, count in row["categories"].items()]
    if len(shares) > SHOWN:
        shares = [*shares[:SHOWN], ("others", sum(share for _, share in shares[SHOWN:]))]
    return ", ".join(f"{name} {share:.0%}" for name, share in shares)
