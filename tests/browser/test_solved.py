"""The page asks whether a chat solved it once it has been quiet, or at once where somebody says thanks."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from collect.outcomes import Said
from nightschool.records import Message
from serve.chat.scripts import QUIET_MS

from .test_chat_page import OVERFLOW, Messages, ask_and_wait, is_soon

# What Gradio's own threads warn of (pandas, event loops left to the collector) is not ours to mend.
pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio"),
]


def test_a_chat_is_marked_as_solved_by_keys_and_asked_about_anew_after_the_next_question(
    page: Page, messages: Messages, outcome: Callable[[Message], Said | None]
) -> None:
    page.set_viewport_size({"width": 390, "height": 780})
    page.clock.install()
    page.reload()
    ask_and_wait(page, "Where is my parcel?")
    line, yes = page.get_by_text("Did this solve it?"), page.get_by_role("button", name="Resolved", exact=True)
    expect(line).to_be_hidden()
    page.clock.fast_forward(QUIET_MS)
    expect(line).to_be_visible()
    assert page.evaluate(OVERFLOW) <= 0
    yes.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("You marked this as solved.")).to_be_visible()
    answer = messages(page)[-1]
    said = outcome(answer)
    assert said is not None
    assert (said.message_id, said.is_resolved) == (answer.message_id, True)
    ask_and_wait(page, "Thank you!")
    expect(line).to_be_visible()
    page.get_by_role("button", name="Not resolved").click()
    expect(page.get_by_text("You marked this as not solved.")).to_be_visible()
    assert is_soon(page, lambda: (said := outcome(answer)) is not None and not said.is_resolved)
    page.reload()
    expect(page.get_by_text("You marked this as not solved.")).to_be_visible()
