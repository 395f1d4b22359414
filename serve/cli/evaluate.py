"""Verbs that judge: report shows what an exam found, eval has two versions examined now."""

from typing import Annotated, Any, Final

import typer

from nightschool.errors import InvalidInput, Unavailable
from nightschool.records import Outcome
from serve.cli.options import AnyBotOption, JsonFlag, server_of, settings_of
from serve.cli.talk import give, give_json

EXITS: Final = {Outcome.PROMOTE: 0, Outcome.REJECT: 7, Outcome.INSUFFICIENT_DATA: 8}
"""Of `eval`, so that a pipeline can go by the verdict."""
TOLD_SHARE: Final = 0.1
"""How much of an exam goes by between two lines."""


def add_judging_verbs(app: typer.Typer) -> None:
    app.command("report")(report)
    app.command("eval")(evaluate)


def report(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="A bot, an adapter (BOT@VERSION), or a night's cycle.")] = None,
    page: Annotated[bool, typer.Option("--page", help="A night's whole page as Markdown; name its cycle.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show the last evaluation: of everything, or of what is named.

    The verdict first, then figures with their intervals, reasons, and where the page for the browser is.
    """
    from urllib.parse import quote  # noqa: PLC0415

    from serve.cli.evaluation import give_evaluation  # noqa: PLC0415

    if page and (name is None or as_json):
        raise InvalidInput("shows one night as Markdown", subject="--page", remedy="Name its cycle, without --json.")
    with server_of(context) as server:
        if page:
            give(server.text(f"/ops/report/{quote(str(name), safe='')}"))
            return
        found = server.get("/ops/evaluation", name=name)
    if as_json:
        give_json(found)
    else:
        give_evaluation(found, root=settings_of(context).settings.paths.root)


def evaluate(
    context: typer.Context,
    *,
    adapter: Annotated[str, typer.Option("--adapter", help="Who is examined: BOT@VERSION, or VERSION with --bot.")],
    against: Annotated[str, typer.Option("--against", help="Whom it must beat: another version, or base.")],
    suite: Annotated[
        list[str] | None,
        typer.Option(
            "--suite", help="Asked besides the held-out rows, not the bot's own suites; held-out: none. Repeat."
        ),
    ] = None,
    bot: AnyBotOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Examine two registered versions now, through the running engine.

    By the bot's own gate, and moves nothing. Exit 0 where the verdict is promote, 7 for reject, 8 for
    insufficient-data. Ctrl-C ends the exam; the same one goes on where it was.
    """
    from serve.cli.evaluation import give_evaluation  # noqa: PLC0415

    body = {"adapter": adapter, "against": against, "suites": suite, "bot": bot}
    with server_of(context) as server:
        found = _follow(server.lines("/ops/evaluations", body), url=server.url)
    if as_json:
        give_json(found)
    else:
        give_evaluation(found, root=settings_of(context).settings.paths.root)
    raise typer.Exit(EXITS[Outcome(found["verdict"])])


def _follow(lines: Any, *, url: str) -> dict[str, Any]:
    """What came of it; how far it is goes to stderr. Raises Unavailable where the server left before."""
    from serve.cli.talk import say  # noqa: PLC0415

    told = 0.0
    for line in lines:
        if "evaluation" in line:
            found: dict[str, Any] = line["evaluation"]
            return found
        if line["progress"] >= told + TOLD_SHARE:
            told = line["progress"]
            say(f"examining: {told:.0%}")
    raise Unavailable("left before the exam was over", subject=url, remedy="Ask again: it goes on where it was.")
