"""Of each vote without a row the dataset says why, and says nothing of those that have one."""

from pathlib import Path
from typing import Any

from tune.bounds import Bounds
from tune.dataset import build_dataset
from tune.fates import find_reason, find_standings
from tune.words import VoteRef

from ..tables import read_table

OWN = "browser:a"


def left_out(record: Any, target: Path, **options: Any) -> dict[VoteRef, str]:
    given: dict[str, Any] = {"system_prompt": "Be kind.", "held_out_share": 0.2, "seed": 17} | options
    summary = build_dataset(record.write("snapshot"), target, **given)
    folder = target / summary.folder_name
    rows = read_table(folder / "left_out.parquet")
    told = {VoteRef(row["message_id"], row["voter"]): row["reason"] for row in rows}
    assert not any(find_standings(folder, told.keys()).values()), "a vote is in a row or left out, never both"
    assert all(find_reason(folder, vote) == reason for vote, reason in told.items())
    return told


def test_a_vote_that_counts_is_not_among_them(record: Any, tmp_path: Path) -> None:
    _, answer = record.talk("c", "Is it blue?", "Yes.", owner=OWN)
    record.vote(answer, "up", voter=OWN)
    assert left_out(record, tmp_path / "sets") == {}


def test_what_an_answer_is_not_imitated_for_is_told_to_all_who_voted(record: Any, tmp_path: Path) -> None:
    _, answer = record.talk("c", "Is it blue?", "Yes.", owner=OWN)
    record.vote(answer, "up", voter=OWN)
    record.vote(answer, "down", voter="browser:b")
    assert left_out(record, tmp_path / "sets") == {
        VoteRef(answer, OWN): "votes cancel out",
        VoteRef(answer, "browser:b"): "votes cancel out",
    }


def test_votes_beyond_a_day_are_told_from_those_of_others_on_the_same_answer(record: Any, tmp_path: Path) -> None:
    answers = [record.talk(f"c{n}", question, "Yes.", owner=OWN)[1] for n, question in enumerate(("Blue?", "Round?"))]
    for answer in answers:
        record.vote(answer, "up", voter=OWN)
    record.vote(answers[1], "up", voter="browser:b")
    told = left_out(record, tmp_path / "sets", bounds=Bounds(votes_a_day=1))
    assert told == {VoteRef(answers[1], OWN): "it is beyond one person's votes of a day"}


def test_a_row_between_exam_and_training_takes_its_votes_along(record: Any, tmp_path: Path) -> None:
    record.talk("exam", "How can I return a planter?", "Pack it up, then send it back to us.", held_out=True)
    _, answer = record.talk("c", "How do I return a planter?", "Send it back.", owner=OWN, side="train")
    record.vote(answer, "up", voter=OWN)
    assert left_out(record, tmp_path / "sets") == {VoteRef(answer, OWN): "nearly the same stands in the exam"}


def test_what_is_beyond_a_persons_share_is_left_out_with_its_votes(record: Any, tmp_path: Path) -> None:
    words = ["amber", "birch", "cedar", "dune", "elm", "fern", "grove", "heath", "iris", "jade"]
    for number, word in enumerate(words):
        _, answer = record.talk(f"c{number}", f"Is {word} blue {number}?", f"{word} is.", owner=OWN, held_out=False)
        record.vote(answer, "up", voter=OWN)
    told = left_out(record, tmp_path / "sets")
    assert len(told) == len(words) - 5
    assert set(told.values()) == {"it is beyond one person's share of training"}


def test_a_dataset_of_before_says_nothing(record: Any, tmp_path: Path) -> None:
    assert find_reason(tmp_path, VoteRef("m", OWN)) is None
