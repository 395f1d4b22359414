"""What the page's events are given becomes a place: whose, where, and from which address."""

import gradio as gr
from fastapi import Request

from serve.chat.given import place_of


def request_from(client: tuple[str, int] | None) -> gr.Request:
    return gr.Request(Request({"type": "http", "headers": [], "client": client}), username="ada")


def test_an_event_comes_from_its_connection() -> None:
    place = place_of(request_from(("84.1.2.3", 5)), "support", "c", "a - b")
    assert (place.owner, place.bot, place.conversation_id) == ("browser:ada", "support", "c")
    assert (place.shown, place.address) == (("a", "", "b"), "84.1.2.3")


def test_a_connection_without_an_address_has_none() -> None:
    assert place_of(request_from(None), "", "", "").address == ""
