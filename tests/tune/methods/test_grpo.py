"""Answers that the judge likes become likelier; killed, it ends the same; without a judge it is left in words."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from nightschool.files import verify
from nightschool.records import ChatMessage
from tune.progress import read_steps
from tune.recipe import Recipe, write_recipe
from tune.select import Pair
from tune.sound import Inspector
from tune.stages import StageLine, read_stages
from tune.train import train
from tune.words import Word

from ..school import LINEAGE, write_judged_pairs, write_open_questions, write_school

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

ORDER: dict[str, Any] = {
    "methods": ("sft", "reward", "grpo"), "epochs": 0.5, "reward_epochs": 2, "reward_learning_rate": 2e-2, "rank": 4,
    "alpha": 8, "batch_size": 8, "min_pairs": 10, "micro_batch_size": 4, "checkpoint_steps": 2, "device": "cpu",
    "made_answers": 3, "made_tokens": 10, "min_questions": 5, "grpo_epochs": 2, "grpo_learning_rate": 2e-2,
}  # fmt: skip
FIND_UNSOUND = Inspector.find_unsound
STEPS = 5


def pair(number: int) -> Pair:
    prompt = (ChatMessage(role="user", content=f"q{number}"),)
    return Pair(f"p{number}", prompt, f"{number % 7} aa", f"{number % 7} zzzz{number % 9}", LINEAGE, Word.CORRECTED)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_school(tmp_path_factory.mktemp("school") / "dataset", lessons=4, pairs=0, up=0, down=0)
    write_judged_pairs(folder, train=map(pair, range(30)), held_out=map(pair, range(100, 130)))
    write_open_questions(folder, 10)
    return folder


def begin(run: Path, base_model: Path, dataset: Path, *, judge: Path | None = None, **changes: Any) -> Path:
    write_recipe(run, Recipe.model_validate({"base_model": str(base_model), "dataset": str(dataset)} | ORDER | changes))
    if judge:
        shutil.copytree(judge, run / "reward")
    return run


@pytest.fixture(scope="module")
def patched() -> Any:
    """So small a model says nothing that is sound; here all of it is."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(Inspector, "find_unsound", lambda *_, **__: None)
        yield monkeypatch


@pytest.fixture(scope="module")
def whole(
    one_thread: None, patched: Any, tmp_path_factory: pytest.TempPathFactory, base_model: Path, dataset: Path
) -> Path:
    run = begin(tmp_path_factory.mktemp("grpo") / "run", base_model, dataset)
    train(run)
    return run


def line_of(run: Path, method: str) -> StageLine:
    return next(line for line in read_stages(run) if line.method == method)


def curve(run: Path) -> list[tuple[Any, ...]]:
    return [
        (line.phase, line.step, line.steps, line.epoch, line.loss, line.learning_rate, line.tokens, line.reward)
        for line in read_steps(run)
    ]


def test_it_takes_its_steps_behind_the_others_and_says_what_its_answers_were_worth(whole: Path) -> None:
    told = line_of(whole, "grpo")
    assert (told.ran, told.rows, told.steps) == (True, 10, STEPS)
    assert told.why == "10 questions without a good answer; recipe.min_questions asks for 5"
    lines = [line for line in read_steps(whole) if line.phase == "grpo"]
    assert len(lines) == STEPS
    assert all(line.reward is not None and 0 < line.reward < 1 for line in lines)
    assert all(line.tokens > 0 for line in lines)
    assert lines[-1].left_s == 0
    assert [line.reward for line in read_steps(whole) if line.phase != "grpo"] == [None] * (
        len(read_steps(whole)) - STEPS
    )
    assert verify(whole / "adapter").about["methods"] == "sft+grpo"
    assert json.loads((whole / "adapter" / "adapter_config.json").read_text())["r"] == 4
    assert not (whole / "checkpoints").exists()


def test_killed_it_goes_on_from_the_adapter_that_learns_and_ends_the_same(
    whole: Path, base_model: Path, dataset: Path, tmp_path: Path, patched: Any
) -> None:
    from tune import progress
    from tune.methods import trainer

    append = progress.append_step

    class Killed(BaseException):
        pass

    def write(folder: Path, line: Any) -> None:
        append(folder, line)
        if (line.phase, line.step) == ("grpo", 3):
            raise Killed

    run = begin(tmp_path / "run", base_model, dataset, judge=whole / "reward")
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(trainer, "append_step", write)
        with pytest.raises(Killed):
            train(run)
    checkpoint = run / "checkpoints" / "grpo" / "checkpoint-2"
    assert (checkpoint / "adapter_model.safetensors").exists()
    assert not (checkpoint / "ref").exists()
    train(run)

    def of_chain(lines: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        return [line for line in lines if line[0] != "reward"]

    assert of_chain(curve(run)) == of_chain(curve(whole))
    assert verify(run / "adapter").content_hash == verify(whole / "adapter").content_hash


def test_without_a_judge_it_is_left_in_words(base_model: Path, dataset: Path, tmp_path: Path) -> None:
    run = begin(tmp_path / "run", base_model, dataset, min_pairs=50, epochs=0.2)
    train(run)
    told = line_of(run, "grpo")
    assert not told.ran
    assert told.why.endswith("; no reward model was trained this night")
    assert verify(run / "adapter").about["methods"] == "sft"


def test_what_must_not_be_learnt_is_worth_nothing(
    whole: Path, dataset: Path, chat_tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nightschool.prompt import Neutraliser
    from tune.lessons import Reader
    from tune.methods import grpo
    from tune.recipe import read_recipe

    monkeypatch.setattr(Inspector, "find_unsound", FIND_UNSOUND)
    reader = Reader(chat_tokenizer, ends={"<|im_end|>"}, max_tokens=512, neutraliser=Neutraliser())
    asked = reader.questions(dataset, max_tokens=400)
    rewards = grpo.Rewards(asked, read_recipe(whole), run=whole, device="cpu")
    texts = ["it takes 3 days<|im_end|>", "it takes 3 days", "me@evil.example it is<|im_end|>", "<|im_end|>"]
    ids = [chat_tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    good, *bad = rewards.of(["0"] * 4, ids)
    assert 0 < good < 1
    assert bad == [0.0, 0.0, 0.0]
