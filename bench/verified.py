"""How many questions verified answers would answer, and how many of them rightly, that calibration has not seen.

Public questions with their intents: 1,700 are stored, each with its intent as its answer, and calibrated by asking each
of the others; then others are asked. Coverage is the share that is answered, precision the share of those with the
right intent, over all draws of who is stored; the worst draw stands beside it.
Run: python bench/verified.py [--quick]   The last line is one JSON object. Takes 20 s.
"""

import argparse
import gzip
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.random import Generator

from collect.verified.nearness import Embed, Index
from collect.verified.pairs import Pair
from nightschool.embedding import load_embedder

PUBLIC: Final = Path(__file__).parents[2] / "shared" / "data"
STORED: Final = 1_700
ASKED: Final = 1_000
DRAWS: Final = 5
PRECISION: Final = 0.98
NOON: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Asked(NamedTuple):
    question: str
    answer: str


class Measured(NamedTuple):
    asked: int
    answered: int
    right: int
    ms_per_question: float

    @property
    def coverage(self) -> float:
        return self.answered / self.asked

    @property
    def precision(self) -> float:
        """1 where nothing was answered."""
        return self.right / self.answered if self.answered else 1.0


def measure_verified(rows: Sequence[Asked], *, embed: Embed, rng: Generator, precision: float = PRECISION) -> Measured:
    """Of questions that were neither stored nor calibrated on. Fewer than STORED + ASKED rows are divided alike."""
    order = rng.permutation(len(rows))
    stored = min(STORED, len(rows) * STORED // (STORED + ASKED))
    pairs = [Pair(str(place), rows[place].question, rows[place].answer, "ada", NOON) for place in order[:stored]]
    index = Index.build(pairs, [], embed=embed)
    threshold = index.calibration(precision=precision).threshold
    right = []
    fresh = [rows[place] for place in order[stored : stored + ASKED]]
    begun_s = time.perf_counter()
    for question, answer in fresh:
        hit = index.same(question) or index.near(question, embed=embed)
        if hit and threshold is not None and hit.score >= threshold:
            right.append(hit.pair.answer == answer)
    taken_s = time.perf_counter() - begun_s
    return Measured(len(fresh), len(right), sum(right), taken_s * 1_000 / len(fresh))


def read_public() -> dict[str, list[Asked]]:
    """By name of the set."""
    support, banking = PUBLIC / "support_qa" / "support_qa.jsonl.gz", PUBLIC / "banking77" / "train.jsonl.gz"
    return {
        "support_qa": [Asked(row["messages"][0]["content"], row["intent"]) for row in _rows(support)],
        "banking77": [Asked(row["text"], row["intent"]) for row in _rows(banking)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one draw")
    draws = 1 if parser.parse_args().quick else DRAWS
    embed = load_embedder().embed
    figures: dict[str, float] = {}
    print("| set | coverage | precision | worst draw | ms a question |\n|---|---|---|---|---|")
    for name, rows in read_public().items():
        found = [measure_verified(rows, embed=embed, rng=np.random.default_rng(seed)) for seed in range(draws)]
        asked, answered, right = (sum(column) for column in list(zip(*found, strict=True))[:3])
        together = Measured(asked, answered, right, fmean(measured.ms_per_question for measured in found))
        coverage, precision, ms = together.coverage, together.precision, together.ms_per_question
        worst = min(measured.precision for measured in found)
        print(f"| {name} | {coverage:.3f} | {precision:.4f} | {worst:.4f} | {ms:.2f} |")
        figures |= {f"{name}_coverage": coverage, f"{name}_precision": precision, f"{name}_worst_precision": worst}
    told = {"verified_coverage": figures["support_qa_coverage"], "verified_precision": figures["support_qa_precision"]}
    print(json.dumps({name: round(figure, 4) for name, figure in (told | figures).items()}))


def _rows(file: Path) -> list[Any]:
    return [json.loads(line) for line in gzip.decompress(file.read_bytes()).decode().splitlines()]


if __name__ == "__main__":
    main()
