"""Log-likelihoods row by row: alone, padded and packed they are the same, whoever computes them."""

from pathlib import Path
from typing import Any

import pytest

from .test_losses import answer, rows
from .test_prefix import gradients, grown

pytestmark = pytest.mark.train


@pytest.mark.parametrize("lean", [False, True])
def test_a_row_alone_is_the_row_among_others(base_model: Path, lean: bool) -> None:
    import torch
    from torch.nn.functional import cross_entropy

    from tune.methods.arithmetic import Lean, Plain

    chats = rows(5, seed=1)
    weights = torch.tensor([0.5, 2.0, 1.0, 0.1, 3.0])
    model = grown(base_model)
    alone = []
    for row in chats:
        logits = model(input_ids=torch.tensor([row.input_ids])).logits[0, :-1]
        alone.append(cross_entropy(logits, torch.tensor(row.labels[1:]), reduction="sum"))
    total: Any = (torch.stack(alone) * weights).sum()
    total.backward()
    wanted = gradients(model)
    model.zero_grad()

    arithmetic: Any = Lean(model) if lean else Plain("cpu")
    found = arithmetic.measure(model, chats)
    (found * weights).sum().backward()
    torch.testing.assert_close(found, torch.stack(alone), rtol=1e-4, atol=1e-4)
    for name, grad in gradients(model).items():
        torch.testing.assert_close(grad, wanted[name], rtol=1e-3, atol=1e-4)


def test_an_answer_that_begins_at_the_first_token_has_no_first_prediction(base_model: Path) -> None:
    from tune.encode import Encoded
    from tune.methods.arithmetic import Plain

    model = grown(base_model)
    whole = Encoded("i", (50, 51, 52), (50, 51, 52))
    rest = Encoded("i", (50, 51, 52), (-100, 51, 52))
    plain = Plain("cpu")
    assert plain.measure(model, [whole]).item() == pytest.approx(plain.measure(model, [rest]).item())


@pytest.mark.parametrize(("lean", "expected"), [(False, [2, 2]), (True, [1, 1, 1, 1])])
def test_the_rows_of_a_unit_stay_together(base_model: Path, lean: bool, expected: list[int]) -> None:
    from tune.methods.arithmetic import Lean, Plain

    arithmetic: Any = Lean(grown(base_model)) if lean else Plain("cpu")
    pairs = [(row, answer(row, seed=1)) for row in rows(4, seed=2)]
    cut = list(arithmetic.cut(pairs, rows_at_once=4))
    assert [len(at) for at in cut] == expected
    assert sorted(number for at in cut for number in at) == [0, 1, 2, 3]
    assert [len(at) for at in arithmetic.cut([pair[:1] for pair in pairs], rows_at_once=3)] == [3, 1]


def test_measuring_keeps_the_order_of_rows(base_model: Path) -> None:
    import torch

    from tune.methods.arithmetic import Plain
    from tune.methods.frozen import measure_frozen

    model, plain = grown(base_model), Plain("cpu")
    chats = rows(7, seed=8)[::-1]
    found = measure_frozen(model, chats, arithmetic=plain, rows_at_once=3)
    one_by_one = torch.cat([plain.measure(model, [row]) for row in chats])
    torch.testing.assert_close(found, one_by_one, rtol=1e-4, atol=1e-4)
    assert not found.requires_grad
