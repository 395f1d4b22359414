"""A browser that loses its network: nothing is lost, nothing is taken twice, and nobody has to load the page anew."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from nightschool.records import Message

from .test_bad_day import LONG, ask, at_rest, is_whole, send
from .test_unsent import questions

# What Gradio's own threads warn of (pandas, event loops left to the collector) is not ours to mend.
pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio"),
]

Messages = Callable[[Page], list[Message]]
TOLD = "Nothing was sent, since this browser was offline. Try again once it is connected."


def is_told(page: Page) -> None:
    """In one place, and on a page that can go on."""
    expect(page.locator(".ns-trouble")).to_have_text(TOLD)
    is_whole(page)
    expect(page.get_by_test_id("toast-body")).to_have_count(0)


def test_what_is_sent_offline_is_in_the_box_and_goes_once_there_is_a_network(
    page: Page, context: BrowserContext, messages: Messages
) -> None:
    ask(page, "The first question")
    page.evaluate("window.isAsBefore = true")
    context.set_offline(True)
    for _ in range(2):
        send(page, "Where is my planter?")
        is_told(page)
        expect(page.get_by_label("Your message")).to_have_value("Where is my planter?")
    context.set_offline(False)
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#ns-chat .bot-row").last).to_contain_text("[echo base] Where is my planter?")
    at_rest(page)
    expect(page.locator("#ns-trouble")).to_have_text("")
    expect(page.get_by_label("Your message")).to_have_value("")
    assert page.evaluate("window.isAsBefore")
    assert questions(messages(page)) == ["The first question", "Where is my planter?"]


def test_a_starter_and_a_retry_offline_can_be_had_once_there_is_a_network(page: Page, context: BrowserContext) -> None:
    starter = page.locator("#ns-chat .example").first
    context.set_offline(True)
    starter.click()
    is_told(page)
    context.set_offline(False)
    starter.click()
    answer = page.locator("#ns-chat .bot-row")
    expect(answer).to_contain_text("[echo base]")
    at_rest(page)
    context.set_offline(True)
    page.get_by_role("button", name="Retry").click()
    is_told(page)
    context.set_offline(False)
    page.get_by_role("button", name="Retry").click()
    expect(answer).to_contain_text("2/2")


def test_a_server_on_the_same_machine_needs_no_network(page: Page) -> None:
    page.evaluate("Object.defineProperty(navigator, 'onLine', {value: false})")
    ask(page, "Anybody there?")
    expect(page.locator("#ns-chat .bot-row")).to_contain_text("[echo base] Anybody there?")


def test_the_page_finds_its_way_back_to_what_was_said_when_the_network_went(
    page: Page, context: BrowserContext, messages: Messages
) -> None:
    ask(page, "The first question")
    send(page, LONG)
    expect(page.locator("#ns-chat .bot-row").last).to_contain_text("word3")
    context.set_offline(True)
    expect(page.get_by_text("The connection is lost. This page tries to get it back.").first).to_be_visible()
    page.evaluate("window.isBefore = true")
    context.set_offline(False)
    # It loads itself anew.
    page.wait_for_function("!window.isBefore && document.querySelector('#ns-title h1')")
    is_whole(page)
    expect(page.locator("#ns-chat .bot-row").last).to_contain_text("word3")
    expect(page.get_by_label("Your message")).to_have_value("")
    ask(page, "And now?")
    assert questions(messages(page)) == ["The first question", LONG, "And now?"]
