"""What does an answer on the chat page cost the server, and what is left for others beside a visitor who floods it?

CPU seconds of a real server process (fake engine, so that nothing else computes) for an answer of 3, 50 and 150 words,
for one of 150 words at the 31st turn of a conversation, and for the same answer over the API. The page is driven by its
own protocol, as a browser's scripts do: an event is queued, its stream read to the end, then the page read anew. Then
one visitor queues fifty long questions at once while `/healthz` is asked every 50 ms. Wall-clock times mean little on a
machine that is busy; CPU seconds hold. Says nothing of what the browser does.
Run: python bench/page_cpu.py [--quick]   The last line is one JSON object.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from bench.common.installation import CHATTING, Installation
from bench.common.visitor import Visitor

START_TIMEOUT_S: Final = 120.0
WORDS: Final = (3, 50, 150)
TURNS_BEFORE: Final = 30
FLOOD: Final = 50
FLOOD_WORDS: Final = 190
FLOOD_S: Final = 8.0
TARGETS: Final = {"cpu_s_150_words": 0.25, "healthz_ms_under_flood": 100.0}
CLOCK_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    address: str
    pid: int
    key: str

    def cpu_s(self) -> float:
        """CPU seconds that the process has used so far, in user and kernel mode (proc(5), fields 14 and 15)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def question(words: int) -> str:
    """The echo engine answers it with its own words."""
    return " ".join(f"word{number}" for number in range(words))


@contextmanager
def run_server(folder: Path) -> Iterator[Server]:
    """Ready, with the fake engine, shipped limits, and a data folder of its own."""
    installation = Installation(folder, bot=CHATTING, settings={"NIGHTSCHOOL_ENGINE__KIND": "echo"})
    with installation.running(start_timeout_s=START_TIMEOUT_S) as pid:
        yield Server(installation.address, pid, installation.operator_key())


async def measure_answers(server: Server, *, rounds: int) -> dict[str, float]:
    """CPU seconds: the median of `rounds` fresh conversations for each length, and of the 31st turn."""
    figures: dict[str, float] = {}
    async with httpx.AsyncClient(base_url=server.address, timeout=120) as http:
        visitor = Visitor(http)
        await visitor.open()
        await visitor.ask(question(3))
        for words in WORDS:
            costs = []
            for _ in range(rounds):
                visitor.begin_anew()
                costs.append(await _cost_s(server, visitor, words))
            figures[f"cpu_s_{words}_words"] = statistics.median(costs)
        visitor.begin_anew()
        for _ in range(TURNS_BEFORE):
            await visitor.ask(question(3))
        figures["cpu_s_150_words_turn_31"] = await _cost_s(server, visitor, 150)
    return figures


async def _cost_s(server: Server, visitor: Visitor, words: int) -> float:
    before = server.cpu_s()
    await visitor.ask(question(words))
    return server.cpu_s() - before


async def measure_api(server: Server, *, rounds: int) -> dict[str, float]:
    costs = []
    body = {"model": "support", "stream": True, "messages": [{"role": "user", "content": question(150)}]}
    headers = {"authorization": f"Bearer {server.key}"}
    async with httpx.AsyncClient(base_url=server.address, timeout=120, headers=headers) as http:
        for _ in range(rounds + 1):
            before = server.cpu_s()
            async with http.stream("POST", "/v1/chat/completions", json=body) as stream:
                stream.raise_for_status()
                async for _line in stream.aiter_lines():
                    pass
            costs.append(server.cpu_s() - before)
    # The first one imports what it needs.
    return {"cpu_s_150_words_api": statistics.median(costs[1:])}


async def measure_flood(server: Server) -> dict[str, float]:
    """The slowest `/healthz` while one visitor's fifty questions are queued, answered and refused."""
    async with (
        httpx.AsyncClient(base_url=server.address, timeout=120) as http,
        httpx.AsyncClient(base_url=server.address, timeout=120) as other,
    ):
        visitor = Visitor(http)
        await visitor.open()
        asked = ["support", "", "", question(FLOOD_WORDS), "", "", False]
        flood = asyncio.gather(*(visitor.join("_ask", asked, session=f"flood-{number}") for number in range(FLOOD)))
        waits_ms: list[float] = []
        ends_at = time.monotonic() + FLOOD_S
        while time.monotonic() < ends_at:
            began = time.perf_counter()
            (await other.get("/healthz")).raise_for_status()
            waits_ms.append((time.perf_counter() - began) * 1_000)
            await asyncio.sleep(0.05)
        accepted = sum(joined.is_success for joined in await flood)
    return {
        "healthz_ms_under_flood": max(waits_ms),
        "healthz_ms_under_flood_median": statistics.median(waits_ms),
        "flood_accepted": accepted,
    }


async def measure(server: Server, *, rounds: int) -> dict[str, float]:
    figures = await measure_answers(server, rounds=rounds)
    figures |= await measure_api(server, rounds=rounds)
    return figures | await measure_flood(server)


def report(figures: dict[str, float]) -> None:
    for name, figure in figures.items():
        target = TARGETS.get(name)
        verdict = "" if target is None else f"  target {target:g}  {'met' if figure <= target else 'MISSED'}"
        print(f"{name:<32}{figure:10.3f}{verdict}")
    print(json.dumps({name: round(figure, 3) for name, figure in figures.items()}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one answer of each length, about a minute")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ns-bench-") as folder, run_server(Path(folder)) as server:
        figures = asyncio.run(measure(server, rounds=1 if options.quick else 5))
    report(figures)


if __name__ == "__main__":
    main()
