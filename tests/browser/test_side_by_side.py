"""Two answers at once: they come side by side, somebody says which is better, and the talk goes on with it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from nightschool.records import BASE, Finish
from serve.verified import answered_by

from ..compared import PreferenceCounts
from .test_chat_page import LONG, OVERFLOW, SMALL_TARGETS, Messages, ask, ask_and_wait

# What Gradio's own threads warn of (pandas, event loops left to the collector) is not ours to mend.
pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio"),
]

BESIDE = """[...document.querySelectorAll('.ns-one')].map(one => Math.round(one.getBoundingClientRect().top))"""


def side_of(page: Page, words: str) -> str:
    """A or B."""
    [first, _] = page.locator(".ns-one").all_inner_texts()
    return "A" if words in first else "B"


def test_the_better_one_is_gone_on_with_by_keys(
    page: Page, messages: Messages, compared: Callable[[], PreferenceCounts], beside: str
) -> None:
    ask_and_wait(page, "Where is my parcel?")
    card = page.locator("#ns-compare")
    expect(card).to_be_visible()
    expect(page.locator(".ns-one h3")).to_have_text(["Answer A", "Answer B"])
    assert len(set(page.evaluate(BESIDE))) == 1
    expect(page.locator("#ns-chat .ns-version")).to_have_count(0)
    expect(page.get_by_role("button", name="Like", exact=True)).to_be_hidden()
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    page.reload()
    expect(card).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 780})
    assert page.evaluate(OVERFLOW) <= 0
    assert len(set(page.evaluate(BESIDE))) == 2
    assert page.evaluate(SMALL_TARGETS) == []
    before = compared()
    model = BASE if beside == "support@base" else beside
    better = card.get_by_role("button", name=f"{side_of(page, f'[echo {model}]')} is better")
    better.focus()
    page.keyboard.press("Enter")
    expect(card).to_be_hidden()
    expect(page.locator("#ns-chat .ns-version")).to_contain_text(beside)
    expect(page.locator("#ns-chat .ns-turns").last).to_contain_text("/2")
    assert compared().newer == before.newer + 1
    ask_and_wait(page, "And when?")
    [_, *answers, asked, last] = messages(page)
    [chosen] = [answer for answer in answers if answered_by(answer) == beside]
    assert (asked.parent_id, last.parent_id) == (chosen.message_id, asked.message_id)
    # Never twice in a row.
    expect(card).to_be_hidden()
    assert len(answers) == 2


def test_stop_stops_both_and_asking_on_goes_on_with_productions(page: Page, messages: Messages, beside: str) -> None:
    ask(page, LONG)
    expect(page.locator(".ns-one").first).to_contain_text("word10")
    expect(page.locator(".ns-one").last).to_contain_text("word10")
    page.get_by_role("button", name="Stop").click()
    page.wait_for_selector("#ns-send:visible")
    expect(page.locator("#ns-compare")).to_be_hidden()
    [_, *answers] = messages(page)
    assert [answer.finish for answer in answers] == [Finish.PARTIAL] * 2
    page.get_by_role("button", name="New chat").click()
    expect(page.locator("#ns-chat .user-row")).to_have_count(0)
    ask_and_wait(page, "Where is my parcel?")
    expect(page.locator("#ns-compare")).to_be_visible()
    ask_and_wait(page, "And when?")
    expect(page.locator("#ns-compare")).to_be_hidden()
    [_, *answers, asked, _] = messages(page)
    [usual] = [answer for answer in answers if answered_by(answer) != beside]
    assert asked.parent_id == usual.message_id
