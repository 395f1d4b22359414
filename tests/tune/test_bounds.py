"""What one person can move, whoever else is there."""

from pathlib import Path
from typing import Any

import pytest

from tune.bounds import Bounds

from .test_dataset import Built, build, rows

WORDS = "amber birch cedar dune elm fern grove heath iris jade kelp lotus moss nettle oak pine quince reed sage"
NOUNS = WORDS.split()


def ask(record: Any, name: str, owner: str, number: int, *, held_out: bool | None = False) -> str:
    """A question that resembles no other one, and the id of its answer."""
    words = [NOUNS[(number * k + k * k * k) % 19] for k in range(2, 9)]
    _, answer = record.talk(name, f"{number} {' '.join(words)}?", f"{number}: {words[3]}.", owner=owner)
    record.rows["conversations"][-1]["is_held_out"] = held_out
    return str(answer)


def owners(built: Built, file: str) -> list[str]:
    return [row["conversation_id"].split("-")[0] for row in rows(built, file)]


def fill(record: Any, owner: str, count: int, *, start: int = 0, held_out: bool = False) -> list[str]:
    return [ask(record, f"{owner.replace(':', '_')}-{n}", owner, start + n, held_out=held_out) for n in range(count)]


def like(record: Any, answers: list[str], voter: str) -> None:
    for answer in answers:
        record.vote(answer, "up", voter=voter)


@pytest.mark.parametrize(("others", "expected"), [(0, 5), (30, 5), (95, 10), (200, 22)])
def test_one_browser_is_a_bounded_share_of_training(record: Any, tmp_path: Path, others: int, expected: int) -> None:
    fill(record, "import", others)
    like(record, fill(record, "browser:eve", 60, start=500), "browser:eve")
    built = build(record, tmp_path / "sets", bounds=Bounds(votes_a_day=1_000))
    taught = owners(built, "sft_train.parquet")
    assert taught.count("browser_eve") == expected
    assert expected <= max(5, 0.1 * len(taught))
    card = (built.folder / "card.md").read_text()
    assert f"| beyond one person's share of training | {60 - expected} |" in card
    assert f"(the largest has {expected})" in card


def test_the_oldest_rows_stay(record: Any, tmp_path: Path) -> None:
    fill(record, "import", 45)
    like(record, fill(record, "browser:eve", 9, start=500), "browser:eve")
    names = [row["conversation_id"] for row in rows(build(record, tmp_path / "sets"), "sft_train.parquet")]
    assert [name for name in names if "eve" in name] == [f"browser_eve-{n}" for n in range(5)]


def test_many_persons_are_no_person(record: Any, tmp_path: Path) -> None:
    for n in range(40):
        like(record, [ask(record, f"p{n}-0", f"browser:{n}", n)], f"browser:{n}")
    assert build(record, tmp_path / "sets").train_rows == 40


def test_an_application_is_no_person_and_what_an_operator_let_in_is_nobodys(record: Any, tmp_path: Path) -> None:
    like(record, fill(record, "key:shop", 20), "key:shop")
    for answer in fill(record, "browser:eve", 20, start=500):
        record.review(answer, approved=True)
    taught = owners(build(record, tmp_path / "sets"), "sft_train.parquet")
    assert (taught.count("key_shop"), taught.count("browser_eve")) == (20, 20)


def test_what_says_the_same_as_an_approved_answer_still_counts_for_its_person(record: Any, tmp_path: Path) -> None:
    _, ruled = record.talk("ruled", "Refund?", "30 days.", owner="browser:ada", held_out=False)
    record.review(ruled, approved=True)
    fill(record, "import", 10)
    for n in range(20):
        record.talk(f"eve-{n}", f"Tell {NOUNS[n % 19]} {n}?", "Told.", "Refund?", "30 days.")
        record.rows["conversations"][-1] |= {"owner": "browser:eve", "source": "chat", "is_held_out": False}
        for message in record.rows["messages"][-4:]:
            message["source"] = "chat"
    taught = owners(build(record, tmp_path / "sets"), "sft_train.parquet")
    assert taught.count("eve") == 5


def test_one_browser_is_a_bounded_share_of_the_exam(record: Any, tmp_path: Path) -> None:
    fill(record, "import", 30, held_out=True)
    for answer in fill(record, "browser:eve", 40, start=500, held_out=True):
        record.review(answer, approved=True)
    built = build(record, tmp_path / "sets", bounds=Bounds(exam_share=0.2))
    asked = owners(built, "sft_held_out.parquet")
    assert asked.count("browser_eve") == 7 <= 0.2 * len(asked)
    assert "| beyond one person's share of the exam | 33 |" in (built.folder / "card.md").read_text()


def test_a_person_has_so_many_votes_a_day(record: Any, tmp_path: Path) -> None:
    like(record, fill(record, "import", 3), "browser:eve")
    answers = fill(record, "key:shop", 10, start=100)
    like(record, answers, "browser:eve")
    built = build(record, tmp_path / "sets", bounds=Bounds(votes_a_day=5, train_share=1))
    assert owners(built, "sft_train.parquet").count("key_shop") == 2
    assert "| votes beyond one person's day | 8 |" in (built.folder / "card.md").read_text()
    for answer in answers:
        record.vote(answer, "up", voter="key:shop")
    again = build(record, tmp_path / "sets", name="again", bounds=Bounds(votes_a_day=5, train_share=1))
    assert owners(again, "sft_train.parquet").count("key_shop") == 10


@pytest.mark.parametrize(("held_out", "taught"), [(False, 1), (True, 0)])
def test_what_persons_agree_on_is_for_training_only(record: Any, tmp_path: Path, held_out: bool, taught: int) -> None:
    record.know("browser:a", "browser:b", "browser:c")
    for voter in ("a", "b", "c"):
        _, answer = record.talk(f"c{voter}", f"Refund? {voter}", "Never.", owner=f"browser:{voter}", held_out=held_out)
        record.rows["messages"][-2]["content"] = "Refund?"
        record.say(f"c{voter}", voter, role="user", parent=answer)
        record.vote(answer, "down", voter=f"browser:{voter}", ideal="Within 30 days.")
    built = build(record, tmp_path / "sets", bounds=Bounds(agreeing_persons=3))
    assert (built.train_rows, built.held_out_rows) == (taught, 0)
    assert build(record, tmp_path / "sets", name="again").train_rows == 0
