"""A reward model learns what people prefer, says how often it is right, and stands where it was broken off."""

import random
from pathlib import Path
from typing import Any

import pytest

from nightschool.files import publish, read_manifest
from nightschool.records import ChatMessage
from tune.agreement import Agreement
from tune.progress import read_steps
from tune.recipe import Recipe, write_recipe
from tune.rows import Heading, name_row, write_kind
from tune.score_texts import Text, TextsFile, main, read_scores
from tune.select import Pair
from tune.split import Side
from tune.stages import read_stages
from tune.train import train
from tune.words import Word

from ..school import LINEAGE, write_school

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]


def pair(number: int) -> Pair:
    """People here like answers that say thanks."""
    dice = random.Random(number)
    words = "".join(dice.choice("abcdefgh ") for _ in range(8))
    prompt = (ChatMessage(role="user", content=f"q{number}"),)
    return Pair(f"p{number}", prompt, f"{words} thanks", f"{words} pff{number}", LINEAGE, Word.CORRECTED)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = write_school(tmp_path / "dataset", lessons=4, pairs=0, up=0, down=0)
    for side, numbers in ((Side.TRAIN, range(40)), (Side.HELD_OUT, range(100, 130))):
        headings = {f"p{number}": Heading(f"p{number}") for number in numbers}
        rows = [name_row(pair(number)) for number in numbers]
        write_kind(folder, "pairs", side, rows, headings=headings)
    publish(folder, kind="dataset")
    return folder


def begin(run: Path, base_model: Path, dataset: Path, **changes: Any) -> Path:
    given: dict[str, Any] = {
        "base_model": str(base_model), "dataset": str(dataset), "methods": ("sft", "reward"), "epochs": 1,
        "reward_epochs": 4, "reward_learning_rate": 2e-2, "rank": 4, "alpha": 8, "batch_size": 8, "min_pairs": 10,
        "micro_batch_size": 4, "checkpoint_steps": 3, "device": "cpu",
    }  # fmt: skip
    write_recipe(run, Recipe.model_validate(given | changes))
    return run


def test_it_ranks_held_out_pairs_as_people_did_and_says_so(
    base_model: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(tmp_path / "run", base_model, dataset)
    train(run)
    manifest = read_manifest(run / "reward")
    assert manifest is not None
    assert (manifest.kind, manifest.about["held_out_pairs"]) == ("reward", 30)
    right = manifest.about["held_out_right"]
    assert isinstance(right, int)
    assert right >= 24
    line = read_stages(run)[3]
    assert (line.method, line.ran, line.steps) == ("reward", True, 20)
    assert f"ranks {right / 30:.0%} (" in line.why
    assert "of 30 held-out pairs as people did" in line.why
    # It judges, and taught the adapter that answers nothing.
    adapter = read_manifest(run / "adapter")
    assert adapter is not None
    assert adapter.about["methods"] == "sft"
    alone = begin(tmp_path / "alone", base_model, dataset, methods=("sft",))
    train(alone)
    assert (alone / "adapter" / "adapter_model.safetensors").read_bytes() == (
        run / "adapter" / "adapter_model.safetensors"
    ).read_bytes()

    # An exam's answers are scored as pairs were; what is too long has no score.
    pairs = [pair(number) for number in range(200, 220)]
    texts = [Text(messages=one.prompt, answer=said) for one in pairs for said in (one.chosen, one.rejected)]
    texts.append(Text(messages=pairs[0].prompt, answer="long " * 5_000))
    (tmp_path / "asked").mkdir()
    (tmp_path / "asked" / "texts.json").write_text(TextsFile(run=str(run), texts=tuple(texts)).model_dump_json())
    assert main([str(tmp_path / "asked")]) == 0
    *scores, too_long = read_scores(tmp_path / "asked")
    assert too_long is None
    ranked = zip(scores[::2], scores[1::2], strict=True)
    assert sum(better is not None and worse is not None and better > worse for better, worse in ranked) >= 14

    class Killed(BaseException):
        pass

    from tune import progress
    from tune.methods import trainer

    append = progress.append_step

    def write(folder: Path, line: Any) -> None:
        append(folder, line)
        if (line.phase, line.step) == ("reward", 8):
            raise Killed

    broken = begin(tmp_path / "broken", base_model, dataset)
    with monkeypatch.context() as patched:
        patched.setattr(trainer, "append_step", write)
        with pytest.raises(Killed):
            train(broken)
    train(broken)
    assert [step.loss for step in read_steps(broken)] == [step.loss for step in read_steps(run)]
    again = read_manifest(broken / "reward")
    assert again is not None
    assert again.content_hash == manifest.content_hash
    assert (again.about["held_out_right"], again.about["bar"]) == (right, manifest.about["bar"])


def test_texts_that_are_none_are_refused_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    (tmp_path / "texts.json").write_text('{"run": 1}')
    assert main([str(tmp_path)]) == 2
    assert "holds no texts to score" in capsys.readouterr().err


@pytest.mark.parametrize(("pairs", "right", "bounds"), [(30, 24, (0.627, 0.905)), (10, 10, (0.722, 1.0))])
def test_the_interval_is_wilsons(pairs: int, right: int, bounds: tuple[float, float]) -> None:
    assert Agreement(pairs, right).bounds == pytest.approx(bounds, abs=1e-3)
    assert Agreement(0, 0).describe() == "no held-out pair says how good it is"


@pytest.mark.parametrize("ends", [{0}, {0, 1, 2}, {7}])
def test_no_row_ends_with_what_fills_rows_up(ends: set[int]) -> None:
    from tune.encode import Encoded
    from tune.methods.reward import Scores

    rows = [Encoded("i", (5, end), (-100, end)) for end in ends]
    assert Scores(rows, device="cpu").filler not in ends
