from collections.abc import Awaitable, Callable
from typing import Any

from serve.parts import Parts

Nightschool = Callable[..., Awaitable[Any]]


async def test_lines_are_found_and_the_chain_is_verified(nightschool: Nightschool) -> None:
    for name in ("shop", "till"):
        await nightschool("keys", "create", "--name", name)
    await nightschool("keys", "revoke", "--name", "shop")
    [revoked] = (await nightschool("audit", "list", "--did", "revoked", "--json")).json
    assert (revoked["actor"], revoked["subject"]) == ("key:boss", "key:shop")
    assert len((await nightschool("audit", "list", "--who", "boss", "--since", "2026-01-01", "--json")).json) == 3
    assert (await nightschool("audit", "list", "--until", "2026-01-01", "--json")).json == []
    assert "revoked a key\tkey:shop" in (await nightschool("audit", "list", "--to", "key:shop")).out
    head = (await nightschool("audit", "verify", "--json")).json["head"]
    said = await nightschool("audit", "verify", "--expected", head)
    assert (said.code, "3 lines in the chain" in said.out, "All stand" in said.out) == (0, True, True)


async def test_a_changed_line_is_named_and_the_verb_fails(nightschool: Nightschool, parts: Parts) -> None:
    for name in ("shop", "till"):
        await nightschool("keys", "create", "--name", name)
    await parts.store.write(lambda cursor: cursor.execute("update events set actor = 'eve' where number = 1") and None)
    said = await nightschool("audit", "verify")
    assert (said.code, said.out.splitlines()[0]) == (1, "line 1 was changed")
    assert "All stand" not in said.out
    assert (await nightschool("audit", "verify", "--expected", "0" * 64)).code == 1
