"""`nightschool trace`: what became of a message or vote, what a version was made of, and who was live at a time."""

import json
from datetime import datetime
from typing import Annotated, Any

import typer

from nightschool.errors import InvalidInput
from serve.cli.options import AnyBotOption, JsonFlag, server_of
from serve.cli.talk import give, give_json, local_time


def add_tracing_verb(app: typer.Typer) -> None:
    app.command("trace")(trace)


def trace(
    context: typer.Context,
    subject: Annotated[
        str | None, typer.Argument(help="A message's id, MESSAGE/VOTER, a version (support@3) or a dataset's hash.")
    ] = None,
    *,
    at: Annotated[
        datetime | None, typer.Option("--at", formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"], help="A time, UTC.")
    ] = None,
    bot: AnyBotOption = None,
    limit: Annotated[int, typer.Option("--limit", min=0, max=100_000, help="So many rows of a dataset.")] = 20,
    as_json: JsonFlag = False,
) -> None:
    """Say where something came from and where it went.

    Of a message or vote: the datasets that hold it, the versions made of them, and whether one is live. Of a version:
    its dataset with the rows by their hashes, its night, base model, verdict, and who promoted it. With --at and --bot:
    which version was in production then.
    """
    if (subject is None) == (at is None) or (at is not None and bot is None):
        raise InvalidInput("must be one of both", subject="SUBJECT, or --at with --bot", remedy="Name one.")
    with server_of(context) as server:
        if at is not None:
            found = server.get("/ops/live", bot=bot, at=at.isoformat())
        else:
            found = server.get("/ops/trace", subject=subject, limit=limit)
    if as_json:
        give_json(found)
    elif at is not None:
        since = f" since {local_time(found['since'])}, by {found['by']}: {found['reason']}" if found["since"] else ""
        give(f"{found['name']} was live{since}")
    else:
        _give(found)


def _give(found: dict[str, Any]) -> None:
    if said := found["answer"]:
        by = f" by {said['answered_by']}" if said["answered_by"] else ""
        give(f"{said['role']}{by}, {local_time(said['at'])}, conversation {said['conversation_id']}")
        if said["system_prompt"]:
            give(f"  under the system prompt: {said['system_prompt']}")
        for score in said["scores"]:
            about = "" if score["message_id"] else " of the conversation"
            give(f"  scored {score['name']}{about}: {json.dumps(score['value'])} by {score['voter']}")
    if version := found["version"]:
        _give_version(version)
    if trained := found["trained"]:
        start = f" from {trained['start']}" if trained["start"] else ""
        give(f"  trained on {trained['base_model']}{start} by {'+'.join(trained['methods'])}")
    if not found["datasets"]:
        give("in no dataset")
    for dataset in found["datasets"]:
        kept = "" if dataset["is_kept"] else ", its files are gone"
        give(f"dataset {dataset['content_hash'][:16]}: {dataset['rows']} rows{kept}")
        for item in dataset["items"]:
            give(f"  {item['item_id']} {item['kind']} {item['side']} of {item['conversation_id']}")
        for trained_on in dataset["versions"] if version is None else ():
            _give_version(trained_on)


def _give_version(version: dict[str, Any]) -> None:
    live = " (live)" if version["is_live"] else ""
    tainted = ", tainted" if version["tainted_at"] else ""
    give(f"{version['name']}{live}: {version['stage']}{tainted}, night {version['cycle_id']}")
    if verdict := version["verdict"]:
        give(f"  verdict {verdict['outcome']}: {'; '.join(verdict['reasons'])}")
    if promoted := version["promoted"]:
        give(f"  promoted by {promoted['by']}, {local_time(promoted['at'])}: {promoted['reason']}")
