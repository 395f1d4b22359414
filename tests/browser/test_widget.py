"""The bubble on another site's page: opened, used, left by keyboard, known again, refused to whom it is not for."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Route, expect

from .conftest import Site

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio"),
]

PAGE = """<!doctype html><html lang="en"><title>Shop</title><style>button {{ background: red !important; }}</style>
<h1>A shop</h1>{inside}</html>"""


@contextmanager
def shop(address: str, inside: str) -> Iterator[str]:
    """Another site that has something of ours on its only page."""

    class Shop(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            # As strict as a shop may be: nothing inline, nothing from elsewhere but us.
            self.end_headers()
            self.wfile.write(PAGE.format(inside=inside).encode())

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", urlsplit(address).port or 0), Shop) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(params=[1280, 390])
def visitor(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[BrowserContext]:
    """Somebody who comes to the shop."""
    context = chromium.new_context(viewport={"width": request.param, "height": 760}, reduced_motion="reduce")
    yield context
    context.close()


def test_a_visitor_of_a_shop_talks_in_its_bubble(site: Site, shop_address: str, visitor: BrowserContext) -> None:
    elsewhere: list[str] = []
    allowed = (site.address, shop_address, "data:", "blob:")
    visitor.on("request", lambda asked: None if asked.url.startswith(allowed) else elsewhere.append(asked.url))
    line = f'<script src="{site.address}/widget.js" data-bot="support" data-label="Ask Fern" async></script>'
    with shop(shop_address, line) as address:
        page = visitor.new_page()
        page.goto(address)
        bubble = page.get_by_role("button", name="Ask Fern")
        expect(bubble).to_have_attribute("aria-expanded", "false")
        bubble.focus()
        page.keyboard.press("Enter")
        frame = page.frame_locator("iframe")
        box = frame.locator("#ns-box textarea")
        expect(box).to_be_focused()
        page.keyboard.type("Where is my parcel?")
        page.keyboard.press("Enter")
        expect(frame.locator(".ns-answer")).to_contain_text("[echo base] Where is my parcel?")
        expect(frame.get_by_text("Copy")).to_be_visible()
        panel = page.get_by_role("dialog", name="Ask Fern").bounding_box()
        width = (page.viewport_size or {"width": 0})["width"]
        assert panel is not None
        assert panel["width"] == (width if width == 390 else 402)
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog", name="Ask Fern")).to_be_hidden()
        expect(bubble).to_be_focused()
        # The shop's next page: the same person, in the same talk.
        page.goto(f"{address}/basket")
        bubble.click()
        expect(frame.locator(".ns-answer")).to_contain_text("[echo base] Where is my parcel?")
        expect(frame.locator("#ns-title h1")).to_contain_text("Fern")
        frame.locator("#ns-toggle").click()
        frame.get_by_text("Your data").click()
        with page.expect_download() as saved:
            frame.get_by_text("Download my data").click()
        assert "Where is my parcel?" in saved.value.path().read_text()
        page.get_by_role("button", name="Close the chat").click()
        expect(bubble).to_be_focused()
    assert elsewhere == []


def test_escape_closes_it_wherever_the_focus_is(site: Site, shop_address: str, visitor: BrowserContext) -> None:
    with shop(shop_address, f'<script src="{site.address}/widget.js" async></script>') as address:
        page = visitor.new_page()
        page.goto(address)
        bubble, panel = page.get_by_role("button", name="Chat with us"), page.get_by_role("dialog")
        box = page.frame_locator("iframe").locator("#ns-box textarea")
        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)

        def open_and_leave() -> None:
            """With the focus on the site's page."""
            bubble.click()
            expect(box).to_be_focused()
            page.evaluate("document.activeElement.blur()")
            expect(page.locator("body")).to_be_focused()

        visitor.route(f"{site.address}/widget/**", hold, times=1)
        bubble.click()
        expect(page.get_by_role("button", name="Close the chat")).to_be_focused()
        page.keyboard.press("Escape")
        expect(panel).to_be_hidden()
        held[0].continue_()
        bubble.click()
        expect(box).to_be_focused()
        page.keyboard.press("Escape")
        expect(panel).to_be_hidden()
        expect(bubble).to_be_focused()
        open_and_leave()
        page.keyboard.press("Escape")
        expect(panel).to_be_hidden()
        # The site's own dialog is closed first.
        open_and_leave()
        page.evaluate("document.addEventListener('keydown', (event) => event.preventDefault(), {once: true})")
        page.keyboard.press("Escape")
        expect(panel).to_be_visible()
        page.keyboard.press("Escape")
        expect(panel).to_be_hidden()


def test_who_may_not_has_no_bubble_and_no_frame(site: Site, chromium: Browser) -> None:
    told: list[str] = []
    inside = f'<script src="{site.address}/widget.js" async></script><iframe src="{site.address}/widget/"></iframe>'
    with shop("", inside) as address:
        page = chromium.new_page()

        def listen(message: ConsoleMessage) -> None:
            told.append(message.text)

        page.on("console", listen)
        page.goto(address)
        page.wait_for_function("document.readyState === 'complete'")
        assert page.locator("nightschool-widget").count() == 0
        assert any("not in server.widget_origins" in text for text in told)
        assert any("frame-ancestors" in text for text in told)
        page.close()


def test_the_chat_page_itself_is_in_nobodys_frame(site: Site, shop_address: str, chromium: Browser) -> None:
    told: list[str] = []
    with shop(shop_address, f'<iframe src="{site.address}/"></iframe>') as address:
        page = chromium.new_page()
        page.on("console", lambda message: told.append(message.text))
        page.goto(address)
        page.wait_for_function("document.readyState === 'complete'")
        assert any("frame-ancestors" in text or "X-Frame-Options" in text for text in told)
        page.close()
