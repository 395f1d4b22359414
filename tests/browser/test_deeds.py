"""What a person does with an answer without a word is in the record afterwards, and is no vote."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from collect.store import Cursor
from nightschool.records import Feedback, Message

from .conftest import Site

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio"),
]

Messages = Callable[[Page], list[Message]]


def ask(page: Page, question: str) -> None:
    page.get_by_label("Your message").fill(question)
    page.get_by_label("Your message").press("Enter")


def deeds(site: Site, message: Message) -> list[str]:
    def read(cursor: Cursor) -> list[str]:
        found = cursor.execute("select kind from signals where message_id = ?", [message.message_id]).fetchall()
        return sorted(kind for (kind,) in found)

    return site.read(read)


def is_soon(page: Page, claim: Callable[[], bool]) -> bool:
    """The page tells, and waits for no answer."""
    for _ in range(100):
        if claim():
            return True
        page.wait_for_timeout(50)
    return False


def test_copying_by_button_and_by_key_is_kept_and_is_no_vote(
    site: Site,
    context: BrowserContext,
    page: Page,
    messages: Messages,
    opinion: Callable[[Message], Feedback | None],
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    for number in range(3):
        ask(page, f"Where is parcel {number}?")
        expect(page.locator("#ns-chat .ns-copy")).to_have_count(number + 1)
    first, second, third = (message for message in messages(page) if message.role == "assistant")
    page.locator("#ns-chat .ns-copy").first.click()
    expect(page.get_by_text("Copied")).to_be_visible()
    page.locator("#ns-chat .ns-answer").nth(1).select_text()
    page.keyboard.press("Control+c")
    assert "parcel 1" in page.evaluate("navigator.clipboard.readText()")
    assert is_soon(page, lambda: (deeds(site, first), deeds(site, second)) == (["copy"], ["copy"]))
    assert deeds(site, third) == []
    assert opinion(first) is None
