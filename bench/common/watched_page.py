"""A chat page in Chromium, watched from inside: when it took a question, when its first word came, what it computed.

Does not know whose page it is: a `Side` says where and of what.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, sync_playwright

QUIET_S: Final = 1.0
TIMEOUT_MS: Final = 120_000
FLAGS: Final = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
WATCH: Final = """
window.longTasksEndAt = 0;
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) window.longTasksEndAt = task.startTime + task.duration;
}).observe({type: 'longtask', buffered: true});
document.addEventListener('keydown', (event) => {
  if (event.key === 'Enter') { window.pressedAt = performance.now(); window.firstWordAt = 0; }
}, true);
const look = () => {
  const begun = (answer) => answer.textContent.includes('[echo');
  if (!window.readyAt && document.querySelector('%(ready)s') && document.querySelector('%(box)s')?.offsetParent) {
    window.readyAt = performance.now();
  }
  if (window.pressedAt && !window.firstWordAt) {
    const answers = [...document.querySelectorAll('%(answers)s')].slice(window.answersBefore);
    if (answers.some(begun)) window.firstWordAt = performance.now();
  }
  requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""
"""Runs before the page's own scripts; looks once a frame."""


class Side(NamedTuple):
    """Of what a page is made."""

    ready: str
    """What stands there once the page has what it shows."""
    box: str
    answers: str


class Opened(NamedTuple):
    tti_ms: float
    kb_loaded: float


class Asked(NamedTuple):
    first_word_ms: float
    """From the key press."""
    cpu_ms: float
    """Of the page's main thread, from the key press until it rests."""


class WatchedPage:
    """A tab."""

    def __init__(self, context: BrowserContext, side: Side) -> None:
        self._page: Page = context.new_page()
        self._cdp: CDPSession = context.new_cdp_session(self._page)
        self._side = side
        self._page.set_default_timeout(TIMEOUT_MS)
        self._page.add_init_script(WATCH % side._asdict())

    def open(self, address: str) -> Opened:
        """The page, at rest."""
        loaded: list[float] = []
        self._cdp.send("Network.enable")
        self._cdp.on("Network.loadingFinished", lambda event: loaded.append(event["encodedDataLength"]))
        self._page.goto(address)
        self._page.wait_for_function("window.readyAt")
        self._rest()
        return Opened(self._page.evaluate("Math.max(window.readyAt, window.longTasksEndAt)"), sum(loaded) / 1_000)

    def ask(self, text: str) -> Asked:
        """A question and its answer, to the end."""
        count = "(answers) => { window.answersBefore = document.querySelectorAll(answers).length; }"
        self._page.evaluate(count, self._side.answers)
        box = self._page.locator(self._side.box)
        box.fill(text)
        self._rest()
        # Else the waiting before it would be counted by the clock on the wall.
        self._cdp.send("Performance.enable", {"timeDomain": "threadTicks"})
        before = self._cpu_ms()
        box.press("Enter")
        self._page.wait_for_function("window.firstWordAt")
        last = self._page.locator(self._side.answers).last
        last.get_by_text("the end", exact=False).wait_for()
        self._rest()
        return Asked(self._page.evaluate("window.firstWordAt - window.pressedAt"), self._cpu_ms() - before)

    def close(self) -> None:
        self._page.close()

    def _rest(self) -> None:
        """Wait until there was no task of more than 50 ms for a while."""
        self._page.evaluate("window.waitsSince = performance.now()")
        last = "Math.max(window.longTasksEndAt, window.readyAt, window.waitsSince)"
        self._page.wait_for_function(f"performance.now() - {last} > {1_000 * QUIET_S}", polling=100)

    def _cpu_ms(self) -> float:
        metrics = self._cdp.send("Performance.getMetrics")["metrics"]
        return 1_000 * float(next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration"))


@contextmanager
def open_chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        raise SystemExit("no Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()
