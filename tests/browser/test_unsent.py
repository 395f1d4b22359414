"""A question whose page goes before the server has taken it is never lost, and never taken twice."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from nightschool.records import Message

from .test_bad_day import ask, at_rest, is_whole, send

# What Gradio's own threads warn of (pandas, event loops left to the collector) is not ours to mend.
pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio"),
]

Messages = Callable[[Page], list[Message]]
JOIN = "**/queue/join*"
TOLD = "This did not get through before the page was left."


def questions(said: list[Message]) -> list[str]:
    return [message.content for message in said if message.role == "user"]


def hold_next(page: Page) -> list[Route]:
    """The page's next event is on its way and does not get there."""
    held: list[Route] = []

    def keep(route: Route) -> None:
        held.append(route)

    page.route(JOIN, keep, times=1)
    return held


def send_in_vain(page: Page, question: str) -> list[Route]:
    held = hold_next(page)
    send(page, question)
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    return held


@pytest.mark.parametrize("way", ["by a reload", "for good, and comes back"])
def test_who_leaves_before_it_got_through_has_it_in_the_box(
    page: Page, context: BrowserContext, messages: Messages, way: str
) -> None:
    page.get_by_label("Do not learn from this chat").check()
    send_in_vain(page, "Where is <my> planter?")
    if way == "by a reload":
        page.reload()
    else:
        address = page.url
        # What is held would go on its way when the page is closed.
        page.goto("about:blank")
        page.close()
        page = context.new_page()
        page.goto(address)
    box = page.get_by_label("Your message")
    expect(box).to_have_value("Where is <my> planter?")
    expect(page.locator("#ns-trouble")).to_contain_text(TOLD)
    expect(page.get_by_label("Do not learn from this chat")).to_be_checked()
    is_whole(page)
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#ns-chat .bot-row")).to_contain_text("[echo base] Where is <my> planter?")
    at_rest(page)
    expect(page.locator("#ns-trouble")).to_have_text("")
    assert questions(messages(page)) == ["Where is <my> planter?"]
    page.reload()
    expect(page.locator("#ns-chat .bot-row")).to_have_count(1)
    expect(box).to_have_value("")


def test_it_is_asked_in_the_branch_and_in_place_of_the_question_that_it_was_meant_for(
    page: Page, messages: Messages
) -> None:
    ask(page, "Where is my plnter?")
    ask(page, "And my plnt?")
    page.get_by_role("button", name="Edit").first.click()
    send(page, "Where is my planter?")
    expect(page.locator("#ns-chat .user-row")).to_contain_text(["2/2"])
    at_rest(page)
    page.get_by_role("button", name="Before").first.click()
    expect(page.locator("#ns-chat .user-row")).to_have_count(2)
    page.get_by_role("button", name="Edit").last.click()
    send_in_vain(page, "And my plant?")
    page.reload()
    expect(page.get_by_label("Your message")).to_have_value("And my plant?")
    expect(page.locator("#ns-editing")).to_be_visible()
    expect(page.locator("#ns-chat .user-row")).to_have_count(2)
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#ns-chat .user-row")).to_contain_text(["plnter", "And my plant?"])
    at_rest(page)
    [first, answer, *_, last, _] = messages(page)
    assert (first.content, last.content) == ("Where is my plnter?", "And my plant?")
    assert last.parent_id == answer.message_id


def test_what_got_through_unheard_is_there_as_a_turn(page: Page, messages: Messages) -> None:
    page.route("**/queue/data*", lambda route: None, times=1)
    with page.expect_response(JOIN):
        send(page, "Did you hear me?")
    page.reload()
    expect(page.locator("#ns-chat .bot-row")).to_contain_text("[echo base] Did you hear me?")
    expect(page.get_by_label("Your message")).to_have_value("")
    expect(page.locator("#ns-trouble")).to_have_text("")
    assert questions(messages(page)) == ["Did you hear me?"]
    page.goto("/")
    expect(page.get_by_text("What can I do for you?")).to_be_visible()
    expect(page.get_by_label("Your message")).to_have_value("")


def test_what_gets_through_late_and_is_sent_again_is_one_turn(page: Page, messages: Messages) -> None:
    ask(page, "The first question")
    held = send_in_vain(page, "The second question")
    # As the browser sent it, by a page that is gone before it arrives.
    page.reload()
    expect(page.get_by_label("Your message")).to_have_value("The second question")
    late = held[0].request
    assert page.request.post(late.url, data=late.post_data, headers={"content-type": "application/json"}).ok
    for _ in range(100):
        if len(messages(page)) == 4:
            break
        page.wait_for_timeout(100)
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#ns-chat .bot-row")).to_have_count(2)
    at_rest(page)
    expect(page.locator("#ns-chat .user-row")).to_have_count(2)
    assert questions(messages(page)) == ["The first question", "The second question"]
    expect(page.get_by_label("Your message")).to_have_value("")


@pytest.mark.parametrize("said", [["The first question", "Too early?"], ["Too early?"]])
def test_what_is_sent_before_the_page_is_open_waits_for_it(page: Page, messages: Messages, said: list[str]) -> None:
    """What the server told of an empty page lay over the question and its answer."""
    if len(said) > 1:
        ask(page, said[0])
    held = hold_next(page)
    page.goto(page.url)
    send(page, "Too early?")
    expect(page.get_by_label("Your message")).to_have_value("Too early?")
    held[0].continue_()
    expect(page.locator("#ns-chat .bot-row")).to_have_count(len(said))
    expect(page.locator("#ns-chat .bot-row").last).to_contain_text("[echo base] Too early?")
    at_rest(page)
    assert questions(messages(page)) == said
    expect(page.get_by_label("Your message")).to_have_value("")


def test_a_second_tab_is_not_given_what_the_first_one_asks(page: Page, context: BrowserContext) -> None:
    ask(page, "The first question")
    send(page, " ".join(f"word{position}" for position in range(300)))
    expect(page.locator("#ns-chat .bot-row").last).to_contain_text("word3")
    other = context.new_page()
    other.goto(page.url)
    expect(other.locator("#ns-chat .user-row").first).to_contain_text("The first question")
    at_rest(other)
    expect(other.get_by_label("Your message")).to_have_value("")
    at_rest(page)
    expect(page.locator("#ns-trouble")).to_have_text("")


def test_who_empties_the_box_is_not_given_it_again(page: Page) -> None:
    send_in_vain(page, "Never mind")
    page.reload()
    expect(page.get_by_label("Your message")).to_have_value("Never mind")
    page.get_by_label("Your message").fill("")
    page.reload()
    page.wait_for_selector("#ns-title h1")
    at_rest(page)
    expect(page.get_by_label("Your message")).to_have_value("")
    expect(page.locator("#ns-trouble")).to_have_text("")
