"""Replies to suites are kept for other nights, and what a person had erased is not."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

from eval.answers import Contestant
from eval.kept import tidy_kept
from eval.suite.case import SuiteResult
from eval.suite.every import ask_suites, find_questions, read_suites
from eval.suite.registry import SuiteOrder
from nightschool.echo import EchoEngine
from nightschool.engine import ChatRequest, Delta
from nightschool.records import Sampling

from ...tables import write_table

BASE = Contestant("base", "base", "")


def complain(folder: Path, *questions: str) -> Path:
    """A dataset of these complaints, each answered wrongly, disliked and corrected."""
    folder.mkdir()
    prompts = {question: [{"role": "user", "content": question}] for question in questions}
    pairs = [{"item_id": q, "prompt": prompt, "chosen": "right", "rejected": "wrong"} for q, prompt in prompts.items()]
    votes = [{"prompt": prompt, "answer": "wrong", "is_good": False} for prompt in prompts.values()]
    write_table(folder / "pairs_train.parquet", pairs)
    write_table(folder / "votes_train.parquet", votes)
    write_table(folder / "items.parquet", [{"item_id": q, "reviews": ["m"]} for q in questions])
    return folder


async def test_a_complaint_that_was_erased_leaves_what_is_kept(tmp_path: Path) -> None:
    before = SuiteOrder(("regression", "retention"), "", complain(tmp_path / "1", "stays?", "my secret?"), max_cases=5)
    after = SuiteOrder(("regression", "retention"), "", complain(tmp_path / "2", "stays?"), max_cases=5)
    kept = tmp_path / "kept"
    await ask_suites((await read_suites(before)).suites, EchoEngine(), BASE, sampling=Sampling(), cache=kept)
    [file] = kept.iterdir()
    assert len(file.read_text().splitlines()) == 7
    tidy_kept(kept, row_ids=find_questions(after))
    assert len(file.read_text().splitlines()) == 6
    assert "stays" in file.read_text()
    assert "secret" not in file.read_text()
    # A suite that is not asked any more is of no exam.
    tidy_kept(kept, row_ids=find_questions(SuiteOrder(("golden",), "", tmp_path / "2")))
    assert not file.exists()


class Together(EchoEngine):
    """Answers nobody before `least` questions wait; remembers how many waited at most, and of whom."""

    def __init__(self, least: int) -> None:
        super().__init__()
        self.least, self.waiting, self.most = least, list[str](), list[str]()
        self.enough = asyncio.Event()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        self.waiting.append(request.model)
        self.most = max(self.most, list(self.waiting), key=len)
        if len(self.waiting) == self.least:
            self.enough.set()
        await self.enough.wait()
        try:
            async for delta in super().stream(request):
                yield delta
        finally:
            self.waiting.remove(request.model)


async def test_a_contestants_suites_are_asked_at_once_within_one_bound_and_give_the_same(tmp_path: Path) -> None:
    """One after the other, the last answers of a suite leave an engine idle."""
    order = SuiteOrder(("regression", "retention"), "", complain(tmp_path / "1", "one?", "two?"), max_cases=3)
    candidate = Contestant("candidate", "support@2", "h2")

    async def ask(engine: EchoEngine, kept: str, *, in_flight: int) -> list[SuiteResult]:
        await engine.load_adapter(candidate.model, tmp_path)
        suites = (await read_suites(order)).suites
        found = await ask_suites(
            suites, engine, candidate, sampling=Sampling(), cache=tmp_path / kept, in_flight=in_flight
        )
        # How long an answer took is told of those that were not kept.
        return [replace(result, figures={}) for result in found]

    engine = Together(4)
    async with asyncio.timeout(5):
        found = await ask(engine, "kept", in_flight=4)
    assert engine.most == [candidate.model] * 4
    told = [(result.name, result.contestant) for result in found]
    assert told == [("regression", "candidate"), ("retention", "candidate")]
    assert await ask(EchoEngine(), "other", in_flight=1) == found
    idle = Together(99)
    assert await ask(idle, "kept", in_flight=4) == found
    assert idle.most == []
