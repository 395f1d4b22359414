"""The chat page as a browser of each language is handed it, and what it is told from then on."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from nightschool.settings import ServerSettings
from serve.console.session import SessionCookie
from serve.pages import mount_pages
from serve.parts import Parts
from serve.secrets import OPERATOR
from serve.words.catalogue import Words
from serve.words.english import ENGLISH
from serve.words.german import GERMAN

# What Gradio's own threads warn of is not ours to mend.
pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio")]

JOIN = "/gradio_api/queue/join"
AUSTRIAN = {"accept-language": "de-AT,de;q=0.9,en;q=0.5"}


@pytest.fixture
def server_settings() -> ServerSettings:
    return ServerSettings(requests_per_minute=100_000, widget_origins="http://shop.test")


@pytest.fixture
async def browser(app: FastAPI, parts: Parts) -> AsyncIterator[httpx.AsyncClient]:
    """One that speaks German and has opened the page, on a real server: Gradio's queue starts with its lifespan."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(mount_pages(app, parts), log_config=None, access_log=False, ws="none"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with httpx.AsyncClient(base_url=address, timeout=60, headers=AUSTRIAN) as browser:
            assert (await browser.get("/")).status_code == 200
            yield browser
        server.should_exit = server.force_exit = True
        await serving


def texts_of(words: Any) -> Iterator[str]:
    if isinstance(words, str):
        yield words
    else:
        for one in (getattr(words, field.name) for field in fields(words)) if is_dataclass(words) else words:
            yield from texts_of(one)


def strings_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from strings_in(one)


def said_in(words: Words, *shown: Any) -> set[str]:
    """Texts of that language which stand in what is shown, as whole words."""
    text = "\n".join(string for one in shown for string in strings_in(one))
    pieces = {piece.strip() for said in texts_of(words) for piece in re.split(r"\{\w+\}", said)}
    return {piece for piece in pieces if len(piece) > 3 and re.search(rf"(?<!\w){re.escape(piece)}(?!\w)", text)}


async def happen(browser: httpx.AsyncClient, config: dict[str, Any], name: str, *data: Any) -> list[Any]:
    """What the event of that name gives back, message by message."""
    index = next(event["id"] for event in config["dependencies"] if event["api_name"] == name)
    asked = {"fn_index": index, "data": list(data), "event_data": None, "session_hash": name, "trigger_id": 1}
    assert (await browser.post(JOIN, json=asked)).status_code == 200
    told = (await browser.get("/gradio_api/queue/data", params={"session_hash": name})).text
    return [json.loads(line.removeprefix("data: ")) for line in told.splitlines() if line]


def shown_of(config: dict[str, Any]) -> list[Any]:
    """What people may read of a page's configuration: what its parts are given, and what its scripts put there."""
    return [[part["props"] for part in config["components"]], [event["js"] for event in config["dependencies"]]]


async def test_a_german_browser_reads_no_english_from_the_first_page_to_the_last_word(
    browser: httpx.AsyncClient,
) -> None:
    config = (await browser.get("/config")).json()
    opened = await happen(browser, config, "_open", "support", "", "")
    answered = await happen(browser, config, "_ask", "support", "", "", "Wo ist mein Paket?", "", "", False)
    conversation_id = answered[-2]["output"]["data"][1]
    back = await happen(browser, config, "_open_other", "support", conversation_id)
    refused = await happen(browser, config, "_rename", "support", "somebody else's", "", "Mein")
    events = [opened, answered, back, refused]
    # Two words the scripts look for, since Gradio has no others.
    assert said_in(ENGLISH, shown_of(config), events) - {ENGLISH.line.liked, ENGLISH.line.disliked} == set()
    assert {GERMAN.page.send, GERMAN.side.what_is_kept, GERMAN.reason.kinds[3]} <= said_in(GERMAN, shown_of(config))
    assert GERMAN.line.copy in said_in(GERMAN, back)
    assert GERMAN.trouble.not_here in said_in(GERMAN, refused)


async def test_each_browser_is_handed_the_page_in_its_language(browser: httpx.AsyncClient) -> None:
    for accepted, words, other in (("de", GERMAN, ENGLISH), ("en-GB", ENGLISH, GERMAN), ("fr", ENGLISH, GERMAN)):
        page = await browser.get("/", headers={"accept-language": accepted})
        assert f'lang="{words.code}"' in page.text
        assert page.headers["content-language"] == words.code
        assert "accept-language" in page.headers["vary"].lower()
        assert words.page.write in page.text
        assert other.page.write not in page.text
    # It is the same page but for its words.
    german = (await browser.get("/config")).json()
    english = (await browser.get("/config", headers={"accept-language": "en"})).json()
    assert german["app_id"] == english["app_id"]
    assert german["layout"] == english["layout"]
    for name in ("components", "dependencies"):
        assert [one["id"] for one in german[name]] == [one["id"] for one in english[name]]
    for theirs, ours in zip(german["dependencies"], english["dependencies"], strict=True):
        assert {**theirs, "js": None} == {**ours, "js": None}


async def test_what_stands_beside_the_page_speaks_too(browser: httpx.AsyncClient, parts: Parts) -> None:
    assert (await browser.post(JOIN, json={})).json() == {"detail": GERMAN.trouble.reload}
    there = await browser.get("/nowhere", headers={"accept-language": "fr"})
    assert there.json() == {"detail": ENGLISH.trouble.own_address}
    # The console has English words alone, and says so.
    cookie = SessionCookie(parts.secrets).header(OPERATOR, is_secure=False).partition(";")[0]
    console = await browser.get("/console/", headers={"cookie": cookie})
    assert console.status_code == 200
    assert 'lang="en"' in console.text
    # The bubble on another site.
    script = await browser.get("/widget.js")
    assert script.headers["vary"] == "accept-language"
    assert json.dumps(GERMAN.widget.label) in script.text
    assert json.dumps(ENGLISH.widget.label) in (await browser.get("/widget.js", headers={"accept-language": "en"})).text
    framed = await browser.get("/widget/")
    assert 'lang="de"' in framed.text
    assert GERMAN.page.write in framed.text
