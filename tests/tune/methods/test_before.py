"""What machines answered is learnt with less weight than what people wrote; a question is answered by one of them."""

from pathlib import Path
from typing import Any

import pytest

from nightschool.files import verify
from tune.made import Made, MadeRow, write_made
from tune.recipe import Recipe, write_recipe
from tune.rows import QuestionRow, read_questions
from tune.run_record import read_run_record
from tune.stages import read_stages
from tune.train import train

from ..school import write_open_questions, write_school

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]


def made_of(questions: list[QuestionRow]) -> Made:
    rows = [
        MadeRow(
            item_id=row.item_id,
            conversation_id=row.conversation_id,
            prompt=row.prompt,
            answer=f"It takes {number + 3} days.",
            source="big-one",
        )
        for number, row in enumerate(questions)
    ]
    return Made(asked=9, answers=5, refused={"cut off": 2}, rows=tuple(rows), remarks=("the endpoint was so",))


def test_answers_of_a_larger_model_are_learnt_and_told(base_model: Path, tmp_path: Path) -> None:
    dataset = write_school(tmp_path / "dataset", lessons=4, pairs=0, up=0, down=0)
    write_open_questions(dataset, 3)
    given: dict[str, Any] = {
        "base_model": str(base_model), "dataset": str(dataset), "methods": ("sft", "distill"), "epochs": 1, "rank": 4,
        "batch_size": 8, "device": "cpu", "distill_url": "http://127.0.0.1:9/v1", "distill_model": "big-one",
        "distill_key_variable": "TEACHERS_KEY",
    }  # fmt: skip
    run = tmp_path / "run"
    write_recipe(run, Recipe.model_validate(given))
    write_made(run, "distill", made_of(read_questions(dataset)))
    train(run)
    lines = {line.method: line for line in read_stages(run)}
    assert lines["distill"].ran
    assert lines["distill"].why == (
        "3 questions without a good answer; 3 of 9 questions have an answer to learn, from 5 answers "
        "(refused: 2 cut off); the endpoint was so"
    )
    assert lines["sft"].why == "7 rows with answers to imitate, 3 of them made by a machine"
    assert verify(run / "adapter").about["made_rows"] == 3
    record = read_run_record(run)
    assert record is not None
    assert record.recipe["distill_model"] == "big-one"
    assert "distill: 3 questions" in (run / "adapter" / "README.md").read_text()


def test_made_rows_weigh_what_the_recipe_says_beside_people(chat_tokenizer: Any, tmp_path: Path) -> None:
    from nightschool.prompt import Neutraliser
    from tune.lessons import Reader

    dataset = write_school(tmp_path / "dataset", lessons=4, pairs=0, up=0, down=0)
    reader = Reader(chat_tokenizer, ends={"<|im_end|>"}, max_tokens=512, neutraliser=Neutraliser())
    lessons = reader.read(dataset)
    row = reader.answered("made-1", [{"role": "user", "content": "How long?"}], "It takes 3 days.")
    assert row is not None
    both = lessons.with_made([row], weight=0.25)
    weights = [given.weight for given in both.imitated]
    assert sum(weights) == pytest.approx(len(weights))
    assert weights[-1] == pytest.approx(0.25 * weights[0])
    assert (both.made, lessons.with_made([], weight=0.25)) == (1, lessons)


def test_what_a_larger_model_answered_is_not_drawn_again(
    base_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tune.methods import before
    from tune.methods.rejection import Rejection

    dataset = write_school(tmp_path / "dataset", lessons=4, pairs=0, up=0, down=0)
    write_open_questions(dataset, 3)
    given: dict[str, Any] = {
        "base_model": str(base_model), "dataset": str(dataset), "methods": ("sft", "reward", "rejection", "distill"),
        "epochs": 1, "rank": 4, "batch_size": 8, "device": "cpu", "distill_url": "u", "distill_model": "big-one",
    }  # fmt: skip
    run = tmp_path / "run"
    write_recipe(run, Recipe.model_validate(given))
    write_made(run, "distill", made_of(read_questions(dataset)[:2]))
    asked: list[int] = []
    monkeypatch.setattr(before, "distrust", lambda *_: "")

    def make(_self: Any, questions: Any, **given: Any) -> Made:
        asked.append(len(questions))
        assert given["most"] == 2  # of 4 rows of people's two are left
        return Made(asked=len(questions), answers=0, refused={}, rows=())

    monkeypatch.setattr(Rejection, "make", make)
    train(run)
    assert asked == [1]
