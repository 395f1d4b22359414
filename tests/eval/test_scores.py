import math
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from eval.answers import Answer
from eval.scores import ScoreRow, pair_columns, read_scores, score_answer, write_scores
from eval.suites import SuiteRow
from nightschool.errors import InvalidInput, NotFound
from nightschool.knowledge import TEAM, Passage, with_passages
from nightschool.records import ChatMessage, Finish

ROW = SuiteRow("r1", "c1", ({"role": "user", "content": "refund?"},), "within thirty days", topic="returns")
CUT = Answer("r1", "within thirty", Finish.LENGTH, 2, -4.0, 4, 2.5)


def test_a_score_says_how_the_answer_ended_how_odd_it_is_and_what_it_is_about() -> None:
    score = score_answer(ROW, CUT, label="candidate")
    assert (score.topic, score.ends_by_itself, score.answer_nll_base, score.faults) == ("returns", False, 2.5, ())
    assert score_answer(ROW, replace(CUT, finish=Finish.STOP), label="base").ends_by_itself


def test_what_is_written_is_read_again_faults_and_missing_topics_too(tmp_path: Path) -> None:
    written = [
        replace(score_answer(ROW, CUT, label="base"), faults=("e-mail address", "link")),
        score_answer(replace(ROW, row_id="r2", topic=None), replace(CUT, row_id="r2"), label="base"),
    ]
    write_scores(tmp_path / "scores.parquet", written)
    assert list(read_scores(tmp_path / "scores.parquet")) == written
    columns = pair_columns(written)["base"]
    assert columns.topics == ("returns", None)
    assert columns.faults == (("e-mail address", "link"), ())


def test_facts_of_answer_and_reference_are_counted() -> None:
    asked = replace(
        ROW, messages=({"role": "user", "content": "A refund after 14 days?"},), reference="Within 30 days, for 4 euro."
    )
    score = score_answer(asked, replace(CUT, text="After two weeks it costs €4, or 9 euro abroad."), label="base")
    assert (score.reference_facts, score.facts_recalled) == (2, 1)
    assert (score.facts_stated, score.facts_invented) == (3, 1)


def test_what_another_person_asked_the_team_supports_nothing_and_what_was_answered_before_does() -> None:
    like = Passage("a" * 16, TEAM, "Is it 9 euro?", "No, 4 euro.", "another")
    said: tuple[ChatMessage, ...] = (
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "It is free for 14 days."},
        {"role": "user", "content": with_passages("And then?", [like])},
    )
    answer = replace(CUT, text="After 14 days it costs 4 euro, or 9 euro.")
    score = score_answer(replace(ROW, messages=said), answer, label="base")
    assert (score.facts_stated, score.facts_invented) == (3, 1)


def test_scores_of_before_facts_were_counted_are_read(tmp_path: Path) -> None:
    file = tmp_path / "scores.parquet"
    write_scores(file, [score_answer(ROW, CUT, label="base")])
    newer = ["own_token_f1", "is_held"]
    counted = ["reference_facts", "facts_recalled", "facts_stated", "facts_invented"]
    for columns in (newer, counted):
        pq.write_table(pq.read_table(file).drop_columns(columns), file)
        assert [(score.facts_stated, score.is_held) for score in read_scores(file)] == [(0, False)]


def test_an_answer_without_words_has_no_oddity(tmp_path: Path) -> None:
    write_scores(tmp_path / "scores.parquet", [score_answer(ROW, replace(CUT, answer_nll_base=math.nan), label="base")])
    [score] = read_scores(tmp_path / "scores.parquet")
    assert isinstance(score, ScoreRow)
    assert math.isnan(score.answer_nll_base)


def test_a_foreign_or_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_scores(tmp_path / "scores.parquet")
    (tmp_path / "scores.parquet").write_text("no table")
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_scores(tmp_path / "scores.parquet")
