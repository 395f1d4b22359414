"""Do real people's votes teach? Thumbs by KTO and pairs by DPO, each from the bare base model, on groups kept back.

Public data: thumbs on answers of a shop's assistant (`thumbs`: calls of tools are written out as text, up and down in
equal numbers), and pairs of answers of which two of three people preferred one (`preferences`). Told are, before and
behind, how often a liked answer is likelier by the mean over its tokens than a disliked one (area under the curve over
all such couples), how often the preferred answer of a pair is, and the gains with 95 % intervals over groups. Other
than `bench/learn.py` says of a taste that is consistent, people are not; small models can be expected to gain little.
Run: python bench/votes.py [--data FOLDER] [--quick]   The last line is one JSON object.
"""

import argparse
import asyncio
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.common.ballots import Ballot, cast_ballots
from bench.common.contestants import Contestants, Likelihood
from bench.common.runs import train
from bench.common.workshop import open_workshop
from collect.snapshot import write_snapshot
from collect.store import open_store
from eval.statistics import interval_of_mean
from nightschool.methods import Method
from nightschool.records import BotName, ChatMessage, Vote
from tune.dataset import build_dataset
from tune.recipe import Recipe

PUBLIC: Final = Path(__file__).parents[2] / "shared" / "data"
BOT: Final = BotName("support")
AT: Final = datetime(2026, 3, 1, tzinfo=UTC)
SYSTEM_PROMPT: Final = "You are a helpful assistant."
SEED: Final = 17
ALPHA: Final = 0.025
DRAWS: Final = 10_000
RATE: Final = 5e-5
MOST_CHARS: Final = 1200
"""Longer chats are left out, so that a CPU is done in minutes."""


class Judged(NamedTuple):
    """A question with answers that people judged."""

    group: str
    ballot: Ballot


@dataclass(frozen=True)
class Plan:
    taught: int
    examined: int


FULL: Final = Plan(taught=120, examined=120)
QUICK: Final = Plan(taught=12, examined=16)


def read_thumbs(folder: Path) -> list[Judged]:
    """One answer each, liked and disliked ones in turns."""
    with gzip.open(folder / "thumbs" / "tm4_votes.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    by_vote: dict[Vote, list[Judged]] = {Vote.UP: [], Vote.DOWN: []}
    for row in rows:
        vote = Vote.UP if row["vote"] > 0 else Vote.DOWN
        ballot = Ballot(_alternate(row["context"]), [(_as_text(row["response"]), vote)])
        if ballot.context and _chars(ballot) <= MOST_CHARS:
            by_vote[vote].append(Judged(row["group"], ballot))
    return [judged for both in zip(by_vote[Vote.UP], by_vote[Vote.DOWN], strict=False) for judged in both]


def read_pairs(folder: Path) -> list[Judged]:
    """Two answers each, the preferred one last."""
    found = []
    for line in (folder / "preferences" / "pandalm.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        answers = {"a": str(row["response_a"]).strip(), "b": str(row["response_b"]).strip()}
        if row["label"] not in answers or not all(answers.values()):
            continue
        better = answers.pop(row["label"])
        [worse] = answers.values()
        ballot = Ballot(_alternate(row["prompt"]), [(worse, Vote.DOWN), (better, Vote.UP)])
        if ballot.context and _chars(ballot) <= MOST_CHARS:
            found.append(Judged(row["group"], ballot))
    return found


def _alternate(turns: Sequence[Mapping[str, Any]]) -> list[ChatMessage]:
    """User and assistant in turns, from a user's to a user's; results of tools come to the assistant as a user's."""
    found: list[ChatMessage] = []
    for turn in turns:
        role: Literal["user", "assistant"] = "assistant" if turn["role"] == "assistant" else "user"
        text = _as_text(turn)
        if found and found[-1]["role"] == role:
            found[-1] = ChatMessage(role=role, content=f"{found[-1]['content']}\n{text}")
        elif found or role == "user":
            found.append(ChatMessage(role=role, content=text))
    return found if found and found[-1]["role"] == "user" else []


def _as_text(turn: Mapping[str, Any]) -> str:
    calls = [call["function"] for call in turn.get("tool_calls") or []]
    said = [turn["content"]] if turn.get("content") else []
    return "\n".join([*said, *(f"{call['name']}({call['arguments']})" for call in calls)])


def _chars(ballot: Ballot) -> int:
    return sum(len(turn["content"]) for turn in ballot.context) + sum(len(text) for text, _ in ballot.answers)


def split(rows: Sequence[Judged], plan: Plan) -> tuple[list[Judged], list[Judged]]:
    """(taught, examined): each group on one side."""
    groups = sorted({row.group for row in rows})
    np.random.default_rng(SEED).shuffle(groups)
    share = plan.taught / (plan.taught + plan.examined)
    kept_back = set(groups[int(share * len(groups)) :])
    taught = [row for row in rows if row.group not in kept_back]
    return taught[: plan.taught], [row for row in rows if row.group in kept_back][: plan.examined]


async def write_dataset(taught: Sequence[Judged], folder: Path) -> Path:
    sets = folder / "datasets"
    if not sets.exists():
        async with open_store(folder / "record.duckdb", temp=folder / "temp", memory_gib=2, threads=2) as store:
            await cast_ballots(store, [row.ballot for row in taught], bot=BOT, at=AT)
            until = AT + timedelta(days=1)
            await store.read(partial(write_snapshot, bot=BOT, folder=folder / "snapshot", at=until))
        build_dataset(folder / "snapshot", sets, system_prompt=SYSTEM_PROMPT, held_out_share=0.02, seed=SEED)
    [made] = sets.iterdir()
    return made


def chats_of(row: Judged) -> Iterator[tuple[ChatMessage, ...]]:
    """With each of its answers, in their order."""
    system = ChatMessage(role="system", content=SYSTEM_PROMPT)
    for text, _ in row.ballot.answers:
        yield (system, *row.ballot.context, ChatMessage(role="assistant", content=text))


def mark_pairs(scored: Sequence[Likelihood]) -> NDArray[np.float64]:
    """(n,) 1 where the better answer is the likelier one."""
    return np.array([float(better.mean > worse.mean) for worse, better in zip(scored[::2], scored[1::2], strict=True)])


def mark_thumbs(scored: Sequence[Likelihood], rows: Sequence[Judged]) -> NDArray[np.float64]:
    """(n,) each answer's share of the answers of the other vote that it stands right to; their mean is the area."""
    means = np.array([one.mean for one in scored])
    is_up = np.array([row.ballot.answers[0][1] is Vote.UP for row in rows])
    stands = np.where(is_up, 1.0, -1.0)
    return np.array([np.mean(stands[at] * (means[at] - means[is_up != is_up[at]]) > 0) for at in range(len(rows))])


def measure(
    name: str, rows: Sequence[Judged], folder: Path, *, method: Method, model: str, plan: Plan
) -> dict[str, float]:
    folder.mkdir(parents=True, exist_ok=True)
    taught, examined = split(rows, plan)
    recipe = Recipe(
        base_model=model, dataset=str(asyncio.run(write_dataset(taught, folder))), methods=(method,), batch_size=8,
        dpo_learning_rate=RATE, kto_learning_rate=RATE, seed=SEED, min_pairs=1, min_votes=2, min_votes_each=1,
    )  # fmt: skip
    adapter = train(folder / method, recipe)
    judge = Contestants(model)
    marks: list[NDArray[np.float64]] = []
    for worn in (None, adapter):
        with judge.wearing(worn):
            scored = judge.score([chat for row in examined for chat in chats_of(row)])
        marks.append(mark_pairs(scored) if method == "dpo" else mark_thumbs(scored, examined))
    before, after = marks
    groups = np.unique([row.group for row in examined], return_inverse=True)[1]
    gain = interval_of_mean(after - before, groups, alpha=ALPHA, draws=DRAWS, rng=np.random.default_rng(SEED))
    print(
        f"| {name} | {len(taught)} | {len(examined)} | {before.mean():.3f} | {after.mean():.3f} "
        f"| {gain.mean:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}) |",
        flush=True,
    )
    return {
        f"{name}_base": before.mean(),
        f"{name}_{method}": after.mean(),
        f"{name}_gain_low": gain.low,
        f"{name}_gain": gain.mean,
        f"{name}_gain_high": gain.high,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=PUBLIC, help="holds the folders `thumbs` and `preferences`")
    parser.add_argument("--model", type=Path, help="folder of the base model; none prepares the default one")
    parser.add_argument("--keep", type=Path, help="work in this folder, leave it, and take what stands in it")
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    given = parser.parse_args()
    plan = QUICK if given.quick else FULL
    with open_workshop(model=given.model, keep=given.keep) as (folder, model):
        print("| data | taught | kept back | base | behind | gain |")
        print("|---|---|---|---|---|---|")
        figures = measure(
            "thumbs", read_thumbs(given.data), folder / "thumbs", method="kto", model=model, plan=plan
        ) | measure("pairs", read_pairs(given.data), folder / "pairs", method="dpo", model=model, plan=plan)
    print(json.dumps({name: round(float(figure), 4) for name, figure in figures.items()}))


if __name__ == "__main__":
    main()
