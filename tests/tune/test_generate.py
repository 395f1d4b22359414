"""The trainer's process lets a model speak: the likeliest word, or by dice that are its own."""

from pathlib import Path
from typing import Any

import pytest

from tune.generate import Draw, generate

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

PROMPTS = [(3, 5, 7), (11, 2, 9, 4, 8, 1), (6,)]


@pytest.fixture(scope="module")
def model(base_model: Path) -> Any:
    import torch

    from tune.model import load_base

    return load_base(str(base_model), device="cpu", dtype=torch.float32)


def likeliest(model: Any, prompt: tuple[int, ...], *, ends: set[int], count: int) -> tuple[int, ...]:
    """Word by word, without padding or cache."""
    import torch

    ids = list(prompt)
    while len(ids) < len(prompt) + count:
        with torch.no_grad():
            ids.append(int(model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
        if ids[-1] in ends:
            break
    return tuple(ids[len(prompt) :])


def test_a_prompt_in_a_batch_is_answered_as_alone(model: Any) -> None:
    found = generate(model, PROMPTS, end_ids={257}, max_new_tokens=6)
    alone = [likeliest(model, prompt, ends={257}, count=6) for prompt in PROMPTS]
    assert [answer.ids for answer in found] == alone
    # The second word of one ends it now.
    end = alone[0][1]
    ended = generate(model, PROMPTS, end_ids={end, 257}, max_new_tokens=6)
    assert ended[0] == (alone[0][:2] if alone[0][0] != end else alone[0][:1], True)
    assert not found[0].is_whole


def test_dice_are_its_own(model: Any) -> None:
    import torch

    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = generate(model, PROMPTS, end_ids={257}, max_new_tokens=6, draw=Draw(1.0, seed=5))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert generate(model, PROMPTS, end_ids={257}, max_new_tokens=6, draw=Draw(1.0, seed=5)) == one
    assert generate(model, PROMPTS, end_ids={257}, max_new_tokens=6, draw=Draw(1.0, seed=6)) != one
    assert not model.training


def test_a_model_that_has_diverged_is_told_of(base_model: Path) -> None:
    import torch

    from nightschool.errors import TrainingFailed
    from tune.model import load_base

    broken: Any = load_base(str(base_model), device="cpu", dtype=torch.float32)
    broken.model.norm.weight.data.fill_(float("nan"))
    with pytest.raises(TrainingFailed, match="gives no numbers"):
        generate(broken, PROMPTS, end_ids={257}, max_new_tokens=2, draw=Draw(1.0, seed=5))
