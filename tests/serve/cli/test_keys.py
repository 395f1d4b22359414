from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from serve.parts import Parts
from serve.secrets import open_secrets

Nightschool = Callable[..., Awaitable[Any]]


async def test_a_key_opens_until_it_is_revoked(nightschool: Nightschool, url: str) -> None:
    made = (await nightschool("keys", "create", "--name", "our shop/éà", "--json")).json
    assert made["name"] == "our shop/éà"

    async def models() -> int:
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {made['key']}"}) as client:
            return (await client.get(f"{url}/v1/models")).status_code

    assert await models() == 200
    assert (await nightschool("keys", "revoke", "--name", "our shop/éà")).code == 0
    assert await models() == 401


async def test_a_user_key_is_no_operator_key(nightschool: Nightschool, url: str) -> None:
    statuses = {}
    for flags in ((), ("--operator",)):
        said = await nightschool("keys", "create", "--name", f"key{flags}", *flags)
        assert said.out.startswith("ns-")
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {said.out.strip()}"}) as client:
            statuses[flags] = (await client.get(f"{url}/ops/status")).status_code
    assert statuses == {(): 403, ("--operator",): 200}


async def test_the_list_holds_no_secret(nightschool: Nightschool) -> None:
    made = (await nightschool("keys", "create", "--name", "shop", "--json")).json
    said = await nightschool("keys", "list", "--json")
    row = next(row for row in said.json if row["name"] == "shop")
    assert (row["scope"], row["revoked_at"]) == ("user", None)
    assert made["key"] not in said.out
    await nightschool("keys", "create", "--name", "librechat", "--lenient")
    shown = (await nightschool("keys", "list")).out.splitlines()
    assert ["lenient" in line for line in shown if "shop" in line or "librechat" in line] == [False, True]
    assert "shop\tuser" in (await nightschool("keys", "list")).out


async def test_wrong_names(nightschool: Nightschool) -> None:
    await nightschool("keys", "create", "--name", "shop")
    twice = await nightschool("keys", "create", "--name", "shop")
    assert (twice.code, twice.out, "exists already" in twice.err) == (5, "", True)
    assert (await nightschool("keys", "create", "--name", " ")).code == 2
    assert (await nightschool("keys", "revoke", "--name", "nobody")).code == 3


async def test_a_new_password_is_told_once_and_counts(nightschool: Nightschool, parts: Parts) -> None:
    opened = open_secrets(parts.home)
    said = await nightschool("password")
    assert opened.secrets.check_password(said.out.strip())
    assert not opened.secrets.check_password(opened.new_password or "")
    assert "not shown again" in said.err
    assert opened.secrets.check_password((await nightschool("password", "--json")).json["password"])


async def test_no_password_is_made_where_no_installation_is(nightschool: Nightschool) -> None:
    said = await nightschool("password")
    assert said.code == 3
    assert "nightschool up" in said.err
