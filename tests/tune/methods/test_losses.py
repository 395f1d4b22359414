"""What each method minimises, beside TRL's own trainer on the same rows: the same loss, the same gradients."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tune.encode import IGNORED, Encoded
from tune.lessons import Compared, Imitated, Voted

from .test_prefix import gradients, grown

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

BETA = 0.5


def rows(count: int, *, seed: int) -> list[Encoded]:
    """Of several lengths, that begin alike."""
    dice = random.Random(seed)
    made = []
    for number in range(count):
        prompt = [40, 41, 42, *(dice.randrange(50, 200) for _ in range(3 + number))]
        answer = [dice.randrange(50, 200) for _ in range(3 + 5 * number % 7)]
        made.append(Encoded(f"i{number}", (*prompt, *answer), (*[IGNORED] * len(prompt), *answer)))
    return made


def split(row: Encoded) -> tuple[list[int], list[int]]:
    return list(row.input_ids[: row.first_label]), list(row.input_ids[row.first_label :])


def answer(row: Encoded, *, seed: int) -> Encoded:
    """Another answer to the same prompt."""
    prompt, _ = split(row)
    dice = random.Random(seed)
    other = [dice.randrange(50, 200) for _ in range(dice.randrange(2, 9))]
    return Encoded(row.item_id, (*prompt, *other), (*[IGNORED] * len(prompt), *other))


def nudge(model: Any) -> None:
    """Move the adapter that learns away from what it began as."""
    import torch

    dice = torch.Generator().manual_seed(5)
    for name, weight in model.named_parameters():
        if ".default." in name:
            weight.data += torch.randn(weight.shape, generator=dice) * 0.05


def arguments(kind: Any, folder: Path, **more: Any) -> Any:
    return kind(
        output_dir=str(folder), use_cpu=True, bf16=False, gradient_checkpointing=False, max_length=None,
        report_to="none", disable_tqdm=True, beta=BETA, **more,
    )  # fmt: skip


def trls_own(trainer: type[Any]) -> type[Any]:
    """TRL's trainer, given rows as tokens, and telling nobody."""

    class Given(trainer):  # type: ignore[misc]
        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

        def _send_telemetry(self) -> None:
            pass

    return Given


def ours(model: Any, objective: Any, count: int, *, rows_at_once: int, arithmetic: Any) -> tuple[float, dict[str, Any]]:
    """Loss and gradients of a step over all rows, cut into micro-batches."""
    from tune.methods.frozen import measure_frozen

    def measure(some: Sequence[Encoded]) -> Any:
        return measure_frozen(model, some, arithmetic=arithmetic, rows_at_once=rows_at_once)

    model.zero_grad()
    units = objective.units(range(count))
    step_loss = objective.open_step(range(count), measure)
    total = 0.0
    for at in arithmetic.cut(units, rows_at_once=rows_at_once):
        found = arithmetic.measure(model, [row for number in at for row in units[number]])
        share = step_loss(at, found.view(len(at), -1))
        share.loss.backward()
        total += share.loss.item()
    return total, {name: grad for name, grad in gradients(model).items() if ".default." in name}


def assert_equal(found: tuple[float, dict[str, Any]], loss: Any, model: Any) -> None:
    import torch

    model.zero_grad()
    loss.backward()
    wanted = {name: grad for name, grad in gradients(model).items() if ".default." in name}
    assert found[0] == pytest.approx(loss.item(), rel=1e-4)
    assert found[1].keys() == wanted.keys()
    assert any(grad.abs().max() > 1e-3 for grad in wanted.values())
    for name, grad in wanted.items():
        torch.testing.assert_close(found[1][name], grad, rtol=2e-3, atol=2e-5, msg=name)


@pytest.mark.parametrize("rows_at_once", [2, 100])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_dpo_is_trls(
    base_model: Path, chat_tokenizer: Any, tmp_path: Path, rows_at_once: int, smoothing: float
) -> None:
    from datasets import Dataset
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    from tune.methods.arithmetic import Plain
    from tune.methods.dpo import Dpo
    from tune.methods.reference import ask_reference

    pairs = [Compared(row, answer(row, seed=number)) for number, row in enumerate(rows(4, seed=2))]
    given = [
        dict(zip(("prompt_ids", "chosen_ids", "rejected_ids"), (*split(p.chosen), split(p.rejected)[1]), strict=True))
        for p in pairs
    ]
    model = grown(base_model)
    plain = Plain("cpu")
    reference = ask_reference(
        tmp_path / "kept", [row for pair in pairs for row in (pair.chosen, pair.rejected)],
        lambda some: plain.measure(model, some).detach(),
    )  # fmt: skip
    kinds = ["robust" if smoothing else "sigmoid", "sft"]
    config = arguments(DPOConfig, tmp_path, loss_type=kinds, loss_weights=[1.0, 0.2], label_smoothing=smoothing)
    trainer = trls_own(DPOTrainer)(
        model=model, args=config, train_dataset=Dataset.from_list(given), processing_class=chat_tokenizer
    )
    nudge(model)
    objective = Dpo(pairs, reference, beta=BETA, sft_weight=0.2, label_smoothing=smoothing)
    found = ours(model, objective, len(pairs), rows_at_once=rows_at_once, arithmetic=plain)
    assert_equal(found, trainer.compute_loss(model, trainer.data_collator(given)), model)


@pytest.mark.parametrize("rows_at_once", [2, 100])
@pytest.mark.parametrize("kind", ["kto", "apo_zero_unpaired"])
def test_kto_is_trls(base_model: Path, chat_tokenizer: Any, tmp_path: Path, rows_at_once: int, kind: str) -> None:
    from datasets import Dataset
    from trl.trainer.kto_config import KTOConfig
    from trl.trainer.kto_trainer import KTOTrainer

    from tune.batches import Plan
    from tune.methods.arithmetic import Plain
    from tune.methods.kto import Kto, all_mismatches
    from tune.methods.reference import ask_reference

    votes = [Voted(row, number % 2 == 0) for number, row in enumerate(rows(4, seed=3))]
    answers = [split(vote.row)[1] for vote in votes]
    given = [
        {"prompt_ids": split(vote.row)[0], "completion_ids": answers[n], "label": vote.is_good}
        | ({"KL_completion_ids": answers[n - 1]} if kind == "kto" else {})
        for n, vote in enumerate(votes)
    ]
    model = grown(base_model)
    plain = Plain("cpu")
    plan = Plan((0, 1, 2, 3), 1, 4, 4)
    reference = ask_reference(
        tmp_path / "kept", [*(vote.row for vote in votes), *all_mismatches(votes, plan, max_tokens=512)],
        lambda some: plain.measure(model, some).detach(),
    )  # fmt: skip
    config = arguments(KTOConfig, tmp_path, loss_type=kind, per_device_train_batch_size=4)
    trainer = trls_own(KTOTrainer)(
        model=model, args=config, train_dataset=Dataset.from_list(given), processing_class=chat_tokenizer
    )
    nudge(model)
    objective = Kto(votes, reference, beta=BETA, measures_drift=kind == "kto", max_tokens=512)
    found = ours(model, objective, len(votes), rows_at_once=rows_at_once, arithmetic=plain)
    assert_equal(found, trainer.compute_loss(model, trainer.data_collator(given)), model)


@pytest.mark.parametrize("lean", [False, True])
def test_sft_is_trls(base_model: Path, chat_tokenizer: Any, tmp_path: Path, lean: bool) -> None:
    from datasets import Dataset
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    from tune.methods.arithmetic import Lean, Plain
    from tune.methods.sft import Sft

    chats = rows(5, seed=4)
    given = [{"input_ids": list(row.input_ids), "labels": list(row.labels)} for row in chats]
    config = SFTConfig(
        output_dir=str(tmp_path), use_cpu=True, bf16=False, gradient_checkpointing=False, max_length=None,
        report_to="none", disable_tqdm=True,
    )  # fmt: skip
    theirs = grown(base_model)
    trainer = trls_own(SFTTrainer)(
        model=theirs, args=config, train_dataset=Dataset.from_list(given), processing_class=chat_tokenizer
    )
    model = grown(base_model)
    arithmetic: Any = Lean(model) if lean else Plain("cpu")
    found = ours(model, Sft([Imitated(row) for row in chats]), len(chats), rows_at_once=2, arithmetic=arithmetic)
    assert_equal(found, trainer.compute_loss(theirs, trainer.data_collator(given)), theirs)


def test_a_row_counts_by_its_weight(base_model: Path, tmp_path: Path) -> None:
    import torch

    from tune.methods.arithmetic import Plain
    from tune.methods.dpo import Dpo
    from tune.methods.kto import Kto
    from tune.methods.reference import ask_reference
    from tune.methods.sft import Sft

    model, plain = grown(base_model), Plain("cpu")
    two = rows(2, seed=6)
    others = [answer(row, seed=number) for number, row in enumerate(two)]
    reference = ask_reference(tmp_path / "kept", [*two, *others], lambda some: plain.measure(model, some).detach())
    nudge(model)

    def grads(weights: tuple[float, float]) -> list[dict[str, Any]]:
        objectives: list[Any] = [
            Sft([Imitated(row, weight) for row, weight in zip(two, weights, strict=True)]),
            Dpo(
                [Compared(a, b, weight) for a, b, weight in zip(two, others, weights, strict=True)],
                reference, beta=BETA, sft_weight=0.2, label_smoothing=0.1,
            ),
            Kto(
                [Voted(row, good, weight) for row, good, weight in zip(two, (True, False), weights, strict=True)],
                reference, beta=BETA, measures_drift=False, max_tokens=512,
            ),
        ]  # fmt: skip
        return [ours(model, objective, 2, rows_at_once=4, arithmetic=plain)[1] for objective in objectives]

    both, light, heavy = grads((1.0, 1.0)), grads((1.0, 1e-9)), grads((2.0, 1e-9))
    for method in (0, 1):
        for name, grad in heavy[method].items():
            torch.testing.assert_close(grad, 2 * light[method][name], rtol=1e-3, atol=1e-6)
        assert any(not torch.allclose(grad, both[method][name], rtol=0.1) for name, grad in light[method].items())
    # KTO lets both kinds of votes weigh alike, however few or light they are.
    for name, grad in grads((5.0, 1.0))[2].items():
        torch.testing.assert_close(grad, 3 * both[2][name], rtol=1e-3, atol=1e-6)
