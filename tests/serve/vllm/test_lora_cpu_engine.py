"""Merged slots in a real vLLM: every row of a mixed batch gets the weights it asked for, and stock vLLM fails this.

Greedy texts are no test (bf16 products differ with the number of rows): log-probabilities of the same tokens are.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import pytest

from serve.vllm.launch import cpu_dtype, read_cpu_flags

if TYPE_CHECKING:
    from tests.serve.vllm.conftest import RunningEngine, Scored, TinyModels

pytestmark = [
    pytest.mark.engine,
    pytest.mark.filterwarnings("default"),  # transformers and PEFT warn of their own futures
]

LIMIT: Final = 0.1 if cpu_dtype(read_cpu_flags()) == "bfloat16" else 0.002
"""Nats per token. The models lie about 1 apart."""
FAR: Final = 0.3
MIXED: Final = ("base", "all8", "some4", "all16")


def assert_own_weights(models: "TinyModels", answers: "Sequence[Scored]", *, names: Sequence[str] = MIXED) -> None:
    """What was served for each model is near its own reference and far from every other's."""
    for asked in names:
        own = [answer for answer in answers if answer.model == asked]
        assert own
        for other in names:
            error = sum(models.error(answer, other) for answer in own) / len(own)
            if other == asked:
                assert error < LIMIT, f"{asked} was served {error:.4f} nats from its own weights"
            else:
                assert error > FAR, f"{asked} and {other} lie only {error:.4f} apart: the test proves nothing"


def test_prefill_and_decode_of_a_mixed_batch(engine: "RunningEngine", tiny_models: "TinyModels") -> None:
    assert_own_weights(tiny_models, engine.answer_mixed(MIXED, each=4, max_tokens=16))


def test_scores_of_given_texts_in_a_mixed_batch(engine: "RunningEngine", tiny_models: "TinyModels") -> None:
    assert_own_weights(tiny_models, engine.answer_mixed(MIXED, each=3, max_tokens=0))


@pytest.mark.parametrize("model", MIXED)
def test_one_model_alone(engine: "RunningEngine", tiny_models: "TinyModels", model: str) -> None:
    answers = engine.answer_mixed([model], each=2, max_tokens=8)
    assert_own_weights(tiny_models, answers, names=[model])


def test_what_vllm_refuses_stays_refused(engine: "RunningEngine", tiny_models: "TinyModels") -> None:
    assert engine.load_status("too-big", tiny_models.adapters / "all32") == 500
    assert engine.load_status("missing", tiny_models.adapters / "nowhere") == 404
    assert_own_weights(tiny_models, engine.answer_mixed(MIXED, each=1, max_tokens=4))


def test_reused_slot_holds_only_the_new_adapter(engine: "RunningEngine", tiny_models: "TinyModels") -> None:
    names = ("base", "some8", "all8", "all16")
    engine.unload("some4")
    engine.load("some8")
    try:
        assert_own_weights(tiny_models, engine.answer_mixed(names, each=3, max_tokens=8), names=names)
    finally:
        engine.unload("some8")
        engine.load("some4")
    assert_own_weights(tiny_models, engine.answer_mixed(MIXED, each=2, max_tokens=4))


def test_stock_vllm_fails_the_same_check(stock_engine: "RunningEngine", tiny_models: "TinyModels") -> None:
    """If this one fails, vLLM has mended itself and the plugin can go, or the check above has lost its teeth."""
    answers = stock_engine.answer_mixed(MIXED, each=4, max_tokens=16)
    with pytest.raises(AssertionError, match="base was served"):
        assert_own_weights(tiny_models, answers)
