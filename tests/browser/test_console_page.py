"""The console as an operator uses it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

# What Gradio's own threads warn of (pandas, event loops left to the collector) is not ours to mend.
pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio"),
]

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


def test_a_correction_goes_into_training(console: Page, context: BrowserContext) -> None:
    chat = context.new_page()
    chat.goto("/")
    chat.wait_for_selector("#ns-title h1")
    chat.get_by_label("Your message").fill("Do you ship to <i>Iceland</i>? ${alert(1)}")
    chat.get_by_label("Your message").press("Enter")
    expect(chat.locator("#ns-chat .bot-row")).to_contain_text("Iceland")
    chat.wait_for_selector("#ns-send:visible")
    chat.get_by_role("button", name="Dislike", exact=True).click()
    chat.wait_for_selector("#ns-card:visible")
    console.get_by_role("tab", name="Feedback").click()
    console.locator("#ns-feedback label", has_text="Iceland").first.click()
    expect(console.locator("#ns-said")).to_contain_text("Do you ship to <i>Iceland</i>? ${alert(1)}")
    console.get_by_label("Answer for training").fill("Yes, within six days.")
    console.get_by_role("button", name="Save correction").click()
    expect(console.locator("#ns-feedback label", has_text="Iceland").first).to_contain_text("approved")


def test_a_night_started_here_says_what_came_of_it(console: Page) -> None:
    console.get_by_role("tab", name="Nights").click()
    choose(console, "Bot", "reviewer")
    console.get_by_role("button", name="Run a night now").click()
    expect(console.locator("#ns-cycles")).to_contain_text("reviewer")
    expect(console.locator("#ns-night")).to_contain_text("insufficient-data", timeout=30_000)


def test_a_phone_shows_all_of_it(console: Page) -> None:
    console.set_viewport_size({"width": 390, "height": 844})
    for name in ("Status", "Feedback", "Nights", "Adapters"):
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
