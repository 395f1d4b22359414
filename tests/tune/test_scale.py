"""Less of what was learnt: an adapter that moves the model so much less, with a proof of its own."""

import json
from pathlib import Path
from typing import Any

import pytest

from nightschool.errors import InvalidInput
from nightschool.files import verify
from tune import log_probs
from tune.recipe import Recipe, write_recipe
from tune.scale import main, scale_run
from tune.train import train

from .school import write_school

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]


@pytest.fixture(scope="module")
def run(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scale")
    order: dict[str, Any] = {
        "epochs": 1,
        "learning_rate": 1e-2,
        "rank": 4,
        "alpha": 8,
        "batch_size": 4,
        "device": "cpu",
    }
    dataset = write_school(folder / "dataset")
    write_recipe(folder / "run", Recipe(base_model=str(base_model), dataset=str(dataset), methods=("sft",), **order))
    train(folder / "run")
    return folder / "run"


def proof_of(folder: Path) -> list[dict[str, Any]]:
    texts: list[dict[str, Any]] = json.loads((folder / "proof.json").read_bytes())["texts"]
    return texts


def moved(text: dict[str, Any]) -> float:
    pairs = zip(text["adapter_logprobs"], text["base_logprobs"], strict=True)
    return float(sum(abs(a - b) for a, b in pairs))


def test_it_moves_the_model_less_and_the_proof_knows_the_whole_from_it(run: Path) -> None:
    half = scale_run(run, 0.5)
    for whole, less in zip(proof_of(run), proof_of(half), strict=True):
        assert less["token_ids"] == whole["token_ids"]
        assert less["base_logprobs"] == pytest.approx(whole["base_logprobs"])
        assert 0.2 * moved(whole) < moved(less) < 0.8 * moved(whole)
        # A server that still holds the whole adapter under the name is seen.
        assert less["without"]["the scaling"] == pytest.approx(whole["adapter_logprobs"], abs=1e-4)
    manifest = verify(half / "adapter")
    assert manifest.about["scale"] == 0.5
    assert manifest.content_hash != verify(run / "adapter").content_hash
    assert "Scaled to 0.5" in (half / "adapter" / "README.md").read_text()


def test_twice_is_once_and_cut_off_it_is_done_again(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(log_probs, "measure_log_probs", full)
        with pytest.raises(OSError, match="No space"):
            scale_run(run, 0.75)
    assert main([str(run), "0.75"]) == 0
    before = verify(run / "scaled-0.75" / "adapter").content_hash
    assert main([str(run), "0.75"]) == 0
    assert verify(run / "scaled-0.75" / "adapter").content_hash == before
    assert main([str(run), "1.5"]) == 2
    assert "Give one between 0 and 1" in capsys.readouterr().err


def test_a_run_that_is_not_over_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no finished run"):
        scale_run(tmp_path, 0.5)
