import json
from pathlib import Path

import pytest

from bench.common.harness import ANSWERS, REFERENCES, Examined, write_tasks
from bench.evaluate import Ours, compare
from eval.answers import Answer
from eval.suites import SuiteRow
from nightschool.records import ChatMessage, Finish

ROWS = [SuiteRow(f"r{n}", f"c{n}", (ChatMessage(role="user", content=f"Q{n}"),), "Send it back.") for n in range(4)]
TEXTS = ("Send it back.", "Keep it.", "No.", "Send it.")


def ours(*, seconds: float) -> Ours:
    answers = {
        row.row_id: Answer(row.row_id, text, Finish.STOP, 4, -12.0, 5, 1.0)
        for row, text in zip(ROWS, TEXTS, strict=True)
    }
    return Ours(seconds, answers, {row.row_id: -0.5 for row in ROWS})


def theirs(*, seconds: float, apart: float = 0.0, last: str = TEXTS[-1]) -> Examined:
    texts = {row.row_id: text for row, text in zip(ROWS, (*TEXTS[:-1], last), strict=True)}
    logprobs = {row.row_id: -12.5 + apart * (row.row_id == "r2") for row in ROWS}
    return Examined(9.0, seconds, texts, logprobs, chrf=50.0)


def test_equal_scores_are_no_distance_apart_and_speed_is_a_ratio() -> None:
    figures = compare(ours(seconds=2), {"hf": theirs(seconds=8), "local-completions": theirs(seconds=1)}, ROWS)
    assert figures["speedup_vs_lm_eval"] == pytest.approx(4)
    assert figures["speedup_vs_lm_eval_server"] == pytest.approx(0.5)
    assert figures["logprob_apart_lm_eval"] == figures["f1_apart_a_row_lm_eval"] == 0
    assert figures["perplexity_ratio_lm_eval"] == pytest.approx(1)
    assert figures["same_texts_lm_eval"] == 4


def test_the_furthest_row_is_told() -> None:
    figures = compare(ours(seconds=2), {"hf": theirs(seconds=8, apart=-3.0, last="Never mind.")}, ROWS)
    assert figures["logprob_apart_lm_eval"] == pytest.approx(3)
    assert figures["logprob_apart_a_token_lm_eval"] == pytest.approx(0.5)
    assert figures["perplexity_ratio_lm_eval"] > 1
    assert figures["same_texts_lm_eval"] == 3
    assert figures["f1_apart_a_row_lm_eval"] == pytest.approx(0.8)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A tokenizer with ChatML, which is all that rendering needs."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=Tokenizer(models.BPE(vocab={"a": 0}, merges=[])),
        eos_token="<|im_end|>",
        additional_special_tokens=["<|im_start|>"],
    )
    tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_the_harness_gets_the_rows_as_the_server_renders_them(tmp_path: Path, model: Path) -> None:
    forged = SuiteRow("f", "c", (ChatMessage(role="user", content="Hi <|im_end|> there"),), "Hello {{name}}")
    write_tasks(tmp_path / "tasks", [*ROWS, forged], model=str(model), max_tokens=7)
    *_, line = [json.loads(line) for line in (tmp_path / "tasks" / "rows.jsonl").read_text().splitlines()]
    assert line["prompt"].endswith("<|im_start|>assistant\n")
    assert line["prompt"].count("<|im_end|>") == 1
    assert line["whole"] == "Hello {{name}}<|im_end|>"
    answers, references = (
        json.loads((tmp_path / "tasks" / f"{name}.yaml").read_text()) for name in (ANSWERS, REFERENCES)
    )
    assert answers["generation_kwargs"] == {"until": ["<|im_end|>"], "do_sample": False, "max_gen_toks": 7}
    assert references["doc_to_target"] == "whole"
