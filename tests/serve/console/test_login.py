"""The console's front door."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from serve.api.faults import BodyTooLarge
from serve.console.login import ATTEMPTS, MAX_FORM_BYTES, login_router, session_cookie
from serve.secrets import OpenedSecrets


@pytest.fixture
async def visitor(secrets: OpenedSecrets) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(login_router(secrets.secrets))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://nightschool") as client:
        yield client


async def sign_in(visitor: httpx.AsyncClient, password: str | None) -> httpx.Response:
    return await visitor.post("/console/login", data={"password": password or ""})


async def test_the_right_password_opens_a_session(visitor: httpx.AsyncClient, secrets: OpenedSecrets) -> None:
    reply = await sign_in(visitor, secrets.new_password)
    assert (reply.status_code, reply.headers["location"]) == (303, "/console/")
    assert "HttpOnly" in reply.headers["set-cookie"]
    value = visitor.cookies["ns_console"]
    scope = {"type": "http", "headers": [(b"cookie", f"ns_console={value}".encode())]}
    assert session_cookie(secrets.secrets).read(scope) == "operator"
    assert (await visitor.get("/console/login")).status_code == 303


async def test_a_wrong_password_opens_nothing(visitor: httpx.AsyncClient) -> None:
    reply = await sign_in(visitor, "guess")
    assert reply.status_code == 401
    assert "not the password" in reply.text
    assert "set-cookie" not in reply.headers


async def test_after_five_wrong_ones_even_the_right_one_waits(
    visitor: httpx.AsyncClient, secrets: OpenedSecrets
) -> None:
    for _ in range(ATTEMPTS):
        await sign_in(visitor, "guess")
    reply = await sign_in(visitor, secrets.new_password)
    assert reply.status_code == 429
    assert "Try again in" in reply.text


async def test_signing_out_takes_the_session_away(visitor: httpx.AsyncClient, secrets: OpenedSecrets) -> None:
    await sign_in(visitor, secrets.new_password)
    await visitor.post("/console/logout")
    assert "ns_console" not in visitor.cookies


async def test_what_is_no_password_form_is_refused_unread(visitor: httpx.AsyncClient) -> None:
    assert (await visitor.post("/console/login", content=b"\xff\x00")).status_code == 401
    with pytest.raises(BodyTooLarge):
        await sign_in(visitor, "x" * MAX_FORM_BYTES)
