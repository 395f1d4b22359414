"""How fast is the chat page for whoever sits before it: until it takes a question, until a word comes, after 100 turns?

Real Chromium at the real server with its fake engine, whose pace is known; beside it, in the same run, a plain
`gr.ChatInterface` at the same pace, which a user would pick instead. Medians of
- `tti_ms`: from the address to the page that shows what it has to, takes a question and computes no more (the last task
  over 50 ms before a quiet second), with an empty cache; `kb_loaded`: what came over the wire until then;
- `added_first_token_ms`: from the key press to the first word on the screen, less the engine's own pause;
- `turn_100_vs_1`: CPU of the page's main thread for a question and its answer with a block of code, from the key press
  until it rests, as the 100th turn of such a conversation against the first.
Says nothing of a network, all being one machine, nor of what the server pays (`bench/page_cpu.py`).
Run: python bench/page.py [--quick]   The last line is one JSON object.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import httpx
from playwright.sync_api import Browser, BrowserContext

from bench.common.installation import CHATTING, Installation, free_port
from bench.common.plain_chat import PACE_S
from bench.common.visitor import Visitor
from bench.common.watched_page import Asked, Opened, Side, WatchedPage, open_chromium

START_TIMEOUT_S: Final = 120.0
TURNS: Final = 100
OURS: Final = Side(ready="#ns-title h1", box="#ns-box textarea", answers="#ns-chat [data-testid=bot]")
PLAIN: Final = Side(ready="[data-testid=textbox]", box="[data-testid=textbox]", answers="[data-testid=bot]")


def question(number: int, *, words: int) -> str:
    """Text, a block of code, and a last word by which the answer's end is known. The engine pauses at each blank."""
    code = "\n".join(f"\ttotal_{line}=price[{line}]*count[{line}]" for line in range(12))
    text = " ".join(f"word{word}" for word in range(words))
    return f"{text}\n```python\ndef\ttotal_of_{number}(price,count):\n{code}\n```\nthe end"


@contextmanager
def run_ours(folder: Path) -> Iterator[str]:
    settings = {"NIGHTSCHOOL_ENGINE__KIND": "echo", "NIGHTSCHOOL_SERVER__REQUESTS_PER_MINUTE": "100000"}
    installation = Installation(folder, bot=CHATTING, settings=settings)
    with installation.running(start_timeout_s=START_TIMEOUT_S):
        yield installation.address


@contextmanager
def run_plain(folder: Path) -> Iterator[str]:
    """Its long conversation is there from the start."""
    said = [question(number, words=3) for number in range(TURNS - 1)]
    turns = [[("user", text), ("assistant", f"[echo base] {text}")] for text in said]
    file, port = folder / "conversation.json", free_port()
    file.write_text(json.dumps([{"role": role, "content": text} for turn in turns for role, text in turn]))
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen([sys.executable, "-m", "bench.common.plain_chat", str(port), str(file)]) as process:
        try:
            deadline = time.monotonic() + START_TIMEOUT_S
            while not _answers(f"{address}/new/"):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("the plain page did not start")
                time.sleep(0.2)
            yield address
        finally:
            process.terminate()


def _answers(address: str) -> bool:
    try:
        return httpx.get(address).is_success
    except httpx.TransportError:
        return False


def talk_long(context: BrowserContext, *, address: str) -> str:
    """99 turns of this browser, by the page's protocol. Where they are to be seen."""
    cookies = {str(cookie["name"]): str(cookie["value"]) for cookie in context.cookies()}

    async def talk() -> str:
        async with httpx.AsyncClient(base_url=address, cookies=cookies, timeout=120) as http:
            visitor = Visitor(http)
            await visitor.open()
            for number in range(TURNS - 1):
                await visitor.ask(question(number, words=3))
        return visitor.place[1]

    # Playwright holds this thread's event loop.
    with ThreadPoolExecutor(1) as thread:
        conversation = thread.submit(asyncio.run, talk()).result()
    return f"{address}/?bot=support&c={conversation}"


def open_once(context: BrowserContext, side: Side, address: str) -> tuple[Opened, Asked]:
    """A tab with one question in it."""
    page = WatchedPage(context, side)
    opened = page.open(address)
    asked = page.ask(question(TURNS, words=60))
    page.close()
    return opened, asked


def measure(
    browser: Browser, side: Side, *, new: str, talk: Callable[[BrowserContext], str], rounds: int
) -> dict[str, float]:
    """`talk` holds the long conversation in a browser and gives its address."""
    opened, first, hundredth = [], [], []
    for _ in range(rounds):
        context = browser.new_context(viewport={"width": 1280, "height": 860})
        opened.append(open_once(context, side, new)[0])
        # The second tab's: the first question of a server imports what it needs.
        first.append(open_once(context, side, new)[1])
        hundredth.append(open_once(context, side, talk(context))[1])
        context.close()
    cpu_ms_1, cpu_ms_100 = (statistics.median(turn.cpu_ms for turn in turns) for turns in (first, hundredth))
    return {
        "tti_ms": statistics.median(page.tti_ms for page in opened),
        "kb_loaded": statistics.median(page.kb_loaded for page in opened),
        "added_first_token_ms": statistics.median(turn.first_word_ms for turn in first) - 1_000 * PACE_S,
        "added_first_token_ms_100": statistics.median(turn.first_word_ms for turn in hundredth) - 1_000 * PACE_S,
        "turn_1_cpu_ms": cpu_ms_1,
        "turn_100_cpu_ms": cpu_ms_100,
        "turn_100_vs_1": cpu_ms_100 / cpu_ms_1,
    }


def report(ours: dict[str, float], plain: dict[str, float]) -> None:
    print(f"{'':<28}{'Nightschool':>14}{'ChatInterface':>16}")
    for name, figure in ours.items():
        print(f"{name:<28}{figure:14.2f}{plain[name]:16.2f}")
    both = ours | {f"plain_{name}": figure for name, figure in plain.items()}
    print(json.dumps({name: round(figure, 2) for name, figure in both.items()}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one browser of each, a minute or two")
    rounds = 1 if parser.parse_args().quick else 3
    with tempfile.TemporaryDirectory(prefix="ns-bench-") as temp, open_chromium() as browser:
        folder = Path(temp)
        with run_ours(folder) as address:
            talk = partial(talk_long, address=address)
            ours = measure(browser, OURS, new=f"{address}/", talk=talk, rounds=rounds)
        with run_plain(folder) as address:
            plain = measure(browser, PLAIN, new=f"{address}/new/", talk=lambda _: f"{address}/long/", rounds=rounds)
    report(ours, plain)


if __name__ == "__main__":
    main()
