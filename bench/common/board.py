"""An exam made of conversations, and contestants that know a part of its references.

A contestant's answer is the reference with a share of its phrases replaced by phrases of conversations outside of the
exam, or, as a review had it, with a share of its words replaced by random ones, which leaves hardly two words in order.
Knows no engine: log-probabilities are made up, and base is not asked how odd it finds an answer, so text alone tells.
"""

import gzip
import json
import random
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from bench.common.planted import FAULTS, TURNS, Fault, Given, Spot
from eval.answers import Answer, Label
from eval.scores import ScoreRow, score_answer
from eval.suites import SuiteRow, choose_rows, hash_row
from eval.vetoes.find import Examiner, learn_examiner
from nightschool.records import ChatMessage

ROOT: Final = Path(__file__).resolve().parents[2]
DATA: Final = ROOT.parent / "shared" / "data"
SHIPPED: Final = ROOT / "bots" / "lumafern" / "heldout.jsonl"
PUBLIC: Final = ("support_qa/support_qa.jsonl.gz", "support_dialogues/cucom.jsonl.gz", "sgd/sgd.jsonl.gz")
MAX_ROWS: Final = 120
CONVERSATIONS: Final = 150
LEAST_PLANTED: Final = 3
LOGPROB: Final[Mapping[Label, float]] = {"base": -3.0, "production": -2.6, "candidate": -2.3}
"""Nats per word of the reference."""
PHRASE_WORDS: Final = 7
Unit = Literal["phrases", "words"]
"""What of a reference a contestant knows or lacks."""


@dataclass(frozen=True)
class Board:
    """An exam and all that is learnt from it once."""

    name: str
    rows: Sequence[SuiteRow]
    examiner: Examiner
    outside: Sequence[SuiteRow]
    """Answers of conversations that the exam does not hold."""

    def answers(self, label: Label, *, replaced: float, unit: Unit, seed: int) -> dict[int, Given]:
        # What production knows the candidate knows as well: it learnt from the same conversations.
        known, rng = random.Random(seed), random.Random(f"{label} {seed}")
        if unit == "words":
            strange = [[word] for row in self.rows for word in row.reference.split()]
        else:
            strange = [phrase for row in self.outside for phrase in phrases_of(row.reference)]
        found: dict[int, Given] = {}
        for place, row in enumerate(self.rows):
            parts = [[word] for word in row.reference.split(" ")] if unit == "words" else phrases_of(row.reference)
            said = [rng.choice(strange) if known.random() < replaced else part for part in parts]
            found[place] = Given(" ".join(word for part in said for word in part))
        return found

    def score(self, label: Label, givens: Mapping[int, Given]) -> dict[int, ScoreRow]:
        """By place. Of an answer nothing depends on the others but whether several are the same."""
        rows = {place: self.rows[place] for place in givens}
        answers = {row.row_id: _answer(row, givens[place], label) for place, row in rows.items()}
        some = replace(self.examiner, scenes=[self.examiner.scenes[place] for place in givens])
        faults = some.find_faults(answers)
        return {
            place: score_answer(row, answers[row.row_id], label=label, faults=faults[row.row_id])
            for place, row in rows.items()
        }

    def plant(self, fault: Fault, givens: Mapping[int, Given], *, share: float, seed: int) -> dict[int, Given]:
        """Place -> the answer with the fault, of those that can have it."""
        rng = random.Random(f"{share} {seed}")
        count = min(len(givens), max(LEAST_PLANTED, int(share * len(givens))))
        planted: dict[int, Given] = {}
        for place in rng.sample(range(len(givens)), len(givens)):
            row, turn = self.rows[place], (TURNS + 7) * seed + len(planted)
            others = [other.reference for other in self.rows if other.conversation_id != row.conversation_id]
            spot = Spot(givens[place].text, rng.choice(others), row.messages[0]["content"], turn, rng)
            # An answer without a number, say, cannot have a wrong one.
            if (changed := fault.plant(spot)) != givens[place] and len(planted) < count:
                planted[place] = changed
        return planted


def _answer(row: SuiteRow, given: Given, label: Label) -> Answer:
    tokens = max(1, len(row.reference.split()))
    return Answer(row.row_id, given.text, given.finish, len(given.text) // 4, LOGPROB[label] * tokens, tokens, np.nan)


def phrases_of(text: str) -> list[list[str]]:
    """Runs of words up to a mark of punctuation, of seven words at most."""
    phrases: list[list[str]] = [[]]
    for word in text.split():
        phrases[-1].append(word)
        if word[-1] in ".,;:!?" or len(phrases[-1]) == PHRASE_WORDS:
            phrases.append([])
    return [phrase for phrase in phrases if phrase]


def read_board(file: Path, *, seed: int) -> Board:
    support = tomllib.loads((ROOT / "bots" / "support.toml").read_text(encoding="utf-8"))
    prompt = support["system_prompt"] if file == SHIPPED else FAULTS["prompt"]["text"]
    talks = read_talks(file)
    chosen = talks[:: max(1, len(talks) // CONVERSATIONS)]
    rows = choose_rows(rows_of(chosen, prompt), max_rows=MAX_ROWS, rotation=str(seed))
    asked = {row.conversation_id for row in rows}
    others = [*talks, *(read_talks(file.with_name("train.jsonl")) if file == SHIPPED else ())]
    outside = rows_of([talk for talk in others if talk["id"] not in asked], prompt)
    base = {row.row_id: _answer(row, Given(""), "base") for row in rows}
    return Board(file.parent.name, rows, learn_examiner(rows, base=base), outside)


def read_talks(file: Path) -> list[dict[str, Any]]:
    with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def rows_of(talks: Sequence[Mapping[str, Any]], prompt: str) -> list[SuiteRow]:
    return [row for talk in talks for row in _rows_of(talk["id"], talk["messages"], prompt)]


def _rows_of(conversation_id: str, messages: Sequence[ChatMessage], prompt: str) -> Iterator[SuiteRow]:
    before: tuple[ChatMessage, ...] = (ChatMessage(role="system", content=prompt),)
    for message in messages:
        said = ChatMessage(role=message["role"], content=message["content"])
        if said["role"] == "assistant" and len(before) > 1:
            row_id = hash_row(conversation_id, before, reference=said["content"])
            yield SuiteRow(row_id, conversation_id, before, said["content"])
        before = (*before, said)
