"""The chat page as strangers use it: in a hurry, in every script, by a bad network, with a silent engine."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from nightschool.records import Message

from .conftest import Site
from .test_bad_day import LONG, ask, at_rest, is_whole, send
from .test_chat_page import OVERFLOW

# What Gradio's own threads warn of (pandas, event loops left to the collector) is not ours to mend.
pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio"),
]

Messages = Callable[[Page], list[Message]]

TWICE = {
    "Enter": """() => {
      const box = document.querySelector('#ns-box textarea');
      const enter = {key: 'Enter', bubbles: true, cancelable: true};
      for (const _ of [1, 2]) box.dispatchEvent(new KeyboardEvent('keypress', enter));
    }""",
    "Send": "() => { const send = document.querySelector('#ns-send'); send.click(); send.click(); }",
}
LAST_LINE_BESIDE = """(side) => {
  const said = document.querySelector('.ns-asked'), text = said.firstChild, range = document.createRange();
  range.setStart(text, text.data.lastIndexOf('\\n') + 1);
  range.setEnd(text, text.length);
  return Math.abs(range.getBoundingClientRect()[side] - said.getBoundingClientRect()[side]) < 3;
}"""
IS_CUT = "[...document.querySelectorAll('.ns-answer')].some((said) => said.scrollWidth > said.clientWidth)"


def questions(said: list[Message]) -> list[str]:
    return [message.content for message in said if message.role == "user"]


def test_what_is_too_long_to_send_is_told_and_whole_in_the_box(page: Page) -> None:
    page.get_by_label("Your message").focus()
    page.keyboard.insert_text("word " * 6_000)
    page.keyboard.press("Enter")
    expect(page.locator("#ns-trouble")).to_contain_text("Shorten it")
    is_whole(page)
    assert len(page.get_by_label("Your message").input_value()) == 30_000
    assert page.evaluate(OVERFLOW) <= 0


@pytest.mark.parametrize("way", TWICE)
def test_what_is_pressed_twice_at_once_is_asked_once(page: Page, messages: Messages, way: str) -> None:
    page.get_by_label("Your message").fill("Where is my planter?")
    page.evaluate(TWICE[way])
    expect(page.locator("#ns-chat .bot-row")).to_contain_text("[echo base] Where is my planter?")
    at_rest(page)
    expect(page.locator("#ns-trouble")).to_have_text("")
    expect(page.get_by_label("Your message")).to_have_value("")
    expect(page.locator("#ns-conversations label")).to_have_count(1)
    assert questions(messages(page)) == ["Where is my planter?"]


def test_a_starter_and_a_retry_pressed_twice_at_once_count_once(page: Page, messages: Messages) -> None:
    page.evaluate(
        "() => { const starter = document.querySelector('#ns-chat .example'); starter.click(); starter.click(); }"
    )
    expect(page.locator("#ns-chat .bot-row")).to_have_count(1)
    at_rest(page)
    expect(page.locator("#ns-conversations label")).to_have_count(1)
    page.evaluate(
        "() => { const again = document.querySelector('.message-buttons button'); again.click(); again.click(); }"
    )
    expect(page.locator("#ns-chat .bot-row")).to_contain_text("2/2")
    at_rest(page)
    expect(page.locator("#ns-trouble")).to_have_text("")
    assert len(messages(page)) == 3


@pytest.mark.parametrize(
    ("question", "side"),
    [
        ("איפה החבילה שלי, מתי היא מגיעה?\nשלח", "right"),
        ("متى تصل شحنتي؟\nشكر", "right"),
        ("我的花盆在哪里。什么时候到货。\n谢谢", "left"),
        ("What is $\\frac{x}{y}$ in <b>HTML</b> &amp; `code`?\nThanks", "left"),
    ],
    ids=["Hebrew", "Arabic", "Chinese", "LaTeX and HTML"],
)
def test_every_script_is_shown_as_written_and_runs_as_it_is_read(
    page: Page, messages: Messages, question: str, side: str
) -> None:
    first, last = question.split("\n")
    page.get_by_label("Your message").fill(first)
    page.get_by_label("Your message").press("Shift+Enter")
    page.keyboard.insert_text(last)
    page.keyboard.press("Enter")
    expect(page.locator("#ns-chat .bot-row")).to_have_count(1)
    at_rest(page)
    assert page.locator(".ns-asked").inner_text() == question
    assert questions(messages(page)) == [question]
    assert page.evaluate(LAST_LINE_BESIDE, side)


def test_a_bot_that_is_taken_away_is_not_answered_for_by_another(page: Page, site: Site) -> None:
    page.goto("/?bot=reviewer")
    expect(page.locator("#ns-title h1")).to_contain_text("Code reviewer")
    file = Path(site.parts.settings.bots / "reviewer.toml")
    order = file.read_text()
    file.unlink()
    site.parts.shelf.look()
    try:
        send(page, "Review: x = 1")
        expect(page.locator("#ns-trouble")).to_contain_text("This is not here any more. Reload the page.")
        expect(page.get_by_label("Your message")).to_have_value("Review: x = 1")
        expect(page.locator("#ns-chat .bot-row")).to_have_count(0)
    finally:
        file.write_text(order)
        site.parts.shelf.look()


def test_who_loses_the_network_in_mid_answer_reads_it_when_it_is_back(
    page: Page, context: BrowserContext, messages: Messages
) -> None:
    ask(page, "The first question")
    send(page, LONG)
    expect(page.locator("#ns-chat .bot-row").last).to_contain_text("word3")
    context.set_offline(True)
    page.get_by_role("button", name="Stop").click()
    page.wait_for_selector("#ns-send:visible")
    context.set_offline(False)
    page.reload()
    expect(page.locator("#ns-chat .bot-row").last).to_contain_text("word3")
    assert questions(messages(page)) == ["The first question", LONG]
    ask(page, "And now?")
    expect(page.locator("#ns-chat .bot-row").last).to_contain_text("[echo base] And now?")


@pytest.mark.parametrize("state", ["empty", "blank"])
def test_an_engine_that_says_nothing_is_told_of_and_can_be_asked_again(
    page: Page, engine_is: Callable[[str], None], state: str
) -> None:
    engine_is(state)
    ask(page, "Anybody there?")
    expect(page.locator("#ns-chat .bot-row")).to_contain_text("No answer.")
    is_whole(page)
    engine_is("well")
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("#ns-chat .bot-row")).to_contain_text("[echo base] Anybody there?")
    at_rest(page)
    # Nothing is no answer that another one could be better than.
    expect(page.locator("#ns-compare")).to_be_hidden()


def test_a_word_that_never_ends_is_broken_and_not_cut(page: Page, engine_is: Callable[[str], None]) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    engine_is("endless")
    ask(page, "Scream!")
    assert page.evaluate(OVERFLOW) <= 0
    assert not page.evaluate(IS_CUT)
