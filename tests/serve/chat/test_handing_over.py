"""Who may ask on the page for a human, and what operators see of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from nightschool.errors import InvalidInput, NotAllowed, NotFound, TooManyRequests
from serve.chat.handing_over import HandingOver, Offer, check_contact
from serve.chat.human import draw_state
from serve.chat.views import Place
from serve.guarding import hands_over
from serve.pace import Pace
from serve.parts import Parts
from serve.words.english import ENGLISH

from .test_chat_handlers import ask, handlers_of

ANNA = Place("browser:anna", "support")
Nightschool = Callable[..., Awaitable[Any]]


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    """Where the support bot leaves e-mails."""
    return tmp_path / "outbox"


@pytest.fixture
def bots_folder(bots_folder: Path, outbox: Path) -> Path:
    """The reviewer names nobody."""
    with (bots_folder / "support.toml").open("a") as order:
        order.write(f'\n[escalation]\nmail_folder = "{outbox}"\n')
    return bots_folder


@pytest.fixture
async def handing(parts: Parts) -> AsyncIterator[HandingOver]:
    work = asyncio.create_task(parts.escalations.keep_going())
    yield HandingOver(parts.escalations, pace=Pace(5))
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work


async def test_a_conversation_is_handed_over_once_and_anew_after_it_was_dealt_with(
    parts: Parts, handing: HandingOver, operator: httpx.AsyncClient, outbox: Path
) -> None:
    handlers = handlers_of(parts)
    assert await handing.look(await handlers.open(ANNA)) == Offer()
    place = await ask(handlers, ANNA, "Where is my parcel?")
    view = await handlers.open(place)
    assert await handing.look(view) == Offer(may_ask=True)
    first = await handing.hand_over(place, view, " anna@example.org ")
    assert (first.wish.contact, first.wish.message_id) == ("anna@example.org", place.newest)
    assert draw_state(first, ENGLISH.human).startswith(
        f'<p class="ns-human-state" role="status">Handed over to our team '
        f'<time datetime="{first.wish.asked_at.isoformat()}">at '
    )
    assert (await handing.hand_over(place, view, "")).wish == first.wish
    assert await handing.look(view) == Offer(escalation=first)
    assert len(list(outbox.iterdir())) == 1
    [row] = (await operator.get("/ops/escalations?bot=support")).json()
    assert (row["contact"], row["conversation"]) == ("anna@example.org", place.conversation_id)
    done = await operator.post(f"/ops/escalations/{row['escalation']}/done", json={"reason": "called her"})
    assert done.json()["done_by"] == "key:boss"
    assert (await operator.get("/ops/escalations")).json() == []
    offer = await handing.look(view)
    assert offer.may_ask
    assert offer.escalation is not None
    assert "Our team has dealt with this" in draw_state(offer.escalation, ENGLISH.human)
    assert (await handing.hand_over(place, view, "")).wish != first.wish


async def test_nobody_hands_over_anothers_conversation_or_one_that_is_not_theirs_to_see(
    parts: Parts, handing: HandingOver
) -> None:
    handlers = handlers_of(parts)
    place = await ask(handlers, ANNA, "Where is my parcel?")
    own = await ask(handlers, replace(ANNA, owner="browser:ben"), "Hello?")
    stranger = replace(place, owner="browser:ben")
    with pytest.raises(NotFound):
        await handing.hand_over(stranger, await handlers.open(stranger), "")
    with pytest.raises(NotFound):
        await handing.hand_over(replace(own, shown=place.shown), await handlers.open(own), "")
    assert await parts.escalations.of(place.conversation_id) is None


async def test_a_bot_that_names_nobody_offers_no_human(parts: Parts, handing: HandingOver) -> None:
    handlers = handlers_of(parts)
    place = await ask(handlers, replace(ANNA, bot="reviewer"), "Where is my parcel?")
    view = await handlers.open(place)
    assert await handing.look(view) == Offer()
    with pytest.raises(NotAllowed):
        await handing.hand_over(place, view, "")


async def test_who_asks_without_end_is_told_to_wait(parts: Parts, handing: HandingOver) -> None:
    place = await ask(handlers_of(parts), ANNA, "Where?")
    view = await handlers_of(parts).open(place)
    for _ in range(5):
        await handing.hand_over(place, view, "")
    with pytest.raises(TooManyRequests):
        await handing.hand_over(place, view, "")


async def test_the_button_stands_out_where_the_bot_points_to_the_team(parts: Parts, handing: HandingOver) -> None:
    handlers = handlers_of(parts)
    view = await handlers.open(await ask(handlers, ANNA, "How much is it?"))
    urged = replace(view, lines=(*view.lines[:-1], replace(view.lines[-1], hands_over=True)))
    assert (await handing.look(urged)).is_urged
    held = {"said": "It costs 3 euro.", "facts": ["3 euro"]}
    assert hands_over(json.dumps([held | {"then": "hand-over"}]))
    assert not hands_over(json.dumps([held | {"then": "passage"}]))
    assert not hands_over("")


async def test_an_address_is_shown_letter_for_letter_and_is_no_template(parts: Parts, handing: HandingOver) -> None:
    place = await ask(handlers_of(parts), ANNA, "Where?")
    sent = await handing.hand_over(place, await handlers_of(parts).open(place), "${x}&{{y}}@b.c")
    assert "They answer to &#36;&#123;x}&amp;&#123;&#123;y}}@b.c." in draw_state(sent, ENGLISH.human)


@pytest.mark.parametrize(
    "address", ["ada", "ada@", "@x", "a b@c.de", "a@b,c@d", "a@b\nBcc: x@y", "<a@b>", "a@" + "b" * 253]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput):
        check_contact(address)


@pytest.mark.parametrize("address", ["", "  ", "ada@example.org", " ädä+x@müller.example "])
def test_an_address_may_be_left_out_and_is_kept_without_blanks_around(address: str) -> None:
    assert check_contact(address) == address.strip()
