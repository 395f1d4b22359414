"""Best of several: only what a trusted judge and the checks let through is learnt; killed, it draws the same."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from nightschool.files import read_manifest, verify
from nightschool.records import ChatMessage
from tune.made import read_made
from tune.recipe import Recipe, write_recipe
from tune.rows import read_questions
from tune.run_record import read_run_record
from tune.select import Pair
from tune.stages import StageLine, read_stages
from tune.train import train
from tune.words import Word

from ..school import LINEAGE, write_judged_pairs, write_open_questions, write_school

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

ORDER: dict[str, Any] = {
    "methods": ("sft", "reward", "rejection"), "epochs": 1, "reward_epochs": 4, "reward_learning_rate": 2e-2, "rank": 4,
    "alpha": 8, "batch_size": 8, "min_pairs": 10, "micro_batch_size": 4, "checkpoint_steps": 5, "device": "cpu",
    "made_answers": 2, "made_tokens": 24,
}  # fmt: skip


def pair(number: int) -> Pair:
    """People here like answers that say thanks."""
    words = f"{number % 7} and {number % 5}"
    prompt = (ChatMessage(role="user", content=f"q{number}"),)
    return Pair(f"p{number}", prompt, f"{words} thanks", f"{words} pff{number % 9}", LINEAGE, Word.CORRECTED)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_school(tmp_path_factory.mktemp("school") / "dataset", lessons=6, pairs=0, up=0, down=0)
    write_judged_pairs(folder, train=map(pair, range(40)), held_out=map(pair, range(100, 130)))
    write_open_questions(folder, 10)
    return folder


def begin(run: Path, base_model: Path, dataset: Path, **changes: Any) -> Path:
    given = {"base_model": str(base_model), "dataset": str(dataset)} | ORDER | changes
    write_recipe(run, Recipe.model_validate(given))
    return run


def draw_by_hand(run: Path, dataset: Path, answers: list[tuple[str, bool]]) -> None:
    """As if a former start had drawn these answers to every question."""
    (run / "made").mkdir()
    lines = [json.dumps([row.item_id, answers]) for row in read_questions(dataset)]
    (run / "made" / "rejection-drawn.jsonl").write_text("\n".join(lines) + '\n["cut off by a ki')


def line_of(run: Path, method: str) -> StageLine:
    return next(line for line in read_stages(run) if line.method == method)


@pytest.fixture(scope="module")
def whole(one_thread: None, tmp_path_factory: pytest.TempPathFactory, base_model: Path, dataset: Path) -> Path:
    run = begin(tmp_path_factory.mktemp("rejection") / "run", base_model, dataset)
    answers = [
        ("3 and 2 thanks", True), ("3 and 2 pff4", True), ("4 and 2 thanks", False), ("", True), ("thanks", True),
        ("write to me@evil.example thanks", True), ("oh <|im_start|>system thanks", True),
    ]  # fmt: skip
    draw_by_hand(run, dataset, answers)
    train(run)
    return run


def test_the_best_sound_answer_of_each_question_is_learnt_and_counted(whole: Path) -> None:
    made = read_made(whole, "rejection")
    assert made is not None
    # No more than people wrote: six rows.
    assert (made.asked, len(made.rows)) == (10, 6)
    assert {row.answer for row in made.rows} == {"3 and 2 thanks"}
    assert {row.source for row in made.rows} == {"base"}
    assert all(row.score is not None for row in made.rows)
    wrong = ("cut off", "empty", "too short", "names a contact that nobody gave", "holds control tokens")
    assert {fault: made.refused[fault] for fault in wrong} == dict.fromkeys(wrong, 10)
    assert made.refused.keys() - set(wrong) == {"scored too low"}
    told = line_of(whole, "rejection")
    assert told.ran
    assert told.why.startswith("10 questions without a good answer; 6 of 10 questions have an answer to learn, from 70")
    assert line_of(whole, "sft").why == "12 rows with answers to imitate, 6 of them made by a machine"
    record = read_run_record(whole)
    assert record is not None
    assert "6 of 10 questions" in {line.method: line.why for line in record.stages}["rejection"]
    manifest = read_manifest(whole / "adapter")
    assert manifest is not None
    assert (manifest.about["made_rows"], manifest.about["rows"]) == (6, 6)
    assert (
        "Answers that a machine made, of weight 0.3. rejection: 10 questions"
        in (whole / "adapter" / "README.md").read_text()
    )


def test_started_again_it_learns_the_same(whole: Path, base_model: Path, dataset: Path, tmp_path: Path) -> None:
    run = begin(tmp_path / "run", base_model, dataset)
    shutil.copytree(whole / "reward", run / "reward")
    draw_by_hand(run, dataset, [("3 and 2 thanks", True), ("3 and 2 pff4", True)])

    from tune import progress
    from tune.methods import trainer

    append = progress.append_step

    class Killed(BaseException):
        pass

    def write(folder: Path, line: Any) -> None:
        append(folder, line)
        if line.phase == "sft":
            raise Killed

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trainer, "append_step", write)
        with pytest.raises(Killed):
            train(run)
    made = read_made(run, "rejection")
    train(run)
    assert read_made(run, "rejection") == made
    weights = "adapter_model.safetensors"
    assert (run / "adapter" / weights).read_bytes() == (whole / "adapter" / weights).read_bytes()


def test_without_a_judge_that_agrees_with_people_nothing_is_made(
    base_model: Path, dataset: Path, tmp_path: Path
) -> None:
    run = begin(tmp_path / "strict", base_model, dataset, reward_min_agreement=0.99, reward_epochs=0.2)
    train(run)
    told = line_of(run, "rejection")
    assert not told.ran
    assert "the reward model ranks" in told.why
    assert told.why.endswith("recipe.reward_min_agreement asks for 99% as the lower end")
    assert not (run / "made").exists()
    poor = begin(tmp_path / "poor", base_model, dataset, min_pairs=41)
    train(poor)
    assert line_of(poor, "rejection").why.endswith("no reward model was trained this night")


@pytest.fixture
def rejection(base_model: Path, dataset: Path, tmp_path: Path) -> Any:
    """Makes one for a run folder of its own, and the questions."""
    from nightschool.prompt import Neutraliser
    from tune.lessons import Reader
    from tune.methods.rejection import Rejection
    from tune.model import load_tokenizer
    from tune.sound import House

    def make(name: str, **options: Any) -> tuple[Any, Any]:
        recipe = Recipe.model_validate({"base_model": str(base_model), "dataset": str(dataset)} | ORDER)
        tokenizer = load_tokenizer(recipe.base_model)
        reader = Reader(tokenizer, ends={"<|im_end|>"}, max_tokens=512, neutraliser=Neutraliser())
        (tmp_path / name).mkdir(exist_ok=True)
        house = House([], system_prompt="")
        return (
            Rejection(recipe, reader, run=tmp_path / name, device="cpu", house=house, **options),
            reader.questions(dataset, max_tokens=400),
        )

    return make


def test_killed_while_it_draws_it_goes_on_and_draws_the_same(
    rejection: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tune.generate import generate
    from tune.methods import rejection as module
    from tune.start import Start

    base = Start(None, "", "")
    one, asked = rejection("one")
    whole = one._draw(asked, base)
    assert len(whole) == 10
    assert all(len(answers) == 2 for answers in whole.values())
    assert len({told.text for answers in whole.values() for told in answers}) > 10
    calls = [0]

    def die(*args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if calls[0] == 2:
            raise KeyboardInterrupt
        return generate(*args, **kwargs)

    other, _ = rejection("other")
    with monkeypatch.context() as patched:
        patched.setattr(module, "generate", die)
        with pytest.raises(KeyboardInterrupt):
            other._draw(asked, base)
    import torch

    torch.manual_seed(99)  # dice that somebody else threw
    assert other._draw(asked, base) == whole


def test_out_of_time_it_answers_fewer_and_says_so(
    rejection: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tune.methods import rejection as module
    from tune.pace import write_deadline
    from tune.start import Start

    now = iter([0.0, 10.0, 30.0])  # a deadline at 100 gives it 25 s
    one, asked = rejection("late", clock=lambda: next(now))
    write_deadline(tmp_path / "late", 100)
    made = one.make(asked, by=Start(None, "", "the base model answered, since it is so"), most=5)
    assert made.remarks == ("the base model answered, since it is so", "4 were asked, to be done in time")
    assert module.GROUP == 4


def test_the_adapter_in_production_answers_where_it_fits(whole: Path, base_model: Path, tmp_path: Path) -> None:
    from tune.start import find_speaker

    recipe = Recipe(base_model=str(base_model), dataset="d", speaker=str(whole / "adapter"))
    assert find_speaker(recipe)[:2] == (whole / "adapter", verify(whole / "adapter").content_hash)
    other = find_speaker(recipe.model_copy(update={"base_model": "another"}))
    assert other.folder is None
    assert other.remark == "the base model answered, since adapter is no adapter on another"
    assert "has no manifest" in find_speaker(recipe.model_copy(update={"speaker": str(tmp_path)})).remark
