"""A person who would rather talk to a human says so on the page, by keys alone, and reads what became of it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from collect.escalations import Escalation
from nightschool.records import Message

from .test_chat_page import OVERFLOW, Messages, ask_and_wait

# What Gradio's own threads warn of (pandas, event loops left to the collector) is not ours to mend.
pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio"),
]


def test_a_conversation_is_handed_over_once_by_keys_alone(
    page: Page, messages: Messages, escalated: Callable[[Message], Escalation | None], outbox: Path
) -> None:
    button = page.get_by_role("button", name="Talk to a human")
    expect(button).to_have_count(0)
    ask_and_wait(page, "Where is my parcel?")
    page.set_viewport_size({"width": 390, "height": 780})
    button.focus()
    page.keyboard.press("Enter")
    address = page.get_by_label("Your e-mail address (optional)")
    expect(address).to_be_focused()
    assert page.evaluate(OVERFLOW) <= 0
    page.keyboard.type("ada")
    page.keyboard.press("Enter")
    expect(page.get_by_text("This is no e-mail address.")).to_be_visible()
    page.keyboard.type("@example.org")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Hand over")).to_be_focused()
    page.keyboard.press("Enter")
    state = page.locator("#ns-human-state")
    expect(state).to_contain_text("Handed over to our team at ")
    expect(state).not_to_contain_text("UTC")
    expect(button).to_have_count(0)
    answer = messages(page)[-1]
    found = escalated(answer)
    assert found is not None
    assert (found.wish.message_id, found.wish.contact) == (answer.message_id, "ada@example.org")
    assert found.sent_at is not None
    [file] = outbox.glob(f"*{found.wish.escalation_id}*")
    assert "Where is my parcel?" in file.read_text()
    page.reload()
    expect(state).to_contain_text("Handed over to our team at ")
    expect(button).to_have_count(0)
