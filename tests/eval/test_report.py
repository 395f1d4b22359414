from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from eval.answers import Answer, Label
from eval.exam import ExamFacts
from eval.gate import decide
from eval.report import Sample, write_report
from eval.rules import GateRules
from eval.samples import pick_samples
from eval.scores import score_answer
from eval.suites import SuiteRow
from nightschool.records import Finish

RULES = GateRules(draws=1_000, min_conversations=5)
TEXTS: dict[Label, str] = {"base": "no idea", "production": "```\n# not a heading", "candidate": "thirty days"}


def make_samples(count: int) -> list[Sample]:
    return [
        Sample(
            SuiteRow(f"r{i:02}", f"c{i}", ({"role": "user", "content": f"question {i}"},), "thirty days in all"),
            TEXTS | {"candidate": "thirty days" if i % 3 else "thirty three days"},
        )
        for i in range(count)
    ]


def write(folder: Path, samples: list[Sample]) -> str:
    scores = [
        score_answer(sample.row, Answer(sample.row.row_id, text, Finish.STOP, 2, -4.0, 4, 1.0), label=label)
        for sample in samples
        for label, text in sample.answers.items()
    ]
    verdict = decide(scores, RULES)
    write_report(folder, verdict, scores=scores, rules=RULES, samples=samples, skipped_rows=0)
    return (folder / "report.md").read_text()


def test_a_reader_finds_verdict_figures_and_answers_side_by_side(tmp_path: Path) -> None:
    report = write(tmp_path, make_samples(12))
    assert report.startswith("# Verdict: promote\n\n- passed: better on 12")
    assert "| | base | production | candidate |" in report
    # exp(4 nats / 4 tokens) for everyone.
    assert report.count("2.718 [2.718, 2.718]") == 3
    assert report.count("**reference**") == 8
    assert "best gains: +" in report
    assert "worst gains: +" in report
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")


def test_a_reader_finds_topics_likes_and_the_anchor(tmp_path: Path) -> None:
    samples = [
        replace(s, row=replace(s.row, topic="returns | <b>"), answers={**s.answers, "anchor": "thirty"})
        for s in make_samples(12)
    ]
    scores = [
        score_answer(s.row, Answer(s.row.row_id, text, Finish.STOP, 2, -4.0, 4, 1.0), label=label)
        for s in samples
        for label, text in s.answers.items()
    ]
    verdict = decide(scores, RULES, facts=ExamFacts(liked_rows=3))
    write_report(tmp_path, verdict, scores=scores, rules=RULES, samples=samples, skipped_rows=0)
    report = (tmp_path / "report.md").read_text()
    assert "| returns b | 12 | +0." in report
    assert "not asked (no person wrote or approved them): 3 held-out answers" in report
    assert "| anchor |" in report
    assert "nan" not in report


def test_a_reader_finds_what_is_gained_on_fresh_rows_beside_the_others(tmp_path: Path) -> None:
    samples = [replace(s, row=replace(s.row, is_fresh=place < 4)) for place, s in enumerate(make_samples(12))]
    assert "\n4 of 12 rows are of the last 14 days: the mean gain is +0." in write(tmp_path, samples)


def test_what_a_model_wrote_cannot_become_markup(tmp_path: Path) -> None:
    report = write(tmp_path, make_samples(12))
    assert "````text\n```\n# not a heading\n````" in report


def test_a_report_without_rows_is_only_words(tmp_path: Path) -> None:
    assert "insufficient-data" in write(tmp_path, [])
    assert not (tmp_path / "report.png").exists()


@pytest.mark.parametrize("count", [8, 9, 10, 30])
def test_best_worst_and_median_rows_are_shown_each_once(count: int) -> None:
    gains = {f"r{i}": float(i) for i in range(count)}
    picked = pick_samples(gains)
    assert len(picked) == 8
    if count > 8:
        assert Counter(picked.values()) == {"best gains": 3, "median gains": 2, "worst gains": 3}
        assert next(iter(picked)) == f"r{count - 1}"
        assert list(picked)[-1] == "r0"


def test_the_same_scores_give_the_same_picture(tmp_path: Path) -> None:
    samples = make_samples(12)
    for folder, order in (("one", samples), ("other", samples[::-1])):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder, [replace(sample) for sample in order])
    assert (tmp_path / "one" / "report.png").read_bytes() == (tmp_path / "other" / "report.png").read_bytes()
