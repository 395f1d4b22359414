"""Below a path of somebody else's host, behind the nginx of docs/proxy.md, which buffers what it passes on."""

import asyncio
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect

from nightschool.engine import ChatRequest, Delta
from nightschool.records import Feedback, Finish, Message
from serve.app import build_app
from serve.cli.up import configure

from .conftest import Site
from .test_widget import shop

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio"),
]

PAGE: Final = (Path(__file__).parents[2] / "docs" / "proxy.md").read_text()
LOCATION: Final = re.findall(r"```nginx\n(.*?)```", PAGE, re.DOTALL)[0]
OURS: Final = "http://127.0.0.1:7860"
SERVERS: Final = """
daemon off;
master_process off;
pid nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxied;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{ listen 127.0.0.1:{passes}; {as_documented} }}
    server {{ listen 127.0.0.1:{strips}; {with_a_slash} }}
}}
"""


@pytest.fixture(scope="module")
def port_below(site: Site) -> Iterator[int]:
    """Where the same server answers below /support."""
    settings = site.parts.settings
    below = settings.model_copy(update={"server": settings.server.model_copy(update={"root_path": "/support"})})

    async def build() -> uvicorn.Server:
        return uvicorn.Server(configure(build_app(replace(site.parts, settings=below)), below))

    server = site.run(build())
    server.capture_signals = nullcontext  # type: ignore[method-assign,assignment]  # not on the main thread
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.run_coroutine_threadsafe(server.serve(sockets=[listener]), site.loop)
        yield listener.getsockname()[1]
        # Not by force, which leaves a task that a later garbage collection ends in another thread: that brought the
        # interpreter down.
        server.should_exit = True
        serving.result(20)


@pytest.fixture(scope="module")
def nginx(port_below: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Two addresses of one nginx: what it `passes` on with the path, and from what it `strips` the path."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None and not os.environ.get("CI"):
        pytest.skip("no nginx: apt-get install nginx-light")
    assert program, "no nginx: scripts/browser installs it"
    with ExitStack() as held:
        probes = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        passes, strips = (probe.getsockname()[1] for probe in probes)
    folder, here = tmp_path_factory.mktemp("nginx"), f"http://127.0.0.1:{port_below}"
    documented, slashed = LOCATION.replace(f"{OURS};", f"{here};"), LOCATION.replace(f"{OURS};", f"{here}/;")
    assert f"{here};" in documented
    order = SERVERS.format(passes=passes, strips=strips, as_documented=documented, with_a_slash=slashed)
    (folder / "nginx.conf").write_text(order)
    command = [program, "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with subprocess.Popen(command) as running:
        try:
            wait_until_it_listens(running, passes)
            yield {"passes": f"http://127.0.0.1:{passes}", "strips": f"http://127.0.0.1:{strips}"}
        finally:
            running.terminate()


def wait_until_it_listens(running: "subprocess.Popen[bytes]", port: int) -> None:
    while running.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    pytest.fail("nginx did not start")


@contextmanager
def halting(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The engine says two words, and the third one once the event is set."""
    may_end = threading.Event()

    async def halt(request: ChatRequest) -> AsyncGenerator[Delta, None]:
        yield Delta("First")
        # The page is drawn five times a second.
        await asyncio.sleep(0.3)
        yield Delta(" second")
        await asyncio.to_thread(may_end.wait, 60)
        yield Delta(" third.", finish=Finish.STOP)

    with monkeypatch.context() as patched:
        patched.setattr(site.parts.engine, "stream", halt)
        yield may_end
        may_end.set()


@pytest.mark.parametrize("kind", ["passes", "strips"])
def test_everything_happens_below_the_path_and_words_come_as_they_are_said(
    *,
    site: Site,
    nginx: dict[str, str],
    chromium: Browser,
    kind: str,
    messages: Callable[[Page], list[Message]],
    opinion: Callable[[Message], Feedback | None],
    password: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = f"{nginx[kind]}/support/"
    outside: list[str] = []
    context = chromium.new_context()
    context.set_default_timeout(30_000)
    allowed = (address, "data:", "blob:")
    context.on("request", lambda asked: None if asked.url.startswith(allowed) else outside.append(asked.url))
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("#ns-title h1")
    with halting(site, monkeypatch) as may_end:
        page.get_by_label("Your message").fill("Where is my parcel?")
        page.get_by_label("Your message").press("Enter")
        answer = page.locator("#ns-chat .bot-row .ns-answer")
        expect(answer).to_have_text("First second")
        may_end.set()
        expect(answer).to_have_text("First second third.")
    page.wait_for_selector("#ns-send:visible")
    page.get_by_role("button", name="Like", exact=True).click()
    liked = page.get_by_role("button", name="Liked")
    expect(liked).to_be_visible()
    said = messages(page)[-1]
    page.wait_for_function("document.querySelectorAll('#ns-chat .bot-row').length === 1")
    page.reload()
    expect(answer).to_have_text("First second third.")
    expect(liked).to_be_visible()
    assert (found := opinion(said)) is not None
    assert found.vote == "up"
    page.get_by_text("Your data").click()
    with page.expect_download() as saved:
        page.get_by_text("Download my data").click()
    assert "Where is my parcel?" in saved.value.path().read_text()
    sign_in_and_out(page, password)
    context.close()
    assert outside == []


@pytest.mark.parametrize("kind", ["passes", "strips"])
def test_a_bubble_on_another_site_is_opened_and_answers(
    site: Site, nginx: dict[str, str], chromium: Browser, shop_address: str, kind: str
) -> None:
    address = f"{nginx[kind]}/support/"
    outside: list[str] = []
    context = chromium.new_context()
    context.set_default_timeout(30_000)
    allowed = (address, shop_address, "data:", "blob:")
    context.on("request", lambda asked: None if asked.url.startswith(allowed) else outside.append(asked.url))
    with shop(shop_address, f'<script src="{address}widget.js" data-bot="support" async></script>') as shops:
        for visit in ("first", "second"):
            page = context.new_page()
            page.goto(shops)
            page.get_by_role("button", name="Chat with us").click()
            frame = page.frame_locator("iframe")
            if visit == "first":
                frame.get_by_label("Your message").fill("Where is my parcel?")
                frame.get_by_label("Your message").press("Enter")
            expect(frame.locator(".ns-answer")).to_contain_text("[echo base] Where is my parcel?")
            expect(frame.get_by_text("Copy", exact=True)).to_be_visible()
            page.close()
    [cookie] = context.cookies()
    assert (cookie["name"], cookie["path"]) == ("ns_frame", "/support/widget")
    context.close()
    assert outside == []


def sign_in_and_out(page: Page, password: str) -> None:
    page.goto(page.url.partition("/support/")[0] + "/support/console/")
    page.get_by_label("Operator password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Fern")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Operator password")).to_be_visible()
    page.goto(page.url.removesuffix("login"))
    expect(page.get_by_label("Operator password")).to_be_visible()
