"""A finished evaluation as its files, for tests of what people are shown of one."""

import json
from pathlib import Path
from typing import Final

from eval.answers import Answer, Contestant, Label
from eval.background import Background, Fact, NightPoint
from eval.exam import ExamFacts
from eval.findings import Findings, Measured, read_findings
from eval.gate import decide
from eval.rules import GateRules
from eval.scores import score_answer, write_scores
from eval.suites import SuiteRow
from eval.verdict import Question, write_verdict
from nightschool.records import Finish, Outcome, Sampling

from .tables import write_table

RULES: Final = GateRules(draws=1_000, min_conversations=5)


def evaluate(folder: Path, *, rows: int = 12, evil: str = "") -> Findings:
    """A finished evaluation of which the last answers of the candidate are worse than production's."""
    folder.mkdir(exist_ok=True)
    asked = [
        SuiteRow(
            f"r{i:02}", f"c{i}", ({"role": "user", "content": f"question {i} {evil}"},), f"thirty days in all {evil}",
            f"returns {evil}".strip("\0 "), is_fresh=i < 4,
        )
        for i in range(rows)
    ]  # fmt: skip
    said: dict[Label, list[str]] = {
        "base": [f"no idea {evil}" for _ in asked],
        "production": [f"thirty days {evil}" if i % 4 else f"thirty days in all {evil}" for i, _ in enumerate(asked)],
        "candidate": [f"thirty days in all {evil}" if i % 4 else f"twenty {evil}" for i, _ in enumerate(asked)],
    }
    answers = [
        (row, Answer(row.row_id, text, Finish.STOP, 2, -4.0, 4, 1.0), label)
        for label, texts in said.items()
        for row, text in zip(asked, texts, strict=True)
    ]
    scores = [score_answer(row, answer, label=label) for row, answer, label in answers]
    contestants = tuple(Contestant(label, f"support@{label}", label) for label in said)
    question = Question(dataset_hash="d" * 64, contestants=contestants, sampling=Sampling(), rules=RULES)
    write_scores(folder / "scores.parquet", scores)
    write_verdict(folder, decide(scores, RULES), question=question, facts=ExamFacts(), skipped_rows=())
    write_table(
        folder / "answers.parquet",
        [
            {
                "contestant": label, "row_id": row.row_id, "messages_json": json.dumps(row.messages),
                "reference": row.reference, "text": answer.text,
            }
            for row, answer, label in answers
        ],
    )  # fmt: skip
    return read_findings(folder)


def background(evil: str = "") -> Background:
    nights = [
        NightPoint(
            night=f"2026-03-{day:02} {evil}", candidate=f"support@{day}", outcome=Outcome.REJECT,
            gain=Measured(value=0.01 * day, low=-0.1, high=None if day == 1 else 0.2), scores={"base": 0.1},
        )
        for day in (1, 2, 3)
    ]  # fmt: skip
    facts = (Fact(term=f"rows {evil}", value=f"96 {evil}"),)
    return Background(title=f"A night {evil}", asides=(evil,), learnt=facts, costs=facts, nights=tuple(nights))
