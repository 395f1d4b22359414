"""Which questions a dataset hands to methods that make answers: those without a good one, of the training side."""

from pathlib import Path
from typing import Any

import pytest

from nightschool.files import read_manifest
from tune.bounds import Bounds
from tune.dataset import build_dataset
from tune.lack import Lack
from tune.rows import QUESTIONS, QuestionRow, read_questions

from ..tables import read_table


def ask(record: Any, target: Path, *, questions: int = 100, **options: Any) -> list[QuestionRow]:
    given: dict[str, Any] = {"system_prompt": "Be kind.", "held_out_share": 0.2, "seed": 17} | options
    summary = build_dataset(
        record.write(f"s{len(list(target.parent.iterdir()))}"), target, questions=questions, **given
    )
    found = read_questions(target / summary.folder_name)
    assert summary.questions == len(found)
    return found


def chat(record: Any, name: str, question: str, answer: str = "No idea, sorry.", **options: Any) -> str:
    given: dict[str, Any] = {"owner": f"browser:{name}", "side": "train"} | options
    return str(record.talk(name, question, answer, **given)[1])


def test_what_nobody_answered_well_is_asked_what_operators_saw_first(record: Any, tmp_path: Path) -> None:
    record.talk("brought", "How long is the warranty of a planter?", "Two years.", held_out=False)
    record.review(chat(record, "refused", "Where is the shop in the north of town?"), approved=False)
    record.vote(chat(record, "liked", "Can I pay by invoice at all?"), "up")
    record.vote(chat(record, "disliked", "Who repairs a broken watering can?"), "down")
    chat(record, "unrated", "Which soil does a lemon tree want?")
    record.review(chat(record, "corrected", "When does the next sale begin?"), approved=True, corrected="In May.")
    mixed = chat(record, "mixed", "Is the blue hose safe for drinking water?")
    record.vote(mixed, "up", voter="browser:x")
    record.vote(mixed, "down", voter="browser:y")
    found = ask(record, tmp_path / "sets")
    assert [(row.conversation_id, row.lack, row.answer) for row in found] == [
        ("refused", Lack.REFUSED, "No idea, sorry."),
        ("disliked", Lack.DISLIKED, "No idea, sorry."),
        ("unrated", Lack.UNRATED, "No idea, sorry."),
    ]
    assert [m["role"] for m in found[0].prompt] == ["system", "user"]


def test_a_dataset_holds_none_unless_it_is_asked_to(record: Any, tmp_path: Path) -> None:
    chat(record, "unrated", "Which soil does a lemon tree want?")
    assert ask(record, tmp_path / "sets", questions=0) == []
    (folder,) = (tmp_path / "sets").iterdir()
    assert not (folder / QUESTIONS).exists()
    manifest = read_manifest(folder)
    assert manifest is not None
    assert "questions" not in manifest.about


def test_what_is_examined_or_answered_elsewhere_is_not_asked(record: Any, tmp_path: Path) -> None:
    chat(record, "exam", "Which soil does a lemon tree want?", side="held-out")
    chat(record, "near", "Which soil does the lemon tree want?", side=None)
    record.talk("known", "How long is the warranty of a planter?", "Two years.", held_out=False)
    record.vote(chat(record, "again", "how long is the warranty  of a planter?"), "down")
    for name in ("one", "two"):
        chat(record, name, "Who repairs a broken watering can?")
    found = ask(record, tmp_path / "sets")
    assert [row.conversation_id for row in found] == ["one"]


def test_what_a_caller_or_an_import_said_is_nobodys_question(record: Any, tmp_path: Path) -> None:
    asked = record.talk("import", "Which soil does a lemon tree want?", held_out=False)
    record.say("import", "None.", role="assistant", parent=asked[0], source="import", weight=0)
    asked = record.talk("api", "Who repairs a broken watering can?", owner="key:k")
    record.say("api", "Nobody.", role="assistant", parent=asked[0], source="client")
    assert ask(record, tmp_path / "sets") == []


def test_one_persons_questions_are_bounded_and_the_limit_holds(record: Any, tmp_path: Path) -> None:
    questions = (
        "Where is the shop?", "Who repairs a hose?", "Which soil wants a lemon tree?", "May dogs come along?",
        "How heavy is a bag of gravel?", "Is there a discount for clubs?", "When do tulips arrive?",
    )  # fmt: skip
    for number, question in enumerate(questions):
        chat(record, f"c{number}", question, owner="browser:one")
    assert len(ask(record, tmp_path / "sets", bounds=Bounds(train_share=0.1))) == 5
    assert len(ask(record, tmp_path / "few", questions=2)) == 2


@pytest.mark.parametrize("questions", [0, 50])
def test_the_same_snapshot_gives_the_same_bytes_and_says_what_questions_were_made_of(
    record: Any, tmp_path: Path, questions: int
) -> None:
    answer = chat(record, "unrated", "Which soil does a lemon tree want?")
    record.talk("brought", "How long is the warranty of a planter?", "Two years.", held_out=False)
    snapshot = record.write()
    given: dict[str, Any] = {"system_prompt": "Be kind.", "held_out_share": 0.2, "seed": 17, "questions": questions}
    one, other = (build_dataset(snapshot, tmp_path / name, **given) for name in ("one", "other"))
    assert one == other
    items = {item["kind"]: item for item in read_table(tmp_path / "one" / one.folder_name / "items.parquet")}
    card = (tmp_path / "one" / one.folder_name / "card.md").read_text()
    if questions:
        assert answer in items["questions"]["messages"]
        assert "for methods that make one: 1 (1 unrated)." in card
    else:
        assert set(items) == {"sft"}
        assert "without a good answer" not in card
