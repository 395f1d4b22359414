"""The base's own answers, from a real (tiny) model."""

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.train
PROMPTS = ["Hi?", "What is the largest ocean on Earth?", "Why?"]


def test_an_answer_is_the_same_beside_others_and_ends_at_its_end_token(
    base_model: Path, chat_tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Padding is nobody's word: in fp32, where rounding does not decide between two words."""
    import torch

    from tune import model as models
    from tune.frozen import Frozen, frozen_base

    monkeypatch.setattr(models, "choose_dtype", lambda device: torch.float32)
    base = Frozen(str(base_model), chat_tokenizer, device="cpu", max_new_tokens=12)
    together = base(PROMPTS)
    assert [base([prompt])[0] for prompt in PROMPTS] == together
    assert len({said.text for said in together}) > 1
    with frozen_base(str(base_model), chat_tokenizer, device="cpu") as other:
        pass
    assert "_model" not in vars(other)

    # The token that it says first ends its answer now.
    first = chat_tokenizer(together[0].text, add_special_tokens=False)["input_ids"][0]
    monkeypatch.setattr(models, "read_end_tokens", lambda *_: {chat_tokenizer.convert_ids_to_tokens(first)})
    ended = Frozen(str(base_model), chat_tokenizer, device="cpu", max_new_tokens=12)
    assert ended(PROMPTS[:1]) == [("", True)]
