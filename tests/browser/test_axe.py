"""Neither page has what axe-core calls a serious or critical fault for people who see, hear or move less, in either
theme, wide or narrow."""

from collections.abc import Iterator
from importlib.resources import files

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from .conftest import Site

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio"),
]

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
FOUND = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations
  .filter(fault => ['serious', 'critical'].includes(fault.impact))
  .flatMap(fault => fault.nodes.map(node => `${fault.id}: ${node.target} ${node.html.slice(0, 120)}`))"""


EACH = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]


@pytest.fixture
def visitor(request: pytest.FixtureRequest, site: Site, chromium: Browser) -> Iterator[BrowserContext]:
    width, theme = request.param
    # What looks is no part of the page, whose own rules would keep it out.
    context = chromium.new_context(
        base_url=site.address, viewport={"width": width, "height": 900}, color_scheme=theme, bypass_csp=True,
        reduced_motion="reduce",
    )  # fmt: skip
    yield context
    context.close()


def faults(page: Page) -> list[str]:
    page.evaluate(AXE)
    found: list[str] = page.evaluate(FOUND)
    return found


@pytest.mark.parametrize("visitor", EACH, indirect=True, ids=str)
def test_the_chat(visitor: BrowserContext) -> None:
    page = visitor.new_page()
    page.goto("/")
    expect(page.get_by_text("How do I return a planter?")).to_be_visible()
    assert faults(page) == []
    page.get_by_label("Your message").fill("What does `code` cost?\n\n```python\nprint('much')\n```")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Copy", exact=True).first).to_be_visible()
    assert faults(page) == []
    page.get_by_role("button", name="Dislike", exact=True).last.click()
    expect(page.locator("#ns-reasons")).to_be_visible()
    assert faults(page) == []
    page.close()


@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize("visitor", EACH[::3], indirect=True, ids=str)
def test_two_answers_at_once(visitor: BrowserContext) -> None:
    page = visitor.new_page()
    page.goto("/")
    page.get_by_label("Your message").fill("Where is my parcel?")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#ns-compare")).to_be_visible()
    expect(page.get_by_role("heading", name="Answer A")).to_be_visible()
    assert faults(page) == []
    page.close()


@pytest.mark.parametrize("visitor", EACH[::3], indirect=True, ids=str)
def test_the_console(visitor: BrowserContext, password: str) -> None:
    page = visitor.new_page()
    page.goto("/console")
    expect(page.get_by_label("Operator password")).to_be_visible()
    assert faults(page) == []
    page.get_by_label("Operator password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector(".ns-cards")
    tabs = page.get_by_role("tab")
    found = {}
    for name in tabs.all_inner_texts():
        page.get_by_role("tab", name=name).click()
        page.wait_for_timeout(300)
        found[name] = faults(page)
    page.close()
    assert found
    assert not any(found.values()), found
