"""`nightschool escalations`: what waits for the team, and that somebody has dealt with it."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from collect.conversations import record_turn
from collect.escalations import Wish, escalate
from collect.events import list_events
from nightschool.records import BotName, Conversation, Message, Source, utc_now
from serve.parts import Parts

Nightschool = Callable[..., Awaitable[Any]]
BOT = BotName("support")


async def test_what_is_open_is_listed_and_dealt_with_by_name(nightschool: Nightschool, parts: Parts) -> None:
    assert (await nightschool("escalations", "list")).err == "nobody waits\n"
    talk = Conversation("c1", BOT, "browser:ada", Source.CHAT, "Where?", utc_now())
    asked = Message("m1", "c1", BOT, None, "user", "Where?", Source.CHAT, utc_now())
    await parts.store.write(partial(record_turn, conversation=talk, messages=[asked]))
    await parts.store.write(partial(escalate, wish=Wish("e1", "c1", BOT, "m1", "ada@example.org", utc_now())))
    listed = await nightschool("escalations", "list", "--bot", "support")
    assert "not sent yet: on its way" in listed.out
    done = await nightschool("--operator", "ben", "escalations", "done", "e1", "--reason", "called her")
    assert done.err.startswith("e1 is dealt with by ")
    assert (await nightschool("escalations", "list", "--json")).json == []
    [row] = (await nightschool("escalations", "list", "--all", "--json")).json
    assert row["done_by"] in done.err
    [event] = [event for event in await parts.store.read(list_events) if event.subject == "e1"]
    assert (event.action, event.reason) == ("dealt with an escalation", "called her")
    assert (await nightschool("escalations", "done", "none")).code == 3
