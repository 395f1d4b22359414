"""No page has what axe-core calls a serious or critical fault for people who see, hear or move less, in any state, in
either theme, wide or narrow, in each language."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from nightschool.knowledge import Passage
from nightschool.records import Message
from serve.words.catalogue import Words
from serve.words.english import ENGLISH
from serve.words.german import GERMAN

from .conftest import Site
from .test_chat_page import Messages
from .test_console_page import propose
from .test_widget import shop

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio"),
]

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
FOUND = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations
  .filter(fault => ['serious', 'critical'].includes(fault.impact))
  .flatMap(fault => fault.nodes.map(node => `${fault.id}: ${node.target} ${node.html.slice(0, 120)}`))"""

IS_OPAQUE = """[...document.querySelectorAll('[data-testid=toast-body], :has(> [data-testid=toast-body])')]
  .every(part => getComputedStyle(part).opacity === '1')"""


@dataclass(frozen=True, slots=True)
class View:
    width: int
    theme: str
    words: Words = ENGLISH

    def __str__(self) -> str:
        return f"{self.width} {self.theme} {self.words.code}"


ENGLISH_VIEWS = [View(width, theme) for width in (1280, 390) for theme in ("light", "dark")]
GERMAN_VIEWS = [View(view.width, view.theme, GERMAN) for view in ENGLISH_VIEWS]


@pytest.fixture
def view(request: pytest.FixtureRequest) -> View:
    chosen: View = request.param
    return chosen


@pytest.fixture
def visitor(view: View, site: Site, chromium: Browser) -> Iterator[BrowserContext]:
    # What looks is no part of the page, whose own rules would keep it out.
    context = chromium.new_context(
        base_url=site.address, viewport={"width": view.width, "height": 900}, locale=view.words.code, bypass_csp=True,
        color_scheme="dark" if view.theme == "dark" else "light", reduced_motion="reduce",
    )  # fmt: skip
    yield context
    context.close()


class Looker:
    """Keeps what is at fault, by the state in which it is."""

    def __init__(self) -> None:
        self.found: dict[str, list[str]] = {}

    def look(self, page: Page, state: str) -> None:
        page.evaluate(AXE)
        self.found[state] = page.evaluate(FOUND)

    def expect_nothing(self) -> None:
        assert self.found
        assert not any(self.found.values()), {state: faults for state, faults in self.found.items() if faults}


@pytest.fixture
def looker() -> Looker:
    return Looker()


def open_chat(visitor: BrowserContext) -> Page:
    page = visitor.new_page()
    page.goto("/")
    # What is asked before it was opened would be drawn over.
    page.wait_for_selector("#ns-title h1")
    return page


def ask(page: Page, words: Words, question: str) -> None:
    """Returns once it is answered."""
    before = page.locator("#ns-chat .bot-row").count()
    page.get_by_label(words.page.message).fill(question)
    page.get_by_label(words.page.message).press("Enter")
    expect(page.locator("#ns-chat .bot-row")).to_have_count(before + 1)
    page.wait_for_selector("#ns-send:visible")


@pytest.mark.parametrize("view", ENGLISH_VIEWS + GERMAN_VIEWS, indirect=True, ids=str)
def test_the_chat(
    visitor: BrowserContext,
    view: View,
    looker: Looker,
    messages: Messages,
    stand_on: Callable[[Message, Passage], None],
) -> None:
    page, words = open_chat(visitor), view.words
    expect(page.get_by_text("How do I return a planter?")).to_be_visible()
    looker.look(page, "empty")
    ask(page, words, "What does `code` cost?\n\n```python\nprint('much')\n```")
    expect(page.get_by_text(words.line.copy, exact=True).first).to_be_visible()
    looker.look(page, "answered")
    page.locator(".message-buttons button").nth(1).click()
    expect(page.locator("#ns-reasons")).to_be_visible()
    looker.look(page, "disliked")
    page.get_by_role("button", name=words.reason.save).click()
    expect(page.get_by_text(words.reason.thanks)).to_be_visible()
    # What fades in or out has little contrast.
    page.wait_for_function(IS_OPAQUE)
    looker.look(page, "thanked")
    expect(page.get_by_test_id("toast-body")).to_have_count(0)
    page.get_by_role("button", name=words.line.edit, exact=True).click()
    expect(page.locator("#ns-editing")).to_be_visible()
    looker.look(page, "editing")
    page.get_by_role("button", name=words.page.cancel).click()
    look_beside(page, view, looker)
    stand_on(messages(page)[-1], Passage(f"axe {view}", "Returns", "Refund <b>time</b>", "5 days."))
    page.reload()
    page.locator("#ns-chat summary").click()
    expect(page.locator(".ns-passage")).to_be_visible()
    looker.look(page, "sources")
    ask(page, words, "Danke!" if words is GERMAN else "Thank you!")
    expect(page.locator("#ns-solved")).to_be_visible()
    looker.look(page, "is it solved")
    page.get_by_role("button", name=words.human.ask).click()
    expect(page.get_by_label(words.human.contact)).to_be_focused()
    looker.look(page, "for a human")
    page.get_by_role("button", name=words.human.hand_over).click()
    expect(page.locator("#ns-human-state p")).to_be_visible()
    looker.look(page, "handed over")
    page.get_by_label(words.page.message).fill("\u202a")
    page.get_by_role("button", name=words.page.send, exact=True).click()
    expect(page.locator(".ns-trouble")).to_be_visible()
    looker.look(page, "refused")
    page.close()
    looker.expect_nothing()


def look_beside(page: Page, view: View, looker: Looker) -> None:
    """At the column beside the talk, with all that folds out of it."""
    if view.width == 390:
        page.get_by_role("button", name=view.words.page.conversations).click()
    page.locator("#ns-own > button").click()
    page.get_by_role("button", name=view.words.side.delete_chat).click()
    page.locator("#ns-data > button").click()
    page.get_by_role("button", name=view.words.side.delete_all).click()
    expect(page.locator(".ns-forget-card")).to_have_count(2)
    looker.look(page, "chats and data")
    page.keyboard.press("Escape")


@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize("view", ENGLISH_VIEWS + GERMAN_VIEWS[1::2], indirect=True, ids=str)
def test_two_answers_at_once(visitor: BrowserContext, view: View, looker: Looker) -> None:
    page = open_chat(visitor)
    ask(page, view.words, "Where is my parcel?")
    expect(page.locator("#ns-compare")).to_be_visible()
    expect(page.get_by_role("heading", name=view.words.line.one_of_two.format(name="A"))).to_be_visible()
    looker.look(page, "two at once")
    page.close()
    looker.expect_nothing()


@pytest.mark.parametrize("view", ENGLISH_VIEWS + GERMAN_VIEWS[1::2], indirect=True, ids=str)
def test_two_answers_after_a_retry(
    visitor: BrowserContext, view: View, looker: Looker, engine_is: Callable[[str], None]
) -> None:
    page = open_chat(visitor)
    ask(page, view.words, "Where is my parcel?")
    engine_is("other")
    page.locator(".message-buttons button").first.click()
    expect(page.locator(".ns-compared")).to_be_visible()
    looker.look(page, "after a retry")
    page.close()
    looker.expect_nothing()


@pytest.mark.parametrize("view", ENGLISH_VIEWS, indirect=True, ids=str)
def test_the_console(
    visitor: BrowserContext, view: View, looker: Looker, password: str, stop_votes: Callable[[str], None]
) -> None:
    question = f"Is moss green at {view}?"
    propose(visitor, question, "Blue.")
    stop_votes(question)
    page = visitor.new_page()
    page.goto("/console")
    expect(page.get_by_label("Operator password")).to_be_visible()
    looker.look(page, "signed out")
    page.get_by_label("Operator password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector(".ns-cards")
    for name in page.get_by_role("tab").all_inner_texts():
        page.get_by_role("tab", name=name).click()
        page.wait_for_timeout(300)
        looker.look(page, name)
    page.get_by_role("tab", name="Quarantine").click()
    page.locator("#ns-quarantine label", has_text=question).click()
    expect(page.locator("#ns-stopped")).to_contain_text("Blue.")
    looker.look(page, "a stopped vote")
    page.get_by_role("button", name="Keep it out").click()
    expect(page.get_by_text("reason: is missing")).to_be_visible()
    looker.look(page, "a ruling without a reason")
    page.close()
    looker.expect_nothing()


@pytest.mark.parametrize("view", ENGLISH_VIEWS, indirect=True, ids=str)
def test_the_bubble(visitor: BrowserContext, looker: Looker, site: Site, shop_address: str) -> None:
    with shop(shop_address, f'<main><script src="{site.address}/widget.js" async></script></main>') as address:
        page = visitor.new_page()
        page.goto(address)
        bubble = page.get_by_role("button", name="Chat with us")
        expect(bubble).to_be_visible()
        looker.look(page, "closed")
        bubble.click()
        expect(page.frame_locator("iframe").get_by_label("Your message")).to_be_focused()
        page.frames[1].evaluate(AXE)
        looker.look(page, "open")
        page.close()
    looker.expect_nothing()
