"""The chat page and the bubble in the language of whose browser looks, ours and Gradio's own words alike."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from .conftest import Site
from .test_widget import shop

# What Gradio's own threads warn of (pandas, event loops left to the collector) is not ours to mend.
pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio"),
]

HEARD = "[...document.querySelectorAll('[aria-label], [title]')].flatMap((e) => [e.ariaLabel, e.title]).filter(Boolean)"
ENGLISH = {"Like", "Liked", "Dislike", "Disliked", "Retry", "Conversations", "chatbot conversation", "Loading response"}
Visit = Callable[[str], Page]


@pytest.fixture
def visit(chromium: Browser, site: Site) -> Iterator[Visit]:
    """The chat page in a browser of that language."""
    contexts = []

    def open_page(locale: str) -> Page:
        contexts.append(chromium.new_context(base_url=site.address, locale=locale))
        page = contexts[-1].new_page()
        page.goto("/")
        page.wait_for_selector("#ns-title h1")
        return page

    yield open_page
    for context in contexts:
        context.close()


def test_a_german_browser_sees_and_hears_german(visit: Visit) -> None:
    page = visit("de-DE")
    box = page.get_by_label("Ihre Nachricht")
    expect(box).to_have_attribute("placeholder", "Nachricht schreiben …")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.get_by_role("group", name="Fragen für den Anfang")).to_be_visible()
    box.fill("Wo ist mein Paket?")
    page.get_by_role("button", name="Senden", exact=True).click()
    expect(page.locator("#ns-chat .user-row")).to_have_count(1)
    page.wait_for_selector("#ns-send:visible")
    expect(page.get_by_role("button", name="Wiederholen")).to_be_visible()
    page.get_by_role("button", name="Gefällt mir nicht", exact=True).click()
    expect(page.get_by_role("button", name="Gefällt mir nicht (gewählt)")).to_be_visible()
    expect(page.get_by_role("heading", name="Was war an dieser Antwort falsch?")).to_be_visible()
    page.locator("#ns-reasons").get_by_text("Unhöflich").click()
    page.get_by_role("button", name="Rückmeldung senden").click()
    toast = page.get_by_test_id("toast-body")
    expect(toast).to_contain_text("Hinweis")
    expect(toast).to_contain_text("Danke. Daraus lernt der Assistent.")
    expect(page.get_by_test_id("toast-close")).to_have_attribute("aria-label", "Diese Meldung schließen")
    page.get_by_role("button", name="Mit einem Menschen sprechen").click()
    page.get_by_role("button", name="Übergeben").click()
    state = page.locator("#ns-human-state")
    expect(state).to_contain_text("Das Gespräch ging um ")
    expect(state).not_to_contain_text("UTC")
    assert set(page.evaluate(HEARD)) & ENGLISH == set()
    page.context.set_offline(True)
    box.fill("Und jetzt?")
    box.press("Enter")
    expect(page.locator("#ns-trouble")).to_contain_text("Dieser Browser war offline.")
    page.get_by_role("button", name="Neuer Chat").click()
    expect(page.get_by_text("Die Verbindung ist unterbrochen.").first).to_be_visible()


def test_other_browsers_read_english_and_the_bubble_speaks_german_too(
    visit: Visit, shop_address: str, site: Site
) -> None:
    page = visit("fr-FR")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_label("Your message").fill("Where is my parcel?")
    page.get_by_role("button", name="Send", exact=True).click()
    # Gradio's own word, which would be French by the browser.
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    with shop(shop_address, f'<script src="{site.address}/widget.js" async></script>') as address:
        page = visit("de-AT")
        page.goto(address)
        page.get_by_role("button", name="Schreiben Sie uns").click()
        expect(page.frame_locator("iframe").get_by_label("Ihre Nachricht")).to_be_focused()
        page.get_by_role("button", name="Chat schließen").click()
        expect(page.get_by_role("dialog", name="Schreiben Sie uns")).to_be_hidden()
