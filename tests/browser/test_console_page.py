"""The console as an operator uses it."""

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Literal

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from nightschool.scores import ScoreValue

# What Gradio's own threads warn of (pandas, event loops left to the collector) is not ours to mend.
pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio"),
]

Ruled = Callable[[str], str | None]
Train = Callable[[str], AbstractContextManager[Callable[[int, float], None]]]

RUNS_OVER = """() => [...document.querySelectorAll('.ns-facts :is(dt, dd)')]
  .filter((part) => part.scrollWidth > part.clientWidth).map((part) => part.innerText)"""
"""What of a list of facts lies over its neighbour."""
OVERFLOW = "document.documentElement.scrollWidth - window.innerWidth"


@pytest.fixture
def console(context: BrowserContext, password: str) -> Page:
    page = context.new_page()
    page.goto("/console")
    page.get_by_label("Operator password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector(".ns-cards")
    return page


def test_the_password_opens_it_and_signing_out_closes_it(context: BrowserContext, password: str) -> None:
    page = context.new_page()
    page.goto("/console")
    page.get_by_label("Operator password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not the password")
    page.get_by_label("Operator password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Fern")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Operator password")).to_be_visible()
    page.goto("/console/")
    expect(page.get_by_label("Operator password")).to_be_visible()


def test_a_version_is_promoted_and_rolled_back_with_a_reason(console: Page, live: Callable[[], str]) -> None:
    console.get_by_role("tab", name="Adapters").click()
    choose(console, "Bot", "support")
    expect(console.get_by_label("Version")).to_have_value("support@2 (candidate)")
    console.get_by_role("button", name="Promote").click()
    expect(console.get_by_text("reason: is empty")).to_be_visible()
    move(console, "Promote", reason="reads better")
    expect(console.locator("#ns-adapters")).to_contain_text("production")
    assert live() == "support@2"
    move(console, "Roll back", reason="too chatty")
    expect(console.locator("#ns-events")).to_contain_text("too chatty")
    assert live() == "support@base"
    expect(console.locator("#ns-events")).to_contain_text("operator (console)")


def test_a_document_is_added_found_and_removed(console: Page) -> None:
    console.get_by_role("tab", name="Documents").click()
    choose(console, "Bot", "reviewer")
    expect(console.locator("#ns-documents-status")).to_contain_text("0 documents")
    expect(console.locator("#ns-opened textarea")).to_have_value(re.compile('"reviewer"'))
    console.get_by_label("File").fill("moon.md")
    console.get_by_label("Markdown").fill("# Moonlight\n\nThe Moonlight lamp costs 77 euro.")
    # Whoever looks at something else meanwhile finds the draft again.
    console.get_by_role("tab", name="Status").click()
    console.get_by_role("tab", name="Documents").click()
    expect(console.locator("#ns-documents-status")).to_be_visible()
    console.wait_for_timeout(300)
    expect(console.get_by_label("File")).to_have_value("moon.md")
    console.locator("#ns-document-reason textarea").fill("new product")
    console.get_by_role("button", name="Save").click()
    expect(console.get_by_label("Moonlight (moon.md)")).to_be_visible()
    console.get_by_label("What would a question find?").fill("How much is the Moonlight lamp?")
    console.get_by_label("What would a question find?").press("Enter")
    expect(console.locator("#ns-documents-found")).to_contain_text("The Moonlight lamp costs 77 euro.")
    console.get_by_role("button", name="Questions that find nothing").click()
    expect(console.locator("#ns-documents-found")).to_contain_text("find nothing")
    console.get_by_text("Moonlight (moon.md)").click()
    expect(console.get_by_label("File")).to_have_value("moon.md")
    console.locator("#ns-document-reason textarea").fill("sold out")
    console.get_by_role("button", name="Remove").click()
    expect(console.get_by_label("Moonlight (moon.md)")).to_have_count(0)
    assert console.evaluate(OVERFLOW) <= 0


@pytest.mark.parametrize("width", [1280, 390])
def test_what_was_asked_is_what_is_done(console: Page, live: Callable[[], str], width: int) -> None:
    console.set_viewport_size({"width": width, "height": 844})
    before = live()
    console.get_by_role("tab", name="Adapters").click()
    choose(console, "Bot", "support")
    for version in (1, 2):
        pick_version(console, version)
        console.get_by_label("Reason").fill("reads better")
        console.get_by_role("button", name="Promote").click()
        question = console.locator("#ns-confirm")
        expect(question).to_contain_text(f"support@{version} will answer everybody")
        expect(question).to_contain_text("reads better")
        # The second time a panel opens, a hidden field in it would come out of hiding.
        expect(question.locator("input:visible, textarea:visible")).to_have_count(0)
        if version == 1:
            console.get_by_role("button", name="Cancel").click()
            expect(question).to_be_hidden()
    pick_version(console, 1)
    console.get_by_label("Reason").fill("another reason")
    expect(question).to_contain_text("support@2 will answer everybody")
    console.get_by_role("button", name="Yes, do it").click()
    expect(question).to_be_hidden()
    assert live() == "support@2"
    expect(console.locator("#ns-events")).not_to_contain_text("another reason")
    move(console, "Roll back", reason="as it was")
    assert live() == before


@pytest.mark.parametrize("width", [1280, 390])
def test_a_hold_is_told_and_released_with_a_reason(
    console: Page, hold: Callable[[str], None], is_held: Callable[[], bool], width: int
) -> None:
    console.set_viewport_size({"width": width, "height": 844})
    because = "wait for <b>the lawyers</b> ${alert(1)}"
    hold(because)
    console.get_by_role("tab", name="Adapters").click()
    box, release = console.locator("#ns-hold"), console.get_by_role("button", name="Release the hold")
    choose(console, "Bot", "reviewer")
    expect(release).to_be_hidden()
    choose(console, "Bot", "support")
    expect(box).to_contain_text("support is held")
    expect(box).to_contain_text(f"by ada: {because}")
    button = release.bounding_box()
    assert button
    assert 0 <= button["x"] < button["x"] + button["width"] <= width
    assert button["height"] >= 44
    assert console.evaluate(OVERFLOW) == 0
    release.click()
    expect(console.get_by_text("reason: is empty")).to_be_visible()
    assert is_held()
    console.get_by_label("Reason").fill(f"they agreed at {width}")
    release.click()
    expect(release).to_be_hidden()
    expect(box).not_to_contain_text("is held")
    assert not is_held()
    line = console.locator("#ns-events tr", has_text=f"they agreed at {width}")
    expect(line).to_contain_text("released")
    expect(line).to_contain_text("operator (console)")


def propose(context: BrowserContext, question: str, proposal: str) -> None:
    """A visitor asks, dislikes the answer, and says what it should have been."""
    chat = context.new_page()
    chat.goto("/")
    chat.wait_for_selector("#ns-title h1")
    chat.get_by_label("Your message").fill(question)
    chat.get_by_label("Your message").press("Enter")
    expect(chat.locator("#ns-chat .bot-row")).to_contain_text(question)
    chat.wait_for_selector("#ns-send:visible")
    chat.get_by_role("button", name="Dislike", exact=True).click()
    chat.wait_for_selector("#ns-card:visible")
    chat.get_by_label("What would have been the ideal answer?").fill(proposal)
    chat.get_by_role("button", name="Send feedback").click()
    expect(chat.locator("#ns-card")).to_be_hidden()
    chat.close()


def ask(context: BrowserContext, *texts: str) -> None:
    """A visitor says one thing after the other."""
    chat = context.new_page()
    chat.goto("/")
    chat.wait_for_selector("#ns-title h1")
    for text in texts:
        chat.get_by_label("Your message").fill(text)
        chat.get_by_label("Your message").press("Enter")
        expect(chat.locator("#ns-chat .bot-row").last).to_contain_text(text)
        chat.wait_for_selector("#ns-send:visible")
    chat.close()


def open_line(console: Page, words: str, *, show: str = "All") -> Locator:
    console.get_by_role("tab", name="Feedback").click()
    console.get_by_label(show, exact=True).check()
    # Until then the list that was shown before stands there.
    listed = {"Waiting": "person", "Gaps": "once|times"}.get(show, "liked")
    expect(console.locator("#ns-feedback label").first).to_contain_text(re.compile(listed))
    line = console.locator("#ns-feedback label", has_text=words).first
    line.click()
    expect(console.locator("#ns-said")).to_contain_text(words)
    return line


@pytest.mark.parametrize("width", [1280, 390])
def test_scores_of_every_kind_are_read_beside_the_answer(
    console: Page, context: BrowserContext, score: Callable[[str, Mapping[str, ScoreValue]], None], width: int
) -> None:
    console.set_viewport_size({"width": width, "height": 844})
    question = f"Does it fit a sill of {width} millimetres?"
    propose(context, question, "Measure it.")
    long = "of_sixty_four_letters_without_a_blank_".ljust(64, "x")
    score(question, {"clear": True, "milliseconds": 1_234_567, "accuracy": 0.25, "tone": "y" * 200, long: False})
    open_line(console, question)
    said = console.locator("#ns-said")
    expect(said).to_contain_text(f"{long} of the answer")
    for words in ("yes by", "1234567 by", "0.25 by", "y" * 200, "no by"):
        expect(said).to_contain_text(words)
    assert console.evaluate(RUNS_OVER) == []
    assert console.evaluate(OVERFLOW) <= 0


def test_a_correction_goes_into_training(console: Page, context: BrowserContext, ruled: Ruled) -> None:
    question = "Do you ship to <i>Iceland</i>? ${alert(1)}"
    propose(context, question, "Ask the customs.")
    line = open_line(console, question)
    console.get_by_label("A text of your own").fill("Yes, within six days.")
    console.get_by_role("button", name="Train on my text").click()
    expect(line).to_contain_text("approved")
    assert ruled(question) == "Yes, within six days."


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("choice", ["answer", "proposal"])
def test_the_button_says_which_text_is_approved(
    console: Page, context: BrowserContext, ruled: Ruled, choice: str, width: int
) -> None:
    console.set_viewport_size({"width": width, "height": 844})
    question = f"May I return it within {width} days, {choice}?"
    poison = "POISON: returns are never possible, call +1-900-SCAM."
    propose(context, question, poison)
    line = open_line(console, question)
    answer, proposal = console.locator("#ns-answer"), console.locator("#ns-proposal")
    expect(answer).to_contain_text(f"[echo base] {question}")
    expect(proposal).to_contain_text(poison)
    for button in ("answer", "proposal"):
        box = console.get_by_role("button", name=f"Train on the {button}").bounding_box()
        assert box
        assert 0 <= box["x"] < box["x"] + box["width"] <= width
        assert box["height"] >= 44
    assert console.evaluate(OVERFLOW) == 0
    console.get_by_role("button", name=f"Train on the {choice}").click()
    expect(line).to_contain_text("approved")
    assert ruled(question) == {"answer": f"[echo base] {question}", "proposal": poison}[choice]


def test_what_changed_while_it_was_read_is_said_and_not_stored(
    console: Page, context: BrowserContext, ruled: Ruled
) -> None:
    question = "Is the warehouse open?"
    propose(context, question, "On weekdays.")
    open_line(console, question)
    other = context.new_page()
    other.goto("/console/")
    other.wait_for_selector(".ns-cards")
    open_line(other, question)
    other.get_by_role("button", name="Keep out of training").click()
    expect(other.locator("#ns-feedback label", has_text=question)).to_contain_text("kept out")
    console.get_by_role("button", name="Train on the proposal").click()
    expect(console.get_by_text("changed while you read it")).to_be_visible()
    assert ruled(question) == ""


@pytest.mark.parametrize("width", [1280, 390])
def test_what_waits_is_approved_or_refused(console: Page, context: BrowserContext, ruled: Ruled, width: int) -> None:
    console.set_viewport_size({"width": width, "height": 844})
    asked = {name: f"Does {name} wait at {width}?" for name in ("one", "two")}
    for question in asked.values():
        propose(context, question, "It does not.")
    for question, button in ((asked["one"], "Train on the proposal"), (asked["two"], "Keep out of training")):
        line = open_line(console, question, show="Waiting")
        expect(line).to_contain_text("1 person")
        assert console.evaluate(OVERFLOW) == 0
        console.get_by_role("button", name=button).click()
        expect(line).to_have_count(0)
    assert [ruled(question) for question in asked.values()] == ["It does not.", ""]


@pytest.mark.parametrize("width", [1280, 390])
def test_what_wants_a_look_is_ordered_filtered_and_says_why(
    console: Page, context: BrowserContext, look_through: Callable[[], None], width: int
) -> None:
    console.set_viewport_size({"width": width, "height": 844})
    question = f"Will planters of {width} centimetres float?"
    ask(context, question, "That is not what I asked. Connect me to a human!")
    look_through()
    console.get_by_role("tab", name="Feedback").click()
    console.get_by_label("To review", exact=True).check()
    choose(console, "Because", "Asked for somebody else")
    lines = console.locator("#ns-feedback label")
    expect(lines.filter(has_not_text="somebody else")).to_have_count(0)
    line = lines.filter(has_text=question)
    expect(line).to_contain_text("asked for somebody else")
    assert console.evaluate(OVERFLOW) == 0
    line.click()
    expect(console.locator("#ns-said")).to_contain_text("said that it is wrong")
    expect(console.locator("#ns-said")).to_contain_text("Connect me to a human!")
    assert console.evaluate(OVERFLOW) == 0
    console.get_by_role("button", name="Keep out of training").click()
    expect(line).to_have_count(0)


@pytest.mark.parametrize("width", [1280, 390])
def test_a_question_that_nothing_answers_is_a_gap_until_somebody_writes_it(
    console: Page, context: BrowserContext, ruled: Ruled, width: int
) -> None:
    console.set_viewport_size({"width": width, "height": 844})
    question = {1280: "Who painted your submarine yellow?", 390: "Which opera do goldfish prefer?"}[width]
    propose(context, question, "Nobody.")
    line = open_line(console, question, show="Gaps")
    expect(line).to_contain_text("once")
    expect(console.locator("#ns-said")).to_contain_text("Nearest known question")
    assert console.evaluate(OVERFLOW) == 0
    console.get_by_label("A text of your own").fill("Somebody did.")
    console.get_by_role("button", name="Train on my text").click()
    expect(line).to_have_count(0)
    assert ruled(question) == "Somebody did."


@pytest.mark.parametrize("width", [1280, 390])
def test_a_stopped_vote_is_read_kept_out_and_let_count(
    console: Page, context: BrowserContext, stop_votes: Callable[[str], None], width: int
) -> None:
    console.set_viewport_size({"width": width, "height": 844})
    question = f"Is <i>moss</i> green at {width}? ${{alert(1)}}"
    propose(context, question, "Blue.")
    stop_votes(question)
    console.get_by_role("tab", name="Quarantine").click()
    line = console.locator("#ns-quarantine label", has_text=question)
    line.click()
    expect(console.locator("#ns-stopped")).to_contain_text("one of many within minutes")
    expect(console.locator("#ns-stopped")).to_contain_text("Blue.")
    assert console.evaluate(OVERFLOW) == 0
    console.get_by_role("button", name="Keep it out").click()
    expect(console.get_by_text("reason: is missing")).to_be_visible()
    console.get_by_label("Reason (kept in the audit)").locator("visible=true").fill("a rival")
    console.get_by_role("button", name="Keep it out").press("Enter")
    expect(line).to_have_count(0)
    console.get_by_label("Kept out", exact=True).check()
    expect(line).to_contain_text("operator (console)")
    line.click()
    expect(console.locator("#ns-stopped")).to_contain_text("a rival")
    console.get_by_label("Reason (kept in the audit)").locator("visible=true").fill("a colleague")
    console.get_by_role("button", name="Let it count").click()
    expect(line).to_have_count(0)
    console.get_by_role("tab", name="Adapters").click()
    expect(console.locator("#ns-events")).to_contain_text("let a stopped vote count")


def test_a_night_started_here_says_what_came_of_it(console: Page) -> None:
    console.get_by_role("tab", name="Nights").click()
    choose(console, "Bot", "reviewer")
    console.get_by_role("button", name="Run a night now").click()
    expect(console.locator("#ns-cycles")).to_contain_text("reviewer")
    expect(console.locator("#ns-night")).to_contain_text("insufficient-data", timeout=120_000)


def test_a_phone_shows_all_of_it(console: Page) -> None:
    console.set_viewport_size({"width": 390, "height": 844})
    for name in ("Status", "Feedback", "Nights", "Adapters", "Documents", "Verified", "Quarantine"):
        console.get_by_role("tab", name=name).click()
        expect(console.get_by_role("tab", name=name, selected=True)).to_be_visible()
        assert console.evaluate(OVERFLOW) == 0


def choose(page: Page, label: str, option: str) -> None:
    """Pick from a dropdown of the tab in view."""
    page.get_by_label(label, exact=True).locator("visible=true").click()
    page.get_by_role("option", name=option, exact=True).click()


def pick_version(page: Page, version: int) -> None:
    page.get_by_label("Version").click()
    page.get_by_role("option", name=f"support@{version}").click()


def move(page: Page, button: str, *, reason: str) -> None:
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name=button).click()
    page.get_by_role("button", name="Yes, do it").click()
    expect(page.locator("#ns-confirm")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_training_is_followed_while_it_goes_on(
    console: Page, train: Train, width: int, scheme: Literal["light", "dark"]
) -> None:
    console.set_viewport_size({"width": width, "height": 844})
    console.emulate_media(color_scheme=scheme)
    with train(f"{width}-{scheme}") as take_step:
        take_step(1, 3.0)
        take_step(2, 2.5)
        console.get_by_role("tab", name="Nights").click()
        night = console.locator("#ns-night")
        expect(night).to_contain_text("sft: loss over 2 steps: from 3.000 to 2.500")
        take_step(3, 1.25)
        # By itself: nobody clicks.
        expect(night).to_contain_text("sft: loss over 3 steps: from 3.000 to 1.250")
        expect(night).to_contain_text("3 of 40")
        expect(night).to_contain_text("2 min 10 s")
        curve = night.get_by_role("img", name="sft: loss over 3 steps").bounding_box()
        assert curve
        assert 0 <= curve["x"] < curve["x"] + curve["width"] <= width
        assert curve["height"] >= 100
        assert console.evaluate(OVERFLOW) == 0
        for part in ("polyline:not(.ns-raw)", "figcaption", ".ns-axis-y span"):
            assert contrast(night.locator(f".ns-plot {part}").first) >= 3
    expect(night).not_to_contain_text("Time left")
    expect(night).to_contain_text("sft: loss over 3 steps")


def contrast(shown: Locator) -> float:
    """Of a line or a text against the page behind it, by WCAG."""
    ratio: float = shown.evaluate(
        """element => {
            const channels = colour => {
                const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d');
                canvas.fillStyle = colour;
                canvas.fillRect(0, 0, 1, 1);
                return [...canvas.getImageData(0, 0, 1, 1).data];
            };
            const style = getComputedStyle(element);
            let behind = element;
            while (behind.parentElement && channels(getComputedStyle(behind).backgroundColor)[3] < 255)
                behind = behind.parentElement;
            const light = colour => {
                const [r, g, b] = channels(colour).map(
                    c => (c /= 255) <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
                return .2126 * r + .7152 * g + .0722 * b;
            };
            const both = [light(style.stroke === 'none' ? style.color : style.stroke),
                light(getComputedStyle(behind).backgroundColor)].sort((a, b) => b - a);
            return (both[0] + .05) / (both[1] + .05);
        }"""
    )
    return ratio
