"""The console's front door."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from collect.events import list_events
from nightschool.home import Home
from serve.api.faults import BodyTooLarge
from serve.console.login import MAX_FORM_BYTES, NOTED_FAILURES, TRIES, login_router
from serve.console.session import SessionCookie, actor_of
from serve.operators import add_operator, remove_operator
from serve.parts import Parts
from serve.secrets import OpenedSecrets, open_secrets, set_password


@pytest.fixture
def door(secrets: OpenedSecrets, parts: Parts) -> FastAPI:
    app = FastAPI()
    app.include_router(login_router(secrets.secrets, store=parts.store))
    return app


@pytest.fixture
async def visitor(door: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(door) as client:
        yield client


def browser(door: FastAPI, address: str = "127.0.0.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(door, client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://nightschool")


async def audit(parts: Parts) -> list[tuple[str, str, str]]:
    return [(e.actor, e.action, e.subject) for e in await parts.store.read(partial(list_events, limit=1_000))]


async def sign_in(visitor: httpx.AsyncClient, password: str | None) -> httpx.Response:
    return await visitor.post("/console/login", data={"password": password or ""})


async def test_the_right_password_opens_a_session(visitor: httpx.AsyncClient, secrets: OpenedSecrets) -> None:
    reply = await sign_in(visitor, secrets.new_password)
    assert (reply.status_code, reply.headers["location"]) == (303, "/console/")
    assert "HttpOnly" in reply.headers["set-cookie"]
    value = visitor.cookies["ns_console"]
    scope = {"type": "http", "headers": [(b"cookie", f"ns_console={value}".encode())]}
    assert SessionCookie(secrets.secrets).read(scope) == "operator"
    assert (await visitor.get("/console/login")).status_code == 303


async def test_a_wrong_password_opens_nothing(visitor: httpx.AsyncClient) -> None:
    reply = await sign_in(visitor, "guess")
    assert reply.status_code == 401
    assert "not the password" in reply.text
    assert "set-cookie" not in reply.headers


async def test_after_five_wrong_ones_even_the_right_one_waits_a_minute_at_most(
    visitor: httpx.AsyncClient, secrets: OpenedSecrets
) -> None:
    for _ in range(TRIES):
        await sign_in(visitor, "guess")
    reply = await sign_in(visitor, secrets.new_password)
    assert reply.status_code == 429
    assert 0 < int(reply.headers["retry-after"]) <= 60
    assert "Try again in" in reply.text


async def test_many_at_once_are_no_more_than_many_in_a_row(visitor: httpx.AsyncClient, secrets: OpenedSecrets) -> None:
    guesses = [*["guess"] * 95, secrets.new_password, *["guess"] * 4]
    replies = await asyncio.gather(*(sign_in(visitor, guess) for guess in guesses))
    assert [reply.status_code for reply in replies] == [401] * TRIES + [429] * (len(guesses) - TRIES)


async def test_guesses_from_everywhere_wait_for_no_long_queue(door: FastAPI) -> None:
    async def guess(number: int) -> int:
        async with browser(door, f"10.0.0.{number}") as stranger:
            return (await sign_in(stranger, "guess")).status_code

    codes = await asyncio.gather(*(guess(number) for number in range(60)))
    assert set(codes) == {401, 429}
    assert codes.count(401) < 60


async def test_strangers_behind_the_same_proxy_do_not_lock_the_owner_out(
    door: FastAPI, visitor: httpx.AsyncClient, secrets: OpenedSecrets
) -> None:
    assert (await sign_in(visitor, secrets.new_password)).status_code == 303
    async with browser(door) as stranger:
        for _ in range(TRIES + 1):
            refused = await sign_in(stranger, "guess")
        assert refused.status_code == 429
        stranger.cookies.set("ns_known", "forged", path="/console/login")
        assert (await sign_in(stranger, "guess")).status_code == 429
    await visitor.post("/console/logout")
    assert (await sign_in(visitor, secrets.new_password)).status_code == 303


async def test_signing_in_often_is_no_wrong_try(visitor: httpx.AsyncClient, secrets: OpenedSecrets) -> None:
    for _ in range(2 * TRIES):
        assert (await sign_in(visitor, secrets.new_password)).status_code == 303


async def test_the_audit_says_who_came_in_and_how_often_somebody_did_not(
    door: FastAPI, parts: Parts, visitor: httpx.AsyncClient, secrets: OpenedSecrets
) -> None:
    await sign_in(visitor, secrets.new_password)
    assert await audit(parts) == [("operator (console)", "signed in", "127.0.0.1")]
    for number in range(2 * NOTED_FAILURES):
        async with browser(door, f"10.0.0.{number}") as stranger:
            await sign_in(stranger, "guess")
    refused = [line for line in await audit(parts) if line[1] == "was refused by the console"]
    assert len(refused) == NOTED_FAILURES
    assert ("somebody", "was refused by the console", "10.0.0.3") in refused


async def test_a_new_password_signs_the_operator_out(tmp_path: Path, parts: Parts) -> None:
    home = Home(tmp_path)
    opened = open_secrets(home)
    door = FastAPI()
    door.include_router(login_router(opened.secrets, store=parts.store))
    async with browser(door) as visitor:
        await sign_in(visitor, opened.new_password)
        assert (await visitor.get("/console/login")).status_code == 303
        made = set_password(home)
        assert (await visitor.get("/console/login")).status_code == 200
        assert (await sign_in(visitor, opened.new_password)).status_code == 401
        assert (await sign_in(visitor, made)).status_code == 303


async def test_signing_out_takes_the_session_away(visitor: httpx.AsyncClient, secrets: OpenedSecrets) -> None:
    await sign_in(visitor, secrets.new_password)
    await visitor.post("/console/logout")
    assert "ns_console" not in visitor.cookies


async def test_what_is_no_password_form_is_refused_unread(visitor: httpx.AsyncClient) -> None:
    assert (await visitor.post("/console/login", content=b"\xff\x00")).status_code == 401
    with pytest.raises(BodyTooLarge):
        await sign_in(visitor, "x" * MAX_FORM_BYTES)


async def test_a_person_signs_in_by_name_and_is_out_at_once_when_removed(tmp_path: Path, parts: Parts) -> None:
    home = Home(tmp_path)
    opened = open_secrets(home)
    password = add_operator(home, "Ada")
    door = FastAPI()
    door.include_router(login_router(opened.secrets, store=parts.store))
    async with browser(door) as visitor:
        wrong = await visitor.post("/console/login", data={"name": "<eve>", "password": password})
        assert (wrong.status_code, "&lt;eve&gt;" in wrong.text) == (401, True)
        assert (await sign_in(visitor, password)).status_code == 401
        assert (await visitor.post("/console/login", data={"name": "ada ", "password": password})).status_code == 303
        assert await audit(parts) == [
            ("Ada (console)", "signed in", "127.0.0.1"),
            *[("somebody", "was refused by the console", "127.0.0.1")] * 2,
        ]
        scope = {"type": "http", "headers": [(b"cookie", f"ns_console={visitor.cookies['ns_console']}".encode())]}
        user = SessionCookie(opened.secrets).read(scope)
        assert actor_of(user) == "Ada (console)"
        assert (await visitor.get("/console/login")).status_code == 303
        remove_operator(home, "Ada")
        assert (await visitor.get("/console/login")).status_code == 200
        add_operator(home, "Ada")
        assert (await visitor.get("/console/login")).status_code == 200
