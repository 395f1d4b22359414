from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import httpx
import pytest

from collect.events import list_events
from collect.keys import renew_cli_key
from nightschool.records import utc_now
from serve.operators import OPERATOR_HEADER
from serve.parts import Parts
from serve.secrets import open_secrets, system_user

Nightschool = Callable[..., Awaitable[Any]]


async def test_operators_are_added_listed_and_removed(nightschool: Nightschool, parts: Parts) -> None:
    running = open_secrets(parts.home).secrets
    made = (await nightschool("operators", "add", "ada", "--json")).json
    assert running.check_password(made["password"], name="ada")
    said = await nightschool("operators", "add", "eve")
    assert running.check_password(said.out.strip(), name="eve")
    assert (await nightschool("operators", "add", "ada")).code == 5
    renewed = (await nightschool("password", "--name", "ada")).out.strip()
    assert running.check_password(renewed, name="ada")
    assert (await nightschool("operators", "list")).out.split() == ["name", "operator", "ada", "eve"]
    assert (await nightschool("operators", "remove", "eve")).code == 0
    assert (await nightschool("operators", "list", "--json")).json == [{"name": "operator"}, {"name": "ada"}]
    assert (await nightschool("operators", "remove", "eve")).code == 3
    assert [(change.action, change.subject) for change in running.changes()][1:] == [
        ("added an operator", "operator:ada"),
        ("added an operator", "operator:eve"),
        ("made a password", "operator:ada"),
        ("removed an operator", "operator:eve"),
    ]


async def test_the_audit_names_the_person_at_the_command_line(
    nightschool: Nightschool, parts: Parts, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await parts.store.write(partial(renew_cli_key, at=utc_now()))
    parts.home.operator_key.write_text(key)
    await nightschool("keys", "create", "--name", "one")
    monkeypatch.setenv("NIGHTSCHOOL_OPERATOR", "OPERATOR")
    await nightschool("keys", "create", "--name", "two")
    await nightschool("keys", "revoke", "--name", "two")
    await nightschool("export", "--bot", "support")
    await nightschool("export", "--bot", "support", "--format", "jsonl")
    monkeypatch.setenv("NIGHTSCHOOL_OPERATOR", "nobody")
    assert (await nightschool("keys", "create", "--name", "three")).code == 4
    events = await parts.store.read(list_events)
    me, named = f"{system_user()} (command line)", "operator (command line)"
    assert [(e.actor, e.subject) for e in reversed(events)] == [
        (me, "key:one"), (named, "key:two"), (named, "key:two"), (named, "0 conversations"), (named, "0 answers"),
    ]  # fmt: skip


async def test_another_key_speaks_for_nobody_but_itself(operator: httpx.AsyncClient, parts: Parts) -> None:
    await operator.post("/ops/keys", json={"name": "shop"}, headers={OPERATOR_HEADER: "operator"})
    [event] = await parts.store.read(list_events)
    assert event.actor == "key:boss"
