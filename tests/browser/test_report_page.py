"""The report of an evaluation as people open it: a file, at both widths and in both themes, that fetches nothing."""

import os
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from eval.page import write_page

from ..finished_evaluation import background, evaluate

pytestmark = pytest.mark.browser

OVERFLOW = "document.documentElement.scrollWidth - window.innerWidth"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_report_is_whole_by_itself(
    chromium: Browser, tmp_path: Path, width: int, scheme: Literal["light", "dark"]
) -> None:
    write_page(tmp_path, evaluate(tmp_path, evil="<b>not bold</b>"), background=background())
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    page = context.new_page()
    asked, wrong = listen(page)
    page.goto((tmp_path / "report.html").as_uri())
    expect(page.get_by_role("heading", level=1)).to_be_in_viewport()
    expect(page.get_by_text("reject", exact=True).first).to_be_in_viewport()
    expect(page.get_by_text("<b>not bold</b>").first).to_be_attached()
    expect(page.locator("svg").first).to_be_visible()
    assert page.evaluate(OVERFLOW) <= 0
    assert asked == [(tmp_path / "report.html").as_uri()]
    assert wrong == []
    folder = Path(os.environ.get("NIGHTSCHOOL_SCREENSHOTS", tmp_path))
    page.screenshot(path=folder / f"report-{width}-{scheme}.png", full_page=True)
    context.close()


def listen(page: Page) -> tuple[list[str], list[str]]:
    """All that the page asks for, and all that it complains of."""
    asked: list[str] = []
    wrong: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    return asked, wrong
