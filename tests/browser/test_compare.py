"""After a retry the page asks which answer is better, never in the way of the next question; bots may ask for less."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from ..compared import PreferenceCounts
from .test_chat_page import OVERFLOW, Messages, ask_and_wait, is_soon, open_reviewer

# What Gradio's own threads warn of (pandas, event loops left to the collector) is not ours to mend.
pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio"),
]


def test_two_answers_are_compared_by_keys_after_a_retry(
    page: Page, messages: Messages, engine_is: Callable[[str], None], compared: Callable[[], PreferenceCounts]
) -> None:
    ask_and_wait(page, "Where is my parcel?")
    engine_is("other")
    page.get_by_role("button", name="Retry").click()
    card = page.locator("#ns-compare")
    expect(card).to_be_visible()
    expect(card).to_contain_text("[echo base] Where is my parcel?")
    expect(card).to_contain_text("Another answer of ${1 + 1} words.")
    page.set_viewport_size({"width": 390, "height": 780})
    assert page.evaluate(OVERFLOW) <= 0
    first = page.get_by_role("region", name="Answer A").inner_text()
    # A long answer is scrolled by keys.
    page.get_by_role("region", name="Answer B").focus()
    expect(page.get_by_role("region", name="Answer B")).to_be_focused()
    before = compared()
    better = card.get_by_role("button", name="A is better")
    better.focus()
    page.keyboard.press("Enter")
    expect(card).to_be_hidden()
    assert is_soon(page, lambda: compared().left == before.left + 1)
    is_newer = "Another answer" in first
    assert (compared().newer - before.newer, compared().older - before.older) == (int(is_newer), int(not is_newer))
    # Asking on is never kept waiting.
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("#ns-chat .ns-turns").last).to_contain_text("3/3")
    ask_and_wait(page, "And when?")
    expect(card).to_be_hidden()
    assert len([message for message in messages(page) if message.role == "assistant"]) == 4


def test_a_bot_that_takes_no_votes_or_comments_shows_none_to_give(page: Page, switch_off: Callable[..., None]) -> None:
    open_reviewer(page)
    ask_and_wait(page, "def add(a, b): return a - b")
    page.get_by_role("button", name="Dislike", exact=True).click()
    expect(page.get_by_label("Anything to add?")).to_be_visible()
    switch_off("comments")
    page.reload()
    page.get_by_role("button", name="Disliked").click()
    page.get_by_role("button", name="Dislike", exact=True).click()
    expect(page.get_by_role("button", name="Send feedback")).to_be_visible()
    expect(page.get_by_label("Anything to add?")).to_be_hidden()
    switch_off("votes", "comments")
    page.reload()
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    expect(page.get_by_role("button", name="Disliked")).to_have_count(0)
    expect(page.get_by_role("button", name="Like", exact=True)).to_have_count(0)
