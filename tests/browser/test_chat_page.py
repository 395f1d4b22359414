"""The chat page as a person uses it; after each click the record is asked whether it holds what the page says."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from nightschool.knowledge import Passage
from nightschool.records import Feedback, Finish, Message

# What Gradio's own threads warn of (pandas, event loops left to the collector) is not ours to mend.
pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio"),
]

Messages = Callable[[Page], list[Message]]
Opinion = Callable[[Message], Feedback | None]

LONG = " ".join(f"word{position}" for position in range(150))
OVERFLOW = "document.documentElement.scrollWidth - window.innerWidth"
CUT_OFF = """[...document.querySelectorAll('#ns-side > *')]
  .filter(part => part.offsetParent && part.scrollHeight > part.clientHeight + 1).map(part => part.id)"""
SMALL_TARGETS = """[...document.querySelectorAll('button, a, textarea, label')]
  .filter(e => e.offsetParent && getComputedStyle(e).visibility !== 'hidden' && !e.closest('[aria-hidden=true]'))
  .map(e => [e.id || e.ariaLabel || e.textContent.slice(0, 30), e.getBoundingClientRect()])
  .filter(([_, box]) => box.height > 1 && (box.height < 44 || box.width < 44)).map(([name, _]) => name)"""


def ask(page: Page, question: str) -> None:
    """Returns once the question is on the page and its answer on the way."""
    asked = page.locator("#ns-chat .user-row")
    before = asked.count()
    page.get_by_label("Your message").fill(question)
    page.get_by_label("Your message").press("Enter")
    expect(asked).to_have_count(before + 1)


def ask_and_wait(page: Page, question: str) -> None:
    ask(page, question)
    page.wait_for_selector("#ns-send:visible")


def open_reviewer(page: Page) -> None:
    page.goto("/?bot=reviewer")
    # What is asked before the page was opened would go to an empty one.
    expect(page.locator("#ns-title h1")).to_contain_text("Code reviewer")


def answers(page: Page) -> list[str]:
    return page.locator("#ns-chat .bot-row").all_inner_texts()


def thumb(page: Page, name: str) -> None:
    """Click the thumb below the newest answer."""
    page.get_by_role("button", name=name, exact=True).last.click()


def test_a_question_is_answered_and_the_page_names_the_version_of_the_record(page: Page, messages: Messages) -> None:
    ask_and_wait(page, "Where is my <b>order</b> & why?")
    [question, answer] = messages(page)
    assert question.content == "Where is my <b>order</b> & why?"
    assert answer.finish is Finish.STOP
    expect(page.locator("#ns-chat .user-row")).to_contain_text("Where is my <b>order</b> & why?")
    version = "base" if answer.version is None else answer.version
    expect(page.locator("#ns-chat .bot-row")).to_contain_text(f"support@{version}")


def test_stop_keeps_what_was_said(page: Page, messages: Messages) -> None:
    ask(page, LONG)
    expect(page.locator("#ns-chat .bot-row")).to_contain_text("word10")
    page.get_by_role("button", name="Stop").click()
    page.wait_for_selector("#ns-send:visible")
    [_, answer] = messages(page)
    assert answer.finish is Finish.PARTIAL
    assert "word10" in answer.content
    assert "word149" not in answer.content
    expect(page.locator("#ns-chat .bot-row")).to_contain_text("stopped")
    assert answer.content in answers(page)[0]


def test_a_thumb_is_in_the_record_survives_a_reload_and_can_be_taken_back(
    page: Page, messages: Messages, opinion: Opinion
) -> None:
    ask_and_wait(page, "How do I return a planter?")
    thumb(page, "Like")
    expect(page.get_by_role("button", name="Liked")).to_be_visible()
    answer = messages(page)[-1]
    assert is_soon(page, lambda: said(opinion, answer) == "up")
    page.reload()
    expect(page.get_by_role("button", name="Liked")).to_be_visible()
    ask_and_wait(page, "And when is it picked up?")
    expect(page.get_by_role("button", name="Liked")).to_have_count(1)
    page.get_by_role("button", name="Liked").click()
    expect(page.get_by_role("button", name="Liked")).to_have_count(0)
    assert is_soon(page, lambda: said(opinion, answer) == "none")


def test_who_voted_reads_below_the_answer_what_became_of_it(
    page: Page, messages: Messages, opinion: Opinion, learn_from: Callable[[str, Message], None]
) -> None:
    open_reviewer(page)
    ask_and_wait(page, "def add(a, b): return a - b")
    thumb(page, "Like")
    answer = messages(page)[-1]
    assert is_soon(page, lambda: said(opinion, answer) == "up")
    learn_from("reviewer", answer)
    page.reload()
    line = page.locator("#ns-chat .bot-row .ns-became")
    expect(line).to_have_text("Your vote: Learnt from this in version 1.")
    expect(page.get_by_role("log")).to_contain_text("Your vote: Learnt from this in version 1.")
    # Below an answer that nobody voted on stands nothing.
    ask_and_wait(page, "And in Rust?")
    expect(page.locator("#ns-chat .bot-row")).to_have_count(2)
    expect(line).to_have_count(1)
    # Who is live now is asked the same, in a branch of its own.
    page.get_by_role("button", name="How it would answer today").click()
    expect(page.locator("#ns-chat .user-row")).to_contain_text(["2/2"])
    page.wait_for_selector("#ns-send:visible")
    again = [message.content for message in messages(page) if message.content.endswith("return a - b")]
    assert again == ["def add(a, b): return a - b", answer.content] * 2


def test_a_thumb_during_a_later_answer_stays(page: Page, messages: Messages, opinion: Opinion) -> None:
    ask_and_wait(page, "First question")
    first = messages(page)[-1]
    ask(page, LONG)
    page.get_by_role("button", name="Like", exact=True).first.click()
    page.wait_for_selector("#ns-send:visible")
    expect(page.get_by_role("button", name="Liked")).to_have_count(1)
    assert is_soon(page, lambda: said(opinion, first) == "up")


def test_a_dislike_asks_why(page: Page, messages: Messages, opinion: Opinion) -> None:
    ask_and_wait(page, "Is it waterproof?")
    thumb(page, "Dislike")
    # The card comes up empty: what is ticked before it is there would be cleared again.
    expect(page.get_by_role("button", name="Send feedback")).to_be_visible()
    page.get_by_label("Too long").check(force=True)
    page.get_by_label("Anything to add?").fill("It rambles.")
    page.get_by_label("What would have been the ideal answer?").fill("Yes.")
    page.get_by_role("button", name="Send feedback").click()
    expect(page.locator("#ns-card")).to_be_hidden()
    stored = opinion(messages(page)[-1])
    assert stored is not None
    assert (stored.vote, stored.reasons, stored.comment, stored.ideal_answer) == (
        "down",
        ("too long",),
        "It rambles.",
        "Yes.",
    )


def test_a_retry_keeps_the_old_answer_beside_the_new_one(page: Page, messages: Messages, opinion: Opinion) -> None:
    ask_and_wait(page, "Once more, please")
    thumb(page, "Like")
    expect(page.get_by_role("button", name="Liked")).to_be_visible()
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("button", name="Liked")).to_have_count(0)
    page.wait_for_selector("#ns-send:visible")
    [question, old, new] = messages(page)
    assert old.parent_id == new.parent_id == question.message_id
    assert is_soon(page, lambda: said(opinion, old) == "up")
    assert len(answers(page)) == 1


def test_a_question_is_reworded_beside_the_old_one_and_a_branch_begins_at_any_answer(
    page: Page, messages: Messages
) -> None:
    ask_and_wait(page, "Where is `my` <b>plnter</b>?")
    ask_and_wait(page, "And the second?")
    page.get_by_role("button", name="Edit").first.click()
    expect(page.get_by_label("Your message")).to_have_value("Where is `my` <b>plnter</b>?")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_label("Your message")).to_have_value("")
    page.get_by_role("button", name="Edit").first.click()
    page.get_by_label("Your message").fill("Where is my planter?")
    page.get_by_label("Your message").press("Enter")
    expect(page.locator("#ns-editing")).to_be_hidden()
    expect(page.locator("#ns-chat .user-row")).to_have_count(1)
    expect(page.locator("#ns-chat .user-row")).to_contain_text("2/2")
    page.get_by_role("button", name="Before").first.click()
    expect(page.locator("#ns-chat .user-row")).to_have_count(2)
    page.get_by_role("button", name="Branch from here").first.click()
    expect(page.locator("#ns-chat .user-row")).to_have_count(1)
    # Nothing was asked in it yet; still, that is where the reader stands.
    page.locator("#ns-own > button").click()
    page.get_by_label("Name of this chat").fill("Planters")
    page.get_by_role("button", name="Rename").click()
    expect(page.locator("#ns-conversations")).to_contain_text("Planters")
    expect(page.locator("#ns-chat .user-row")).to_have_count(1)
    page.reload()
    expect(page.locator("#ns-chat .user-row")).to_contain_text(["plnter"])
    # What nobody sees is taken out of a question, and nothing is left of this one.
    page.get_by_label("Your message").fill("\u202a")
    page.get_by_label("Your message").press("Enter")
    expect(page.locator("#ns-trouble")).to_contain_text("This cannot be sent as it is.")
    page.wait_for_selector("#ns-send:visible")
    expect(page.locator("#ns-chat .user-row")).to_have_count(1)
    ask_and_wait(page, "Something else")
    expect(page.locator("#ns-chat .user-row").last).to_contain_text("2/2")
    [first, answer, second, _, reworded, _, other, _] = messages(page)
    assert first.parent_id is reworded.parent_id is None
    assert second.parent_id == other.parent_id == answer.message_id


def test_conversations_are_listed_and_opened_again(page: Page) -> None:
    ask_and_wait(page, "The first conversation")
    page.get_by_role("button", name="New chat").click()
    expect(page.locator("#ns-chat .bot-row")).to_have_count(0)
    ask_and_wait(page, "The second conversation")
    page.get_by_text("The first conversation", exact=True).first.click()
    expect(page.locator("#ns-chat .bot-row")).to_contain_text("The first conversation")


def test_another_browser_sees_nothing_of_it(page: Page, chromium: Browser, context: BrowserContext) -> None:
    ask_and_wait(page, "A secret of mine")
    stranger = chromium.new_context()
    other = stranger.new_page()
    other.goto(page.url)
    other.wait_for_selector("#ns-title h1")
    expect(other.get_by_text("What can I do for you?")).to_be_visible()
    assert "A secret of mine" not in other.content()
    stranger.close()


def test_each_bot_answers_under_its_own_name(context: BrowserContext) -> None:
    page = context.new_page()
    open_reviewer(page)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Code reviewer")
    page.get_by_text("Review: def mean(xs)").click()
    expect(page.locator("#ns-chat .bot-row")).to_contain_text("reviewer@base")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_of_it(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": 390, "height": 844})
    ask_and_wait(page, f"Averyveryverylongwordwithoutanyspaceinit{'x' * 60} {LONG[:200]}")
    answer = page.locator("#ns-chat .ns-answer").bounding_box()
    assert answer is not None
    assert answer["width"] > 360
    thumb(page, "Dislike")
    page.wait_for_selector("#ns-card:visible")
    assert page.evaluate(OVERFLOW) == 0
    assert page.evaluate(SMALL_TARGETS) == []
    page.get_by_role("button", name="Not now").click()
    page.get_by_role("button", name="Conversations").click()
    page.get_by_role("button", name="New chat").click()
    expect(page.locator("#ns-chat .bot-row")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_sources_open_on_a_phone_by_finger_and_key_and_say_letter_for_letter_what_a_page_says(
    page: Page, messages: Messages, stand_on: Callable[[Message, Passage], None], tmp_path: Path, scheme: str
) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": 390, "height": 844})
    ask_and_wait(page, "When is my money back?")
    said = f"5 days. <script>document.title = 'alive'</script><img src=x onerror=alert(1)> {'x' * 80}\n\n# not a head"
    stand_on(messages(page)[-1], Passage(scheme.ljust(16, "0"), "Returns", "Refund <b>time</b>", said))
    page.reload()
    summary = page.get_by_text("Sources: Refund <b>time</b>", exact=True)
    expect(summary).to_have_count(1)
    passage = page.locator(".ns-passage").last
    expect(passage).to_be_hidden()
    summary.click()
    expect(passage).to_have_text(said)
    assert page.locator(".ns-sources").locator("script, img, b, h1").count() == 0
    assert page.title() == "Nightschool"
    assert page.evaluate(OVERFLOW) == 0
    assert page.evaluate(SMALL_TARGETS.replace("label'", "label, summary'")) == []
    folder = Path(os.environ.get("NIGHTSCHOOL_SCREENSHOTS", tmp_path))
    page.screenshot(path=folder / f"sources-{scheme}.png")
    summary.press("Enter")
    expect(passage).to_be_hidden()


def test_the_page_says_that_answers_are_fake_and_come_from_an_ai(page: Page) -> None:
    expect(page.get_by_text("every answer on this page is fake")).to_be_visible()
    expect(page.get_by_text("AI assistant")).to_be_visible()
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible()


def test_the_readmes_picture_can_be_taken(page: Page, tmp_path: Path) -> None:
    # NIGHTSCHOOL_SCREENSHOTS=docs/images takes it anew, NIGHTSCHOOL_SITE=http://... of an installation with a model.
    folder = Path(os.environ.get("NIGHTSCHOOL_SCREENSHOTS", tmp_path))
    ask_and_wait(page, "My planter's light is red. What now?")
    thumb(page, "Like")
    expect(page.get_by_role("button", name="Liked")).to_be_visible()
    ask_and_wait(page, "And how do I return it, should that not help?")
    page.screenshot(path=folder / "chat.png")
    assert (folder / "chat.png").stat().st_size > 10_000


def said(opinion: Opinion, message: Message) -> str:
    stored = opinion(message)
    return str(stored.vote) if stored else ""


def is_soon(page: Page, claim: Callable[[], bool]) -> bool:
    """Whether the claim comes true within 10 s: the chatbot draws a thumb before the server has it."""
    for _ in range(100):
        if claim():
            return True
        page.wait_for_timeout(100)
    return False


def test_a_chat_is_deleted_for_good_after_a_second_click(page: Page, messages: Messages) -> None:
    ask_and_wait(page, "Where is my parcel?")
    page.locator("#ns-own > button").click()
    page.get_by_role("button", name="Delete this chat").click()
    page.get_by_role("button", name="Keep").click()
    page.get_by_role("button", name="Delete this chat").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator("#ns-chat .user-row")).to_have_count(0)
    expect(page.get_by_role("button", name="Delete this chat")).to_be_hidden()


def test_a_chat_is_named_pinned_found_and_closed_to_learning(
    page: Page, messages: Messages, taught: Callable[[], set[str]]
) -> None:
    page.get_by_label("Do not learn from this chat").check()
    ask_and_wait(page, "An old zebra")
    [_, private] = messages(page)
    page.locator("#ns-own > button").click()
    page.get_by_label("Name of this chat").fill("<b>Stripes</b>")
    page.get_by_role("button", name="Rename").click()
    chats = page.locator("#ns-conversations label")
    expect(chats).to_have_text(["<b>Stripes</b>"])
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(chats).to_have_text(["★ <b>Stripes</b>"])
    page.get_by_role("button", name="New chat").click()
    expect(page.get_by_label("Do not learn from this chat")).not_to_be_checked()
    ask_and_wait(page, "A young lion")
    [_, open_one] = messages(page)
    expect(chats).to_have_text(["★ <b>Stripes</b>", "A young lion"])
    page.reload()
    expect(chats).to_have_text(["★ <b>Stripes</b>", "A young lion"])
    page.get_by_label("Search your chats").fill("ZEBRA")
    expect(chats).to_have_count(1)
    chats.first.click()
    expect(page.locator("#ns-chat .user-row")).to_contain_text("An old zebra")
    expect(page.get_by_label("Do not learn from this chat")).to_be_checked()
    assert open_one.message_id in taught()
    assert private.message_id not in taught()
    page.get_by_label("Do not learn from this chat").uncheck()
    assert is_soon(page, lambda: private.message_id in taught())


@pytest.mark.parametrize(("width", "height"), [(390, 664), (1280, 600)])
def test_nothing_beside_the_talk_is_cut_off_where_all_of_it_is_open(page: Page, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    ask_and_wait(page, "Where is my parcel?")
    if width < 820:
        page.get_by_role("button", name="Conversations").click()
    page.locator("#ns-own > button").click()
    page.locator("#ns-data > button").click()
    page.get_by_role("button", name="Delete all my chats").click()
    expect(page.get_by_role("button", name="Delete all", exact=True)).to_be_visible()
    assert page.evaluate(CUT_OFF) == []


def test_people_take_their_chats_along_and_delete_all_of_them(page: Page, messages: Messages) -> None:
    ask_and_wait(page, "Mine, in every word")
    [question, _] = messages(page)
    page.get_by_role("button", name="Your data").click()
    with page.expect_download() as taken:
        page.get_by_role("link", name="Download my data").click()
    [chat] = json.loads(taken.value.path().read_text())["conversations"]
    assert question.content in [said["content"] for said in chat["messages"]]
    page.get_by_role("button", name="Delete all my chats").click()
    page.get_by_role("button", name="Delete all", exact=True).click()
    expect(page.locator("#ns-chat .user-row")).to_have_count(0)
    expect(page.locator("#ns-conversations label")).to_have_count(0)
    assert json.loads(page.request.get("/my-data.json").text()) == {
        "schema_version": 1,
        "conversations": [],
        "votes": [],
        "scores": [],
        "outcomes": [],
        "comparisons": [],
        "escalations": [],
        "signals": [],
    }
