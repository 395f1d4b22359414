"""The pictures of the docs: pages at rest whose answers were written for them, at both widths and in both themes.

`NIGHTSCHOOL_SCREENSHOTS=FOLDER .venv/bin/python -m pytest tests/browser/test_pictures.py` takes them all into a folder;
`docs/images` keeps some of them, by the same names.
"""

import os
import shutil
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from nightschool.engine import ChatRequest, Delta
from nightschool.records import BASE, Finish
from nightschool.settings import Settings
from serve.words.catalogue import Words
from serve.words.english import ENGLISH
from serve.words.german import GERMAN

from .conftest import BOT, BOTS, Site, free_port, serving
from .test_chat_page import OVERFLOW

# What Gradio's own threads warn of (pandas, event loops left to the collector) is not ours to mend.
pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio"),
]

WRITTEN: Final = {
    "How do I return a planter?": (
        "The return label is free. You find it in the app under **Orders > Return**, or we send it by e-mail: write to "
        "help@lumafern.example.",
        "Write to help@lumafern.example, and we send you the return label by e-mail. It is free.",
    ),
    "And when is my money back?": (
        "Within 5 business days after the parcel has arrived back, to the payment method that you used.",
        "We refund within 5 business days after the parcel has arrived back.",
    ),
    "Guten Tag! Wobei können Sie mir helfen?": (
        "Guten Tag! Ich helfe bei Fragen zu Pflanzkübeln, Bestellungen, Tarifen und zur App. Worum geht es?",
        "Guten Tag!",
    ),
}
"""Two answers to each question: the live version's, and any other's."""


@dataclass(frozen=True, slots=True)
class View:
    width: int
    theme: str

    def __str__(self) -> str:
        return f"{self.width}-{self.theme}"


VIEWS = [View(width, theme) for width in (1280, 390) for theme in ("light", "dark")]


class Camera:
    def __init__(self, folder: Path, view: View) -> None:
        self._folder = folder
        self._view = view

    def take(self, page: Page, name: str) -> None:
        """Of a page at rest, on which nothing says that its answers are fake and nothing sticks out."""
        page.mouse.move(0, 0)
        expect(page.get_by_test_id("toast-body")).to_have_count(0)
        assert page.get_by_text(ENGLISH.page.test_mode).count() == 0
        assert page.get_by_text(GERMAN.page.test_mode).count() == 0
        assert page.evaluate(OVERFLOW) <= 0
        page.screenshot(path=self._folder / f"{name}-{self._view}.png", animations="disabled")


class Writer:
    """Answers as written, by what a question ends with."""

    def __init__(self) -> None:
        self.says_other = False

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        asked = request.messages[-1]["content"].strip()
        [(first, second)] = [texts for question, texts in WRITTEN.items() if asked.endswith(question)]
        is_second = self.says_other or request.model == BASE
        yield Delta(second if is_second else first, finish=Finish.STOP)


@pytest.fixture(scope="module")
def writer() -> Writer:
    return Writer()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, writer: Writer) -> Iterator[Site]:
    """A shop whose version 1 is live."""
    folder = tmp_path_factory.mktemp("pictures")
    bots = Path(shutil.copytree(BOTS, folder / "bots"))
    support = bots / "support.toml"
    support.write_text(f'{support.read_text()}\n[escalation]\nmail_folder = "{folder / "outbox"}"\n')
    settings = Settings.model_validate(
        {
            "home": folder / "home",
            "bots": bots,
            "engine": {"kind": "echo"},
            "server": {"port": free_port(), "requests_per_minute": 1_000},
        }
    )
    with serving(settings, looks_like_a_model=True) as site:
        site.parts.engine.stream = writer.stream  # type: ignore[method-assign]
        site.run(site.parts.rollout.promote(BOT, version=1, actor="ada", reason="reads better"))
        yield site


@pytest.fixture
def view(request: pytest.FixtureRequest) -> View:
    chosen: View = request.param
    return chosen


@pytest.fixture
def camera(view: View, tmp_path: Path) -> Camera:
    return Camera(Path(os.environ.get("NIGHTSCHOOL_SCREENSHOTS", tmp_path)), view)


@pytest.fixture
def visitor(view: View, site: Site, chromium: Browser, words: Words) -> Iterator[BrowserContext]:
    context = chromium.new_context(
        base_url=site.address,
        viewport={"width": view.width, "height": 860 if view.width > 820 else 844},
        color_scheme="dark" if view.theme == "dark" else "light",
        locale=words.code,
        reduced_motion="reduce",
    )
    yield context
    context.close()


@pytest.fixture
def words() -> Words:
    return ENGLISH


@pytest.fixture
def page(visitor: BrowserContext) -> Page:
    page = visitor.new_page()
    page.goto("/")
    page.wait_for_selector("#ns-title h1")
    return page


def ask(page: Page, question: str, words: Words = ENGLISH) -> None:
    before = page.locator("#ns-chat .bot-row").count()
    page.get_by_label(words.page.message).fill(question)
    page.get_by_label(words.page.message).press("Enter")
    expect(page.locator("#ns-chat .bot-row")).to_have_count(before + 1)
    page.wait_for_selector("#ns-send:visible")
    expect(page.locator("#ns-stop")).to_have_count(0)


@pytest.mark.parametrize("view", VIEWS, indirect=True, ids=str)
def test_the_chat(page: Page, view: View, camera: Camera) -> None:
    expect(page.get_by_text("How do I return a planter?")).to_be_visible()
    camera.take(page, "empty")
    ask(page, "How do I return a planter?")
    page.get_by_role("button", name="Like", exact=True).click()
    expect(page.get_by_role("button", name="Liked")).to_be_visible()
    expect(page.locator("#ns-chat .ns-version")).to_contain_text("support@1")
    camera.take(page, "chat")
    ask(page, "And when is my money back?")
    page.locator("#ns-chat summary").last.click()
    expect(page.locator(".ns-passage").last).to_be_visible()
    camera.take(page, "sources")
    page.locator("#ns-chat summary").last.click()
    page.get_by_role("button", name="Dislike", exact=True).last.click()
    expect(page.get_by_role("button", name="Send feedback")).to_be_visible()
    page.get_by_label("Unclear").check(force=True)
    camera.take(page, "disliked")
    page.get_by_role("button", name="Not now").click()
    page.get_by_role("button", name="Talk to a human").click()
    expect(page.get_by_label("Your e-mail address")).to_be_visible()
    camera.take(page, "human")
    page.get_by_role("button", name="Hand over").click()
    expect(page.locator("#ns-human-state p")).to_be_visible()
    if view.width < 820:
        page.get_by_role("button", name="Conversations").click()
    page.locator("#ns-own > button").click()
    page.locator("#ns-data > button").click()
    expect(page.get_by_role("link", name="Download my data")).to_be_visible()
    camera.take(page, "side")


@pytest.mark.parametrize("view", VIEWS, indirect=True, ids=str)
def test_which_is_better(page: Page, writer: Writer, camera: Camera) -> None:
    ask(page, "How do I return a planter?")
    writer.says_other = True
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("#ns-compare")).to_be_visible()
    writer.says_other = False
    camera.take(page, "compare")


@pytest.mark.parametrize("view", VIEWS, indirect=True, ids=str)
def test_two_answers(page: Page, site: Site, camera: Camera) -> None:
    file = site.parts.settings.bots / "support.toml"
    order = file.read_text()
    file.write_text(f'{order}\n[feedback]\nside_by_side_share = 1\nside_by_side_with = "base"\n')
    site.parts.shelf.look()
    ask(page, "How do I return a planter?")
    file.write_text(order)
    expect(page.locator("#ns-compare")).to_be_visible()
    camera.take(page, "two-answers")
    site.parts.shelf.look()


@pytest.mark.parametrize("words", [GERMAN], ids=["de"])
@pytest.mark.parametrize("view", VIEWS, indirect=True, ids=str)
def test_the_german_page(page: Page, words: Words, camera: Camera) -> None:
    ask(page, "Guten Tag! Wobei können Sie mir helfen?", words)
    camera.take(page, "german")


@pytest.mark.parametrize("view", VIEWS, indirect=True, ids=str)
def test_the_console(visitor: BrowserContext, site: Site, camera: Camera) -> None:
    page = visitor.new_page()
    page.goto("/console")
    page.get_by_label("Operator password").fill(site.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector(".ns-cards")
    for name in page.get_by_role("tab").all_inner_texts():
        page.get_by_role("tab", name=name).click()
        page.wait_for_load_state("networkidle")
        camera.take(page, f"console-{name.lower().replace(' ', '-')}")
