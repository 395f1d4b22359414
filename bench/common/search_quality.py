"""How well a search finds the right heading: on Lumafern's labelled questions, and on a public handbook.

The handbook is `support_guidelines`; its questions (`bench/guidelines.jsonl`, one for each section) are our own.
Choices of the search were made on the handbook, none on Lumafern's. Knows neither models nor answers.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Final, NamedTuple

from collect.knowledge.document import Block, Document
from collect.knowledge.index import Embed, Index, read_index, write_index
from collect.knowledge.passages import cut
from collect.knowledge.search import search

BENCH: Final = Path(__file__).parents[1]
LABELLED: Final = BENCH.parent / "bots" / "lumafern" / "questions.jsonl"
HANDBOOK: Final = BENCH.parents[1] / "shared" / "data" / "support_guidelines" / "guidelines.json"
LOOKED_AT: Final = 10


class Labelled(NamedTuple):
    question: str
    places: tuple[str, ...]
    """Where it is answered."""


def read_labelled() -> list[Labelled]:
    rows = map(json.loads, LABELLED.read_text().splitlines())
    return [Labelled(row["question"], tuple(row["answered_by"])) for row in rows if row["answered_by"]]


def read_handbook(root: Path, *, embed: Embed) -> tuple[Index, list[Labelled]] | None:
    """None where it is not there."""
    if not HANDBOOK.exists():
        return None
    documents = [Document(flow, tuple(_blocks(told))) for flow, told in json.loads(HANDBOOK.read_text()).items()]
    index = read_index(write_index([passage for one in documents for passage in cut(one)], root, embed=embed))
    places = {place.partition(" > ")[2]: place for place in (passage.place for passage in index.passages)}
    rows = map(json.loads, (BENCH / "guidelines.jsonl").read_text().splitlines())
    return index, [Labelled(row["question"], (places[row["section"]],)) for row in rows]


def judge(index: Index, asked: Sequence[Labelled], *, embed: Embed, prefix: str = "") -> dict[str, float]:
    """Share of questions whose right heading is first, among three and among four, and its mean reciprocal rank."""
    ranks = []
    for question, right in asked:
        found = search(index, [question], embed=embed, passages=LOOKED_AT, min_score=0)
        places = [passage.place for passage in found.passages]
        ranks.append(next((at for at, place in enumerate(places, 1) if place in right), 0))
    shares = {f"{prefix}recall_at_{most}": fmean(0 < rank <= most for rank in ranks) for most in (1, 3, 4)}
    return {**shares, f"{prefix}mrr": fmean(1 / rank if rank else 0 for rank in ranks)}


def _blocks(flow: dict[str, object]) -> Iterator[Block]:
    for section, told in flow["subflows"].items():  # type: ignore[attr-defined]  # as published
        for action in told["actions"]:
            yield Block((section,), " ".join([action["text"], *action["subtext"]]))
        for instruction in told["instructions"]:
            yield Block((section,), instruction if isinstance(instruction, str) else json.dumps(instruction))
