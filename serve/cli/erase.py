"""`nightschool erase`: forget a conversation, or all that one person said, wherever it is kept."""

from typing import Annotated

import typer

from nightschool.errors import InvalidInput
from serve.cli.options import BULK_TIMEOUT_S, JsonFlag, server_of
from serve.cli.talk import give, give_json


def add_erasing_verb(app: typer.Typer) -> None:
    app.command("erase")(erase)


def erase(
    context: typer.Context,
    *,
    conversation: Annotated[str | None, typer.Option("--conversation", help="A conversation's id.")] = None,
    user: Annotated[
        str | None, typer.Option("--user", help="A browser's id, key:NAME with all people behind it, or one of them.")
    ] = None,
    end_user: Annotated[
        str, typer.Option("--end-user", help="Of a key: one person, as its caller names them (`user`).")
    ] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the audit.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Forget a conversation, or all that one person said.

    Rows are gone at once, and so are datasets, exams, caches and logs made of them, unless a night or an exam of the
    bot runs: then behind it. Adapters that had learnt any of it are tainted, and the next night trains without. The
    certificate says what was removed, with hashes and without a word of it.
    """
    if (conversation is None) == (user is None):
        raise InvalidInput("must be one of both", subject="--conversation or --user", remedy="Name one.")
    body = {"conversation": conversation or "", "user": user or "", "end_user": end_user, "reason": reason}
    with server_of(context, timeout_s=BULK_TIMEOUT_S) as server:
        done = server.post("/ops/erase", body)
    if as_json:
        give_json(done)
        return
    give(f"erased {done['conversations']} conversations with {done['messages']} messages ({done['erasure']})")
    if not done["is_whole"]:
        give("A night or an exam of the bot runs: its files follow when it ends.")
        return
    told = done["certificate"]
    tainted = ", ".join(told["tainted"]) or "none"
    give(f"removed {len(told['files'])} files and folders; tainted adapters: {tainted}")
    give(f"certificate: erasures/{done['erasure']}.json in the data folder")
