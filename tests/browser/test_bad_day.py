"""The chat page when something goes wrong: what was written stays, what failed is said, nothing lies over the page."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from nightschool.records import Finish, Message

# What Gradio's own threads warn of (pandas, event loops left to the collector) is not ours to mend.
pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio"),
]

EngineIs = Callable[[str], None]

LONG = " ".join(f"word{position}" for position in range(150))
FAILED = "The answer failed. Try again."
COVERED = """() => {
  const seen = (element) => {
    const box = element.getBoundingClientRect();
    return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  };
  return ['#ns-new', '#ns-send', '#ns-box textarea', '#ns-title h1'].filter((id) => {
    const element = document.querySelector(id), top = seen(element);
    return !(element.contains(top) || top.contains(element) && top.closest('#ns-app'));
  });
}"""
"""Parts of the page that something lies over."""
OUTSIDE = """() => [...document.querySelectorAll('.ns-answer *')].filter((element) => {
  const inner = element.getBoundingClientRect(), box = element.closest('.message').getBoundingClientRect();
  return getComputedStyle(element).position === 'fixed' || inner.right > box.right + 1 || inner.left < box.left - 1;
}).length"""
FLOOD = """async (question) => {
  const config = await (await fetch('/config')).json();
  const index = config.dependencies.find((event) => event.api_name === '_ask').id;
  const join = (session) => fetch('/gradio_api/queue/join', {
    method: 'POST', headers: {'content-type': 'application/json'},
    body: JSON.stringify({
      fn_index: index, data: ['support', '', '', question, '', '', false], session_hash: session, trigger_id: 1,
    }),
  });
  return Promise.all([...Array(9).keys()].map(async (number) => (await join(`flood${number}`)).status));
}"""


def send(page: Page, text: str) -> None:
    page.get_by_label("Your message").fill(text)
    page.get_by_label("Your message").press("Enter")


def ask(page: Page, text: str) -> None:
    """Returns once it is answered and the page has been read anew."""
    before = page.locator("#ns-chat .bot-row").count()
    send(page, text)
    expect(page.locator("#ns-chat .bot-row")).to_have_count(before + 1)
    at_rest(page)


def at_rest(page: Page) -> None:
    page.wait_for_selector("#ns-send:visible")
    expect(page.locator("#ns-stop")).to_have_count(0)


def is_whole(page: Page) -> None:
    """Nothing lies over the page, and the right button is there."""
    at_rest(page)
    assert page.evaluate(COVERED) == []
    assert page.locator("[data-testid=status-tracker]:visible").count() == 0
    assert "secret" not in page.locator("body").inner_text()


@pytest.mark.parametrize("state", ["dead", "broken"])
def test_a_failed_answer_leaves_the_page_whole_and_the_text_in_the_box(
    page: Page, engine_is: EngineIs, state: str
) -> None:
    engine_is(state)
    send(page, "Where is my order?")
    expect(page.locator("#ns-trouble")).to_have_text(FAILED)
    is_whole(page)
    expect(page.get_by_label("Your message")).to_have_value("Where is my order?")
    expect(page.locator("#ns-chat .bot-row")).to_contain_text("failed")
    engine_is("well")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#ns-chat .bot-row")).to_contain_text("[echo base] Where is my order?")
    at_rest(page)
    expect(page.locator("#ns-trouble")).to_have_text("")
    expect(page.get_by_label("Your message")).to_have_value("")
    expect(page.locator("#ns-chat .bot-row")).to_have_count(1)


def test_a_failed_answer_is_tried_again_and_both_can_be_reached(page: Page, engine_is: EngineIs) -> None:
    engine_is("broken")
    send(page, "Is it in stock?")
    expect(page.locator("#ns-chat .bot-row")).to_contain_text("failed")
    is_whole(page)
    engine_is("well")
    page.get_by_role("button", name="Retry").click()
    answer = page.locator("#ns-chat .bot-row")
    expect(answer).to_contain_text("[echo base] Is it in stock?")
    expect(answer).to_contain_text("2/2")
    answer.get_by_role("button", name="Before").click()
    expect(answer).to_contain_text("1/2")
    expect(answer).to_contain_text("failed")
    answer.get_by_role("button", name="Next").click()
    expect(answer).to_contain_text("[echo base] Is it in stock?")


def test_a_failed_retry_replaces_no_good_answer(page: Page, engine_is: EngineIs) -> None:
    ask(page, "How long may I return it?")
    engine_is("broken")
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("#ns-trouble")).to_have_text(FAILED)
    is_whole(page)
    answer = page.locator("#ns-chat .bot-row")
    expect(answer).to_contain_text("[echo base] How long may I return it?")
    page.reload()
    expect(answer).to_contain_text("[echo base] How long may I return it?")
    expect(answer).to_contain_text("1/2")


def test_a_starter_that_fails_leaves_the_page_whole(page: Page, engine_is: EngineIs) -> None:
    engine_is("dead")
    page.locator("#ns-chat .example").first.click()
    expect(page.locator("#ns-trouble")).to_have_text(FAILED)
    is_whole(page)


def test_of_two_tabs_the_second_is_told_and_loses_nothing(page: Page, context: BrowserContext) -> None:
    ask(page, "The first question")
    other = context.new_page()
    other.goto(page.url)
    expect(other.locator("#ns-chat .bot-row")).to_have_count(1)
    send(page, LONG)
    expect(page.locator("#ns-chat .bot-row").last).to_contain_text("word3")
    send(other, "And in the other tab?")
    expect(other.locator("#ns-trouble")).to_contain_text("still being written")
    expect(other.get_by_label("Your message")).to_have_value("And in the other tab?")
    at_rest(page)
    is_whole(other)
    other.get_by_role("button", name="Send", exact=True).click()
    expect(other.locator("#ns-chat .bot-row").last).to_contain_text("[echo base] And in the other tab?")


@pytest.mark.parametrize("way", ["by a reload", "for good, and comes back"])
def test_who_leaves_a_stalled_answer_reads_what_was_said(
    page: Page, context: BrowserContext, messages: Callable[[Page], list[Message]], engine_is: EngineIs, way: str
) -> None:
    engine_is("stalled")
    send(page, "Where is my order?")
    expect(page.locator("#ns-chat .bot-row")).to_contain_text("It is in")
    if way == "by a reload":
        page.reload()
    else:
        address = page.url
        page.close()
        page = context.new_page()
        page.goto(address)
    expect(page.locator("#ns-chat .user-row")).to_contain_text("Where is my order?")
    expect(page.locator("#ns-chat .bot-row")).to_contain_text("It is in")
    expect(page.locator("#ns-chat .bot-row")).to_contain_text("stopped")
    is_whole(page)
    # What is recorded has left the engine.
    assert messages(page)[-1].finish is Finish.PARTIAL
    engine_is("well")
    ask(page, "And now?")
    expect(page.locator("#ns-chat .bot-row").last).to_contain_text("[echo base] And now?")


def test_who_floods_the_page_is_refused_in_words_and_keeps_the_text(page: Page) -> None:
    statuses = page.evaluate(FLOOD, LONG)
    assert statuses.count(200) == 6
    assert statuses.count(429) == 3
    send(page, "one more")
    expect(page.get_by_text("That is a lot at once. Try again in 5 s.").first).to_be_visible()
    expect(page.locator("#ns-trouble")).to_contain_text("Try again in a moment.")
    expect(page.get_by_label("Your message")).to_have_value("one more")
    is_whole(page)


def test_who_is_refused_at_the_gate_stays_in_the_branch_that_they_read(page: Page) -> None:
    ask(page, "Where is my plnter?")
    page.get_by_role("button", name="Edit").click()
    send(page, "Where is my planter?")
    expect(page.locator("#ns-chat .user-row")).to_contain_text("2/2")
    at_rest(page)
    page.get_by_role("button", name="Before").first.click()
    expect(page.locator("#ns-chat .user-row")).to_contain_text("plnter")
    told = {"detail": "That is a lot at once. Try again in 5 s."}
    page.route("**/queue/join*", lambda route: route.fulfill(status=429, json=told), times=1)
    with page.expect_response(lambda answer: "queue/join" in answer.url and answer.ok):
        send(page, "And the second?")
    # With the next event that is let through, the page is read anew.
    is_whole(page)
    expect(page.locator("#ns-trouble")).to_contain_text("Try again in a moment.")
    expect(page.get_by_label("Your message")).to_have_value("And the second?")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#ns-chat .user-row")).to_have_count(2)
    expect(page.locator("#ns-chat .user-row").first).to_contain_text("plnter")


def test_what_is_stopped_before_the_server_had_it_is_back_in_the_box(page: Page) -> None:
    ask(page, "The first question")
    page.route("**/queue/join*", lambda route: None, times=1)
    send(page, "The second question")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_label("Your message")).to_have_value("The second question")
    is_whole(page)
    expect(page.locator("#ns-chat .user-row")).to_have_count(1)


@pytest.mark.parametrize(
    "hostile",
    [
        '\\`<div style="position:fixed;inset:0;background:red;z-index:99999">OVERLAY</div>\\`',
        '<form action="/x">Your password: <input type="password"></form>',
        "~~~\n<b>in a fence</b>\n~~~\n\n    <i>indented</i>\n\ntext ``` <u>odd</u>",
        '```mermaid\ngraph TD; A["<form>"]\n```\n<style>*{display:none}</style>',
        "<div>\n\n<form>\n\n<button>\n\n</div>",
    ],
)
def test_nothing_that_an_answer_says_is_alive(page: Page, hostile: str) -> None:
    ask(page, hostile)
    is_whole(page)
    said = page.locator(".ns-said")
    assert said.locator("form, input, style, b, i, u, div[style], svg.flowchart").count() == 0
    assert page.evaluate(OUTSIDE) == 0
    shown = page.locator("#ns-chat .bot-row").inner_text()
    assert "&lt;" not in shown
    assert "ns-version" not in shown
    assert shown.count("<") == hostile.count("<")


def test_screen_readers_hear_the_words_and_not_their_source(page: Page) -> None:
    ask(page, "Where? Is <it>?")
    assert page.locator("#ns-chat [aria-label*='message: ']").count() == 0
    expect(page.locator("#ns-chat .user-row .ns-said")).to_contain_text("You: Where? Is <it>?")


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 600), (1280, 800)])
def test_the_ideal_answer_can_be_given_at_every_size_and_again(page: Page, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    ask(page, "Is it waterproof?")
    for _ in range(2):
        page.get_by_role("button", name="Dislike", exact=True).click()
        ideal = page.get_by_label("What would have been the ideal answer?")
        expect(ideal).to_be_visible()
        ideal.scroll_into_view_if_needed()
        box = ideal.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height
        # Reasons, comment and ideal answer, and no hidden field that came out of hiding.
        assert page.locator("#ns-card textarea:visible").count() == 2
        page.get_by_role("button", name="Not now").click()
        expect(page.locator("#ns-card")).to_be_hidden()
        page.get_by_role("button", name="Disliked").click()
        expect(page.get_by_role("button", name="Disliked")).to_have_count(0)


@pytest.mark.parametrize("number", [0, 1])
def test_a_phone_shows_the_answer_that_the_card_asks_about(page: Page, number: int) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    ask(page, "Is it waterproof?")
    ask(page, "Is it heavy?")
    page.get_by_role("button", name="Dislike", exact=True).nth(number).click()
    expect(page.locator("#ns-card")).to_be_visible()
    expect(page.locator("#ns-chat .ns-answer").nth(number)).to_be_in_viewport(ratio=0.9)


@pytest.mark.parametrize("way", ["Escape", "a tap beside it"])
def test_the_phones_drawer_closes(page: Page, way: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("button", name="Conversations").click()
    expect(page.locator("#ns-new")).to_be_in_viewport()
    if way == "Escape":
        page.keyboard.press("Escape")
    else:
        page.mouse.click(380, 400)
    expect(page.locator("#ns-new")).not_to_be_in_viewport()
